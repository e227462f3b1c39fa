"""Limits on a request's time that hold whatever the other side does.

`requests` limits each wait and not their sum: a server that sends a byte now and then is waited for without end. And a
process may stand still after it has decided to send. Either would break what the refresh protocol relies on: that a
request is over so many seconds after its intent was written down. So a request that cannot leave in time does not
leave, and one that is not over in time loses its connection.
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
    """The request would have left too late; nothing of it has."""


@dataclass(eq=False, slots=True)
class Limits:
    """Of one request, by the monotonic clock. connection: as soon as it is about to leave."""

    leave_by: float
    over_by: float
    connection: socket.socket | None = None

    def leave(self, connection: socket.socket) -> None:
        """The request's first byte is sent next. Raises TooLateError."""
        if monotonic() > self.leave_by:
            raise TooLateError
        self.connection = connection

    def cut(self) -> None:
        """Wake whoever reads from the connection: there is nothing more to come."""
        if self.connection is not None:
            with suppress(OSError):
                socket.socket.shutdown(
                    self.connection, socket.SHUT_RDWR
                )  # not TLS's own, which takes the reader's state


_current: ContextVar[Limits | None] = ContextVar("limits", default=None)


class Watch:
    """One thread that looks after all requests of a client."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._limits: set[Limits] = set()
        self._wanted = threading.Event()
        self._is_started = False

    @contextmanager
    def limited(self, *, leave_by: float, over_by: float) -> Iterator[None]:
        """Limit the request that is made in the block."""
        limits = Limits(leave_by, over_by)
        with self._lock:
            self._limits.add(limits)
            if not self._is_started:
                threading.Thread(target=self._run, name="time-limits", daemon=True).start()
                self._is_started = True
        self._wanted.set()
        before = _current.set(limits)
        try:
            yield
        finally:
            _current.reset(before)
            with self._lock:  # so that nobody cuts a connection that is somebody else's by now
                self._limits.discard(limits)

    def _run(self) -> None:
        while self._wanted.wait():
            with self._lock:
                for limits in self._limits:
                    if limits.over_by <= monotonic():
                        limits.cut()
                if not self._limits:
                    self._wanted.clear()
            sleep(TICK_SECONDS)


class _Limited(HTTPConnection):
    def request(self, *arguments: Any, **options: Any) -> None:
        """urllib3: send a request, on a connection that is made first if there is none."""
        limits = _current.get()
        if limits is not None:
            if self.sock is None:
                self.connect()
            limits.leave(self.sock)
        super().request(*arguments, **options)


class _LimitedTls(_Limited, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Limited


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _LimitedTls


class LimitedAdapter(HTTPAdapter):
    """For `requests`: connections that keep to the limits of the block in which they are used."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """requests: make the pools."""
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
