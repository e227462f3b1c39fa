"""Deadlines of a request that hold whatever the other side does.

urllib3 limits each wait, but not their sum: a server that sends a byte now and then could be waited for without end.
A process can also be frozen after it has decided to send. Either would break what the refresh protocol relies on: that
a request has ended so many seconds after its intent was written. Therefore a request that cannot leave in time does not
leave, and one that has not ended in time loses its connection.
"""

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Any, Self
from urllib.parse import unquote

from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3 import BaseHTTPResponse, HTTPConnectionPool, HTTPSConnectionPool, PoolManager, ProxyManager, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util import make_headers, parse_url

from service_kit.outbound.session import DIRECT, Egress
from service_kit.process import logs

TICK_SECONDS = 0.1


class TooLateError(Exception):
    """The request would have left too late; no byte of it was sent."""


@dataclass(eq=False, slots=True)
class RequestDeadlines:
    """Of one request, in monotonic time. connection: set when the request is about to leave."""

    leave_by: float
    end_by: float
    connection: socket.socket | None = None

    def leave(self, connection: socket.socket) -> None:
        """Called just before the first byte is sent. Raises TooLateError."""
        if monotonic() > self.leave_by:
            raise TooLateError
        self.connection = connection

    def cut(self) -> None:
        """Shut the connection down, which wakes the thread that reads from it."""
        if self.connection is not None:
            with suppress(OSError):
                # Not the method of SSLSocket: it would take the TLS state from under the reader.
                socket.socket.shutdown(self.connection, socket.SHUT_RDWR)


_current: ContextVar[RequestDeadlines | None] = ContextVar("deadlines", default=None)


class Watch:
    """One thread that enforces the deadlines of all requests of a client."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[RequestDeadlines] = set()
        self._wanted = threading.Event()
        self._is_started = False

    @contextmanager
    def limited(self, *, leave_by: float, end_by: float) -> Iterator[None]:
        """Limit the request that is made in the block. Times are monotonic."""
        deadlines = RequestDeadlines(leave_by, end_by)
        with self._lock:
            self._running.add(deadlines)
            if not self._is_started:
                threading.Thread(target=self._run, name="time-limits", daemon=True).start()
                self._is_started = True
        self._wanted.set()
        before = _current.set(deadlines)
        try:
            yield
        finally:
            _current.reset(before)
            with self._lock:  # afterwards the connection may serve another request, and must not be cut
                self._running.discard(deadlines)

    def _run(self) -> None:
        while self._wanted.wait():
            with self._lock:
                for deadlines in self._running:
                    if deadlines.end_by <= monotonic():
                        deadlines.cut()
                if not self._running:
                    self._wanted.clear()
            sleep(TICK_SECONDS)


class LimitedConnection(HTTPConnection):
    """A connection that keeps to the deadlines of the block in which it is used."""

    def request(self, *arguments: Any, **options: Any) -> None:
        """Overrides urllib3: connect if need be, then send."""
        deadlines = _current.get()
        if deadlines is not None:
            if self.sock is None:
                self.connect()
            deadlines.leave(self.sock)
        super().request(*arguments, **options)


class _LimitedTls(LimitedConnection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = LimitedConnection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _LimitedTls


_POOLS = {"http": _Pool, "https": _TlsPool}


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
                manager.pool_classes_by_scheme = _POOLS

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
