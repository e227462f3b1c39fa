"""Group commit: callers who come while a write is under way are written together by the next one.

A commit that is safe on disk costs an `fsync`, whether it holds one row or twenty. The first caller writes for itself;
those who come meanwhile queue up, and when it is done the first of them writes for all of them. Nobody works longer
than for one batch, and there is no thread in between.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


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

    def submit(self, item: T) -> R:
        """The item's outcome, once it is written."""
        turn: _Turn[T, R] = _Turn(item)
        with self._lock:
            self._queue.append(turn)
            leads, self._writing = not self._writing, True
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
        with self._lock:
            batch, self._queue = self._queue, []
        try:
            for turn, outcome in zip(batch, self._write([turn.item for turn in batch]), strict=True):
                turn.outcome = outcome
        except BaseException as error:  # noqa: BLE001 - each caller of the batch raises it
            for turn in batch:
                turn.error = error
        with self._lock:
            self._writing = bool(self._queue)
            if self._queue:
                self._queue[0].wake.release()
        for turn in batch[1:]:
            turn.wake.release()
