"""Group commit: what comes while a batch is being written goes into the next one.

A commit that is safe on disk costs an `fsync`, whether it holds one row or twenty. One thread writes, for all who are
there; callers are told, or wait.
"""

import threading
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class _Order(NamedTuple, Generic[T, R]):
    """Items that came together, and who is told of their outcomes."""

    items: Sequence[T]
    done: Callable[[Sequence[R | Exception]], None]


class GroupCommit(Generic[T, R]):
    """Writes items in batches, in the order in which they came."""

    def __init__(self, write: Callable[[Sequence[T]], Sequence[R]]) -> None:
        """write: the outcomes of a batch's items, in their order; what it raises is the outcome of all of them."""
        self._write = write
        self._orders: SimpleQueue[_Order[T, R]] = SimpleQueue()
        self._starting = threading.Lock()
        self._is_started = False

    def submit(self, item: T) -> R:
        """The item's outcome, once it is written. Raises what writing its batch raised."""
        outcomes: list[R | Exception] = []
        written = threading.Lock()
        written.acquire()

        def done(one: Sequence[R | Exception]) -> None:
            outcomes.extend(one)
            written.release()

        self.submit_soon((item,), done)
        written.acquire()
        if isinstance(outcomes[0], Exception):
            raise outcomes[0]
        return outcomes[0]

    def submit_soon(self, items: Sequence[T], done: Callable[[Sequence[R | Exception]], None]) -> None:
        """Return at once; the writing thread calls `done` with their outcomes, which must neither wait nor raise."""
        if not self._is_started:
            self._start()
        self._orders.put(_Order(items, done))

    def _start(self) -> None:
        with self._starting:
            if not self._is_started:
                threading.Thread(target=self._run, name="group-commit", daemon=True).start()
                self._is_started = True

    def _run(self) -> None:
        while True:
            orders = self._next()
            items = [item for order in orders for item in order.items]
            outcomes: Sequence[R | Exception]
            try:
                outcomes = self._write(items)
            except Exception as error:  # noqa: BLE001 - each caller of the batch is told
                outcomes = [error] * len(items)
            start = 0
            for order in orders:
                end = start + len(order.items)
                order.done(outcomes[start:end])
                start = end

    def _next(self) -> list[_Order[T, R]]:
        """All that is there, at least one."""
        orders = [self._orders.get()]
        try:
            while True:
                orders.append(self._orders.get_nowait())
        except Empty:
            return orders
