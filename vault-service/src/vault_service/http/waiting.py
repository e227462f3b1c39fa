"""Answers that are held back until something has changed: a bounded number at once, because each holds a thread."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

LONGEST_SECONDS = 25.0
"""The gateway waits 35 seconds for an answer, and a process that is told to stop finishes within 30."""
LOOK_SECONDS = 0.5


class Waiters:
    """The requests of one process that wait."""

    def __init__(self, most: int) -> None:
        """most: how many may wait at once; the others are answered without waiting."""
        self._places = threading.BoundedSemaphore(most)

    def wait(self, look: Callable[[], T], is_final: Callable[[T], bool], seconds: float) -> T:
        """The value of `look`: as soon as `is_final` holds for it, after so many seconds, or when all places are taken.

        seconds: at most `LONGEST_SECONDS` count. Raises what `look` raises.
        """
        ends = time.monotonic() + min(seconds, LONGEST_SECONDS)
        seen = look()
        if is_final(seen) or not self._places.acquire(blocking=False):
            return seen
        try:
            while not is_final(seen) and (left := ends - time.monotonic()) > 0:
                time.sleep(min(LOOK_SECONDS, left))
                seen = look()
        finally:
            self._places.release()
        return seen
