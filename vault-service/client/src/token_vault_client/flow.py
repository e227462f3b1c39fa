"""Operations without I/O: a flow is a generator that says what to do next, and a driver that does it.

A flow yields effects and is sent their results: `Send` an HTTP request (an `Answer` or `NoAnswer`), `Pause` for some
seconds (None), `Join` what another caller is doing (None). So the blocking and the asynchronous client share all rules;
`client.py` and `aio.py` hold one driver each.
"""

import time
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")
ANSWER_SECONDS = 20.0
CONNECT_SECONDS = 2.0
MAX_ANSWER_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, complete. answer_seconds: how long its answer may take; None: as the client is set."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    answer_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """One HTTP answer. headers: with names in lower case."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """No answer came, or one that cannot be used. reason: names the kind of error."""

    reason: str


@dataclass(frozen=True, slots=True)
class Send:
    """Send a request once; redirects are not followed."""

    request: Request


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Join:
    """Wait until another caller's work has ended, for `seconds` at most; its outcome is not looked at."""

    work: "Future[Any]"
    seconds: float


Outcome = HttpAnswer | NoAnswer | None
Effect = Send | Pause | Join
Flow = Generator[Effect, Any, T]
"""An operation whose result is a T."""


def boot_clock() -> Callable[[], float]:
    """A clock for durations, in seconds. It counts the time of suspension, where the system has such a clock.

    A token expires while a laptop is suspended, and `time.monotonic` stops then on Linux and macOS.
    """
    for name in ("CLOCK_BOOTTIME", "CLOCK_MONOTONIC"):
        number = getattr(time, name, None)
        if number is not None:
            return lambda: time.clock_gettime(number)
    return time.monotonic


clock = boot_clock()
