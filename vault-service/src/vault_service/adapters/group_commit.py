"""Group commit: callers who come at the same time are written together.

A commit that is safe on disk costs an `fsync`, whether it holds one row or twenty. The first caller writes, for all who
are there; those who come meanwhile queue up, and when it is done the first of them writes for all of them. Nobody
works longer than for one batch, and there is no thread in between.

Callers come back. So whoever writes waits, for a moment, until half of those are there who were about the last time:
while these are written the other half does its work, and the batches stay even. A caller who was alone waits for
nobody.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

GATHERING_SECONDS = 0.0005


class _Turn(Generic[T, R]):
    """A caller in the queue, asleep until its outcome is there or it is its turn to write."""

    __slots__ = ("error", "item", "outcome", "wake")

    def __init__(self, item: T) -> None:
        self.item = item
        self.outcome: R | None = None
        self.error: BaseException | None = None
        self.wake = threading.Lock()
        self.wake.acquire()


class GroupCommit(Generic[T, R]):
    """Writes items in batches, in the order in which they came."""

    def __init__(self, write: Callable[[Sequence[T]], Sequence[R]]) -> None:
        """write: the outcomes of a batch's items, in their order; what it raises, all callers of the batch raise."""
        self._write = write
        self._lock = threading.Lock()
        self._queue: list[_Turn[T, R]] = []
        self._writing = False
        self._expected = 1
        self._complete: threading.Lock | None = None

    def submit(self, item: T) -> R:
        """The item's outcome, once it is written."""
        turn: _Turn[T, R] = _Turn(item)
        with self._lock:
            self._queue.append(turn)
            leads, self._writing = not self._writing, True
            if self._complete is not None and len(self._queue) >= self._expected:
                self._complete.release()
                self._complete = None
        if not leads:
            turn.wake.acquire()
        if turn.outcome is None and turn.error is None:
            self._lead()
        if turn.error is not None:
            raise turn.error
        assert turn.outcome is not None  # noqa: S101 - one of the two is set when a turn is over
        return turn.outcome

    def _lead(self) -> None:
        """Write for all who are in the queue, and leave the next batch to the first of those who came meanwhile."""
        batch = self._gather()
        try:
            for turn, outcome in zip(batch, self._write([turn.item for turn in batch]), strict=True):
                turn.outcome = outcome
        except BaseException as error:  # noqa: BLE001 - each caller of the batch raises it
            for turn in batch:
                turn.error = error
        with self._lock:
            self._expected = (len(batch) + len(self._queue)) // 2
            self._writing = bool(self._queue)
            if self._queue:
                self._queue[0].wake.release()
        for turn in batch[1:]:
            turn.wake.release()

    def _gather(self) -> list[_Turn[T, R]]:
        """All who are in the queue, as soon as they are as many as expected, or a moment later."""
        complete = None
        with self._lock:
            if len(self._queue) < self._expected:
                complete = self._complete = threading.Lock()
                complete.acquire()
        if complete is not None:
            complete.acquire(timeout=GATHERING_SECONDS)
        with self._lock:
            batch, self._queue, self._complete = self._queue, [], None
        return batch
