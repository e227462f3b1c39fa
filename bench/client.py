"""A small HTTP/1.1 client for loads that a general tool cannot make: callers with a memory, and arrivals by a clock.

A closed loop keeps a number of callers busy: each sends when it has been answered. An open loop sends when the clock
says so, whether the answers come or not, and counts each latency from the moment when the request was due: a server
that stalls is charged for everybody who had to wait meanwhile ("coordinated omission" left out none of them).
Arrivals are a Poisson process, as those of callers who know nothing of each other.

Bare sockets and `select`: what the client spends is taken from the server where both share few cores, and an event loop
that counts in milliseconds would send late and charge the server for it.
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

from bench.outcome import BenchError, Outcome

ANSWER_SECONDS = 30.0

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_CLOSES = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)


class Caller(Protocol):
    """Somebody who sends one request after another."""

    @property
    def origin(self) -> str:
        """`http://host:port`."""

    def request(self) -> bytes:
        """The next request, whole."""

    def take(self, body: bytes) -> None:
        """The body of a good answer."""


def closed(callers: Sequence[Caller], seconds: float) -> Outcome:
    """Keep the callers busy for so long."""
    with closing(_Load(callers)) as load, _undisturbed():
        load.begin()
        started = time.perf_counter()
        while time.perf_counter() < started + seconds:
            while load.idle:
                load.send(time.perf_counter())
            load.receive(ANSWER_SECONDS)
        load.finish()
        return Outcome.of(load.latencies, time.perf_counter() - started)


def opened(callers: Sequence[Caller], rate: float, seconds: float, seed: int) -> Outcome:
    """Let `rate` requests a second arrive for so long; each is sent by the caller that has been idle for longest."""
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
        return Outcome.of(load.latencies, time.perf_counter() - started)


class _Load:
    """Callers who are idle, those who wait for an answer, and how long each answer took, in seconds."""

    def __init__(self, callers: Sequence[Caller]) -> None:
        self.idle = deque(map(_Line, callers))
        self.latencies: list[float] = []
        self._busy: dict[socket.socket, _Line] = {}

    def begin(self) -> None:
        """One request of each caller that does not count: services keep their connections."""
        for _ in range(len(self.idle)):
            self.send(time.perf_counter())
            self.finish()
        self.latencies.clear()

    def send(self, due: float) -> None:
        """The next request of the caller that has been idle for longest."""
        line = self.idle.popleft()
        self._busy[line.send(due)] = line

    def receive(self, seconds: float) -> None:
        """Wait that long for answers, and take those that are there. Raises BenchError for a bad one, or for none."""
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
        """Wait for all answers that are still to come."""
        while self._busy:
            self.receive(ANSWER_SECONDS)

    def close(self) -> None:
        """Hang up."""
        for line in (*self.idle, *self._busy.values()):
            line.close()


class _Line:
    """A caller and its connection. due: when the request that is under way should have been sent."""

    def __init__(self, caller: Caller) -> None:
        self.due = 0.0
        self._caller = caller
        self._socket: socket.socket | None = None
        self._received = b""

    def send(self, due: float) -> socket.socket:
        """Send the next request; the socket on which the answer will come."""
        self.due = due
        if self._socket is None:
            address = urlsplit(self._caller.origin)
            self._socket = socket.create_connection((address.hostname, address.port), ANSWER_SECONDS)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(self._caller.request())
        return self._socket

    def receive(self) -> bool:
        """Take what is there; whether the answer is whole. Raises BenchError unless it is a 200."""
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
        """Hang up."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None


def _body(head: bytes, rest: bytes) -> bytes | None:
    """The body when it has come whole (RFC 9112, as far as token endpoints go)."""
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
