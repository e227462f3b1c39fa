"""A small HTTP/1.1 client for loads that a general tool cannot produce: callers with state, and arrivals by a clock.

In a closed loop each caller sends its next request after an answer. In an open loop the clock decides when a request is
sent, and latency is measured from the moment the request was due, so that a server that stalls pays for all waiting
requests (no "coordinated omission"). Arrivals are a Poisson process, like those of independent callers.

The client uses bare sockets and `select`, because its processor time is taken from a server on the same cores, and an
event loop with a resolution of milliseconds would send late.
"""

import gc
import random
import re
import select
import socket
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Protocol
from urllib.parse import urlsplit

from bench.outcome import BenchError, LoadOutcome

ANSWER_SECONDS = 30.0

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_CLOSES = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)


class LoadCaller(Protocol):
    """A caller that sends one request after another."""

    @property
    def origin(self) -> str:
        """`http://host:port`."""

    def request(self) -> bytes:
        """The complete next request."""

    def take(self, body: bytes) -> None:
        """Take the body of a 200 answer."""


def closed(callers: Sequence[LoadCaller], seconds: float) -> LoadOutcome:
    """Run a closed loop of the callers for some seconds."""
    with closing(_Load(callers)) as load, _undisturbed():
        load.begin()
        started = time.perf_counter()
        while time.perf_counter() < started + seconds:
            while load.idle:
                load.send(time.perf_counter())
            load.receive(ANSWER_SECONDS)
        load.finish()
        return LoadOutcome.of(load.latencies, time.perf_counter() - started)


def opened(callers: Sequence[LoadCaller], rate: float, seconds: float, seed: int) -> LoadOutcome:
    """Run an open loop of `rate` requests a second; the caller that has been idle longest sends each request."""
    chance = random.Random(seed)
    waiting: deque[float] = deque()
    with closing(_Load(callers)) as load, _undisturbed():
        load.begin()
        started = time.perf_counter()
        due = started + chance.expovariate(rate)
        while due < started + seconds or waiting:
            while due <= time.perf_counter() and due < started + seconds:
                waiting.append(due)
                due += chance.expovariate(rate)
            while waiting and load.idle:
                load.send(waiting.popleft())
            load.receive(ANSWER_SECONDS if waiting else max(due - time.perf_counter(), 0))
        load.finish()
        return LoadOutcome.of(load.latencies, time.perf_counter() - started)


class _Load:
    """Idle callers, waiting callers, and the latency of each answer in seconds."""

    def __init__(self, callers: Sequence[LoadCaller]) -> None:
        self.idle = deque(map(_Line, callers))
        self.latencies: list[float] = []
        self._busy: dict[socket.socket, _Line] = {}

    def begin(self) -> None:
        """Send one request of each caller that is not counted, to open its connection."""
        for _ in range(len(self.idle)):
            self.send(time.perf_counter())
            self.finish()
        self.latencies.clear()

    def send(self, due: float) -> None:
        """Send the next request of the caller that has been idle longest."""
        line = self.idle.popleft()
        self._busy[line.send(due)] = line

    def receive(self, seconds: float) -> None:
        """Wait some seconds for answers and take them. Raises BenchError for a bad answer, or for none."""
        ready, _, _ = select.select(list(self._busy), [], [], seconds)
        for readable in ready:
            line = self._busy[readable]
            if line.receive():
                self.latencies.append(time.perf_counter() - line.due)
                del self._busy[readable]
                self.idle.append(line)
        if not ready and seconds == ANSWER_SECONDS:
            raise BenchError(f"no answer in {ANSWER_SECONDS:.0f} s")

    def finish(self) -> None:
        """Wait for all outstanding answers."""
        while self._busy:
            self.receive(ANSWER_SECONDS)

    def close(self) -> None:
        """Close the connection."""
        for line in (*self.idle, *self._busy.values()):
            line.close()


class _Line:
    """A caller and its connection. due: when the current request should have been sent."""

    def __init__(self, caller: LoadCaller) -> None:
        self.due = 0.0
        self._caller = caller
        self._socket: socket.socket | None = None
        self._received = b""

    def send(self, due: float) -> socket.socket:
        """Send the next request; returns the socket of the answer."""
        self.due = due
        if self._socket is None:
            address = urlsplit(self._caller.origin)
            self._socket = socket.create_connection((address.hostname, address.port), ANSWER_SECONDS)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(self._caller.request())
        return self._socket

    def receive(self) -> bool:
        """Read the available bytes; True if the answer is complete. Raises BenchError unless it is a 200."""
        assert self._socket is not None
        try:
            data = self._socket.recv(1 << 16)
        except OSError:
            data = b""
        if not data:
            raise BenchError(f"{self._caller.origin} hung up")
        self._received += data
        head, found, rest = self._received.partition(b"\r\n\r\n")
        body = _body(head, rest) if found else None
        if body is None:
            return False
        if head.split(b" ", 2)[1] != b"200":
            shown = body[:300].decode(errors="replace")
            raise BenchError(f"{self._caller.origin} answered {head[:40].decode(errors='replace')}: {shown}")
        self._received = b""
        if _CLOSES.search(head):
            self.close()
        self._caller.take(body)
        return True

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None


def _body(head: bytes, rest: bytes) -> bytes | None:
    """The body, if it is complete (the part of RFC 9112 that token endpoints use)."""
    if _CHUNKED.search(head):
        return _joined(rest)
    length = _LENGTH.search(head)
    expected = int(length[1]) if length else 0
    return rest if len(rest) >= expected else None


def _joined(chunked: bytes) -> bytes | None:
    chunks: list[bytes] = []
    while True:
        size, found, chunked = chunked.partition(b"\r\n")
        length = int(size.split(b";")[0], 16) if found else 0
        if not found or len(chunked) < length + 2:
            return None
        if not length:
            return b"".join(chunks)
        chunks.append(chunked[:length])
        chunked = chunked[length + 2 :]


@contextmanager
def _undisturbed() -> Iterator[None]:
    """No garbage collection in the client while it measures."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
