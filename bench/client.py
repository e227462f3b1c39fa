"""A small HTTP/1.1 client for loads that a general tool cannot make: callers with a memory, and arrivals by a clock.

A closed loop keeps a number of callers busy: each sends when it has been answered. An open loop sends when the clock
says so, whether the answers come or not, and counts each latency from the moment when the request was due: a server
that stalls is charged for everybody who had to wait meanwhile ("coordinated omission" left out none of them).
Arrivals are a Poisson process, as those of callers who know nothing of each other.
"""

import asyncio
import gc
import random
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlsplit

from bench.outcome import BenchError, Outcome

ANSWER_SECONDS = 30.0


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
    with _undisturbed():
        return asyncio.run(_closed(callers, seconds))


def opened(callers: Sequence[Caller], rate: float, seconds: float, seed: int) -> Outcome:
    """Let `rate` requests a second arrive for so long; each is sent by the caller that has been idle for longest."""
    with _undisturbed():
        return asyncio.run(_opened(callers, rate, seconds, random.Random(seed)))


async def _closed(callers: Sequence[Caller], seconds: float) -> Outcome:
    latencies: list[float] = []
    lines = [_Line(caller) for caller in callers]
    started = time.perf_counter()

    async def busy(line: _Line) -> None:
        while (sent := time.perf_counter()) < started + seconds:
            await line.call()
            latencies.append(time.perf_counter() - sent)

    try:
        await asyncio.gather(*map(busy, lines))
    finally:
        for line in lines:
            line.close()
    return Outcome.of(latencies, time.perf_counter() - started)


async def _opened(callers: Sequence[Caller], rate: float, seconds: float, chance: random.Random) -> Outcome:
    latencies: list[float] = []
    lines = [_Line(caller) for caller in callers]
    idle: asyncio.Queue[_Line] = asyncio.Queue()
    for line in lines:
        await line.connect()
        idle.put_nowait(line)
    started = due = time.perf_counter()

    async def arrive(due: float) -> None:
        line = await idle.get()
        await line.call()
        latencies.append(time.perf_counter() - due)
        idle.put_nowait(line)

    try:
        async with asyncio.TaskGroup() as arrivals:
            while (due := due + chance.expovariate(rate)) < started + seconds:
                if (early := due - time.perf_counter()) > 0:
                    await asyncio.sleep(early)
                arrivals.create_task(arrive(due))
    except* BenchError as errors:
        raise errors.exceptions[0] from None
    finally:
        for line in lines:
            line.close()
    return Outcome.of(latencies, time.perf_counter() - started)


@dataclass
class _Line:
    """A caller and its connection."""

    caller: Caller
    _reader: asyncio.StreamReader | None = field(default=None, init=False)
    _writer: asyncio.StreamWriter | None = field(default=None, init=False)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The connection, made anew when the server has closed it meanwhile."""
        if self._reader is None or self._writer is None or self._reader.at_eof():
            self.close()
            address = urlsplit(self.caller.origin)
            self._reader, self._writer = await asyncio.open_connection(address.hostname, address.port)
        return self._reader, self._writer

    async def call(self) -> None:
        """One request and its answer. Raises BenchError unless it is a 200."""
        reader, writer = await self.connect()
        writer.write(self.caller.request())
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                status, body, stays = await _answer(reader)
        except (OSError, EOFError, TimeoutError) as error:
            raise BenchError(f"{self.caller.origin} did not answer: {type(error).__name__}") from None
        if status != b"200":
            raise BenchError(f"{self.caller.origin} answered {status.decode()}: {body[:300].decode(errors='replace')}")
        if not stays:
            self.close()
        self.caller.take(body)

    def close(self) -> None:
        """Hang up."""
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None


async def _answer(reader: asyncio.StreamReader) -> tuple[bytes, bytes, bool]:
    """Status, body, and whether the connection stays open (RFC 9112, as far as token endpoints go)."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    status, *lines = head.rstrip().split(b"\r\n")
    headers = dict(line.split(b":", 1) for line in lines)
    if headers.get(b"transfer-encoding", b"").strip() == b"chunked":
        body = b"".join([chunk async for chunk in _chunks(reader)])
    else:
        body = await reader.readexactly(int(headers.get(b"content-length", b"0")))
    return status.split()[1], body, headers.get(b"connection", b"").strip() != b"close"


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    size = -1
    while size:
        size = int((await reader.readuntil(b"\r\n")).split(b";")[0], 16)
        yield (await reader.readexactly(size + 2))[:-2]


@contextmanager
def _undisturbed() -> Iterator[None]:
    """No garbage collection in the client while it measures."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
