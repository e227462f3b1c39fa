"""Deadlines of a request that hold whatever the other side does.

urllib3 limits each wait, but not their sum: a call to a server that sends a byte now and then could wait without end. A
process can also be frozen after it has decided to send. A request that cannot leave in time is therefore not sent. A
request that has not ended in time loses its connection.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

TICK_SECONDS = 0.1


class TooLateError(Exception):
    """The request would have left too late; no byte of it was sent."""


@dataclass(eq=False, slots=True)
class RequestDeadlines:
    """The deadlines of one request, in monotonic time.

    connection: set when the request is about to leave; opened: a second handle of a connection that was opened for it,
    which can be cut while a proxy answers or TLS begins.
    """

    leave_by: float
    end_by: float
    connection: socket.socket | None = None
    opened: socket.socket | None = None

    def leave(self, connection: socket.socket) -> None:
        """Called just before the first byte is sent. Raises TooLateError."""
        if monotonic() > self.leave_by:
            raise TooLateError
        self.connection = connection

    def cut(self) -> None:
        """Shut the connection down, which wakes the thread that reads from it."""
        for connection in (self.connection, self.opened):
            if connection is not None:
                with suppress(OSError):
                    # Not the method of SSLSocket: it would take the TLS state from under the reader.
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of the second handle; the connection stays open."""
        if self.opened is not None:
            self.opened.close()


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
            deadlines.close()

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

    def _new_conn(self) -> socket.socket:
        """Overrides urllib3: open the connection, of which TLS then takes the handle."""
        connection = super()._new_conn()
        deadlines = _current.get()
        if deadlines is not None:
            deadlines.opened = connection.dup()
        return connection

    def _tunnel(self) -> None:
        """Overrides http.client, which takes the end of a connection that was cut for the end of the proxy's answer."""
        super()._tunnel()
        deadlines = _current.get()
        if deadlines is not None and deadlines.end_by <= monotonic():
            raise TimeoutError("no whole answer of the proxy")

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


POOLS = {"http": _Pool, "https": _TlsPool}
"""Of urllib3's pool managers, by scheme."""


class LimitedAdapter(HTTPAdapter):
    """Connections for `requests` that keep to the deadlines of the block in which they are used."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Overrides requests: make the pools."""
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def proxy_manager_for(self, *arguments: Any, **options: Any) -> Any:
        """Overrides requests: make the pools behind a proxy."""
        manager = super().proxy_manager_for(*arguments, **options)
        manager.pool_classes_by_scheme = POOLS
        return manager
