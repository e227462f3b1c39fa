"""Connections to an authorization server's back channel, by urllib3 itself: `requests` costs time in each refresh."""

from collections.abc import Mapping
from typing import Any, Self
from urllib.parse import unquote

from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3 import BaseHTTPResponse, PoolManager, ProxyManager, Timeout
from urllib3.util import make_headers, parse_url

from service_kit.outbound.session import DIRECT, Egress
from service_kit.outbound.time_limits import POOLS
from service_kit.process import logs


class LimitedSession:
    """Requests over pooled connections, which keep to the deadlines of `Watch.limited`. Threads share it.

    Each request is sent once: redirects are returned, cookies are not stored, nothing comes from the environment.
    """

    def __init__(self, egress: Egress = DIRECT) -> None:
        self._egress = egress
        options: dict[str, Any] = {
            "num_pools": 8,
            "maxsize": 32,
            "cert_reqs": "CERT_REQUIRED",
            "ca_certs": egress.ca_bundle or DEFAULT_CA_BUNDLE_PATH,
        }
        self._direct = PoolManager(**options)
        self._proxied = None if egress.proxy is None else _proxy_manager(egress.proxy, options)
        for manager in (self._direct, self._proxied):
            if manager is not None:
                manager.pool_classes_by_scheme = POOLS

    def send(
        self, method: str, url: str, headers: Mapping[str, str], timeout: Timeout, body: str | None = None
    ) -> BaseHTTPResponse:
        """The answer's status and headers; its body is still to be read. Raises urllib3's HTTPError, OSError.

        headers: in addition to the current request id.
        """
        is_proxied = self._proxied is not None and self._egress.proxies(url)
        manager = self._proxied if is_proxied else self._direct
        assert manager is not None  # noqa: S101 - it is proxied only with a proxy
        current = logs.request_id.get()
        sent = dict(headers) if current is None else {**headers, "X-Request-ID": current}
        return manager.urlopen(
            method, url, body=body, headers=sent, timeout=timeout, retries=False, redirect=False, preload_content=False
        )

    def close(self) -> None:
        """Close the connections."""
        for manager in (self._direct, self._proxied):
            if manager is not None:
                manager.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _proxy_manager(url: str, options: Mapping[str, Any]) -> ProxyManager:
    """The pools behind a proxy, whose URL may hold a user and a password."""
    auth = parse_url(url).auth
    headers = make_headers(proxy_basic_auth=unquote(auth)) if auth else None
    return ProxyManager(url, proxy_headers=headers, **options)
