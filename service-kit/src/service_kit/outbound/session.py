"""Calls to other servers: pooled connections and the request id; no redirects, no cookies, answers of limited size.

Proxies and certificate authorities are those that the caller passes in, never those of the environment.
"""

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from service_kit.process import logs

MAX_ANSWER_BYTES = 1 << 20


class AnswerTooLargeError(requests.RequestException):
    """The answer is larger than any valid answer."""


@dataclass(frozen=True, slots=True)
class Egress:
    """How requests leave the machine.

    ca_bundle: path of a PEM file with the certificate authorities to trust instead of the usual ones; proxy: URL of an
    HTTP proxy; direct: hosts that are reached without it, with all below them, `*` for all. Loopback never uses it.
    """

    ca_bundle: str | None = None
    proxy: str | None = field(default=None, repr=False)
    direct: frozenset[str] = frozenset()

    def proxies(self, url: str) -> dict[str, str]:
        """The proxy for an address, as `requests` takes it; empty for none."""
        host = (urlsplit(url).hostname or "").lower()
        names = {name.lower().removeprefix("*.").lstrip(".") for name in self.direct}
        is_direct = "*" in names or any(host == name or host.endswith(f".{name}") for name in names if name)
        is_local = host == "localhost" or host.startswith("127.") or host == "::1"
        return {} if self.proxy is None or is_direct or is_local else {"http": self.proxy, "https": self.proxy}


DIRECT = Egress()


def readable_ca_bundle(path: Path) -> str:
    """The path of a file with certificates in PEM. Raises ValueError when there are none in it."""
    try:
        ssl.create_default_context(cafile=path)
    except OSError as error:  # SSLError too
        raise ValueError(f"{path} holds no certificates in PEM ({error.strerror or type(error).__name__})") from None
    return str(path)


class Session(requests.Session):
    """A `requests.Session` shared by threads; every call must name its timeout (connect, read) in seconds."""

    def __init__(self, pool_size: int = 32, egress: Egress = DIRECT) -> None:
        super().__init__()
        self.trust_env = False
        self._egress = egress
        for scheme in ("http://", "https://"):
            self.mount(scheme, HTTPAdapter(pool_connections=8, pool_maxsize=pool_size))

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
        """Send, with the current request id as `X-Request-ID`."""
        current = logs.request_id.get()
        if current is not None:
            kwargs["headers"] = {**(kwargs.get("headers") or {}), "X-Request-ID": current}
        return super().request(method, url, *args, **kwargs)

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        """Prepare the request alone, because the session has neither cookies nor headers to add."""
        return request.prepare()

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send once.

        Redirects are returned, not followed. Cookies are not stored: they could belong to another person.
        """
        del kwargs["allow_redirects"]
        kwargs["proxies"] = self._egress.proxies(str(request.url))
        if self._egress.ca_bundle is not None:
            kwargs["verify"] = self._egress.ca_bundle
        answer = self.get_adapter(str(request.url)).send(request, **kwargs)
        if not kwargs["stream"]:
            _ = answer.content  # read to the end, to release the connection
        return answer


def bounded_body(answer: requests.Response, limit: int = MAX_ANSWER_BYTES) -> bytes:
    """The body of an answer to a request with `stream=True`. Raises AnswerTooLargeError above `limit` bytes."""
    body = b""
    for chunk in answer.iter_content(65536):
        body += chunk
        if len(body) > limit:
            answer.close()
            raise AnswerTooLargeError(f"more than {limit} bytes")
    return body
