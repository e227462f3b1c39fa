"""Calls to other servers: pooled connections and the request id; no redirects, no cookies.

Every answer is bounded: in size, also after it was decompressed, and in time, also when it comes byte by byte. Proxies
and certificate authorities are those that the caller passes in, never those of the environment.
"""

import math
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3

from service_kit.outbound.bounded import BodyTooLargeError, read_body
from service_kit.outbound.time_limits import LimitedAdapter, Watch
from service_kit.process import logs

MAX_ANSWER_BYTES = 1 << 20
TOTAL_SECONDS = 15.0
"""How long a request and its whole answer take at most; or the sum of the caller's time-outs, if that is more.

A caller that streams sets limits of its own.
"""


class AnswerTooLargeError(requests.RequestException):
    """The answer is larger than any valid answer."""


@dataclass(frozen=True, slots=True)
class Egress:
    """The way of requests out of the machine.

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

    def __init__(self, pool_size: int = 32, egress: Egress = DIRECT, max_answer_bytes: int = MAX_ANSWER_BYTES) -> None:
        """max_answer_bytes: of an answer's body, compressed or not."""
        super().__init__()
        self._max_answer_bytes = max_answer_bytes
        self.trust_env = False
        self._egress = egress
        self._watch = Watch()
        for scheme in ("http://", "https://"):
            self.mount(scheme, LimitedAdapter(pool_connections=8, pool_maxsize=pool_size))

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
        adapter = self.get_adapter(str(request.url))
        if kwargs["stream"]:
            return adapter.send(request, **kwargs)
        kwargs["stream"] = True
        seconds = max(TOTAL_SECONDS, _longest(kwargs["timeout"]))
        end_by = monotonic() + seconds
        with self._watch.limited(leave_by=math.inf, end_by=end_by):
            answer = adapter.send(request, **kwargs)
            body = bounded_body(answer, self._max_answer_bytes)
            answer._content = body  # noqa: SLF001 - `requests` sets it, but without a limit
        if monotonic() > end_by:  # a body whose end is that of the connection is not whole then
            raise requests.ReadTimeout(f"no whole answer within {seconds:g} s")
        return answer


def _longest(timeout: float | tuple[float, float]) -> float:
    """The longest wait of a call by its time-outs, in seconds. A single number limits the connection and the answer
    each.
    """
    return sum(timeout) if isinstance(timeout, tuple) else 2 * timeout


def bounded_body(answer: requests.Response, limit: int = MAX_ANSWER_BYTES) -> bytes:
    """The decompressed body of an answer to a request with `stream=True`; its connection is released.

    Raises AnswerTooLargeError above `limit` bytes, compressed or not, and other `requests.RequestException`s.
    """
    try:
        return read_body(answer.raw, limit)
    except Exception as error:
        answer.close()
        match error:
            case BodyTooLargeError():
                raise AnswerTooLargeError(str(error)) from error
            case urllib3.exceptions.DecodeError():
                raise requests.exceptions.ContentDecodingError(error) from error
            case urllib3.exceptions.ProtocolError():
                raise requests.exceptions.ChunkedEncodingError(error) from error
            case urllib3.exceptions.SSLError():
                raise requests.exceptions.SSLError(error) from error
            case urllib3.exceptions.HTTPError() | OSError() | ValueError():  # the watch may have cut the connection
                raise requests.exceptions.ConnectionError(error) from error
            case _:
                raise
