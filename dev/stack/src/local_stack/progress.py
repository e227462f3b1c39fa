"""A line that shows progress: rewritten in place on a terminal, printed every few seconds into a pipe or a file.

Standard library only: `dev/stack/install` uses it before any package is installed.
"""

import os
import shutil
import time
from collections.abc import Callable
from typing import TextIO

PLAIN_SECONDS = 5.0
"""How often a pipe gets a line; a terminal is updated on every call."""
ESTIMATE_AFTER = 1.0
"""Seconds of work before the rest is estimated."""


class ProgressLine:
    """Writes progress to one stream. Not for use by several threads."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        """clock: seconds, monotonic."""
        self._stream = stream
        self._clock = clock
        self._is_terminal = stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._last_plain: float | None = None
        self._open = False

    def show(self, text: str) -> None:
        """Show the current state. On a terminal it replaces the state before it."""
        if self._is_terminal:
            width = shutil.get_terminal_size().columns
            self._write(f"\r\x1b[K{text[: width - 1]}")
            self._open = True
        elif self._last_plain is None or self._clock() - self._last_plain >= PLAIN_SECONDS:
            self._last_plain = self._clock()
            self._write(f"{text}\n")

    def keep(self, text: str) -> None:
        """Print a line that stays: the result of a step, or an error."""
        self.clear()
        self._write(f"{text}\n")

    def clear(self) -> None:
        """Remove the state that is shown, so that others can write to the terminal."""
        if self._open:
            self._write("\r\x1b[K")
            self._open = False

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def duration(seconds: float) -> str:
    """A length of time for people: `812 ms`, `9.6 s`, `48 s`, `2 min 5 s`."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60} s"


def remaining(fraction: float, elapsed: float) -> str:
    """An estimate such as `about 12 s left`, from the part that is done (fraction, 0 to 1) and the elapsed seconds.

    Empty while too little is done for an estimate.
    """
    if elapsed < ESTIMATE_AFTER or fraction <= 0:
        return ""
    seconds = max(1, round(elapsed * (1 - fraction) / fraction))
    return f"about {seconds} s left" if seconds < 60 else f"about {duration(seconds)} left"
