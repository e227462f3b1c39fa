"""Group commit: what comes while a batch is being written goes into the next batch.

A commit that is safe on disk costs an `fsync`, with one row in it or with twenty. One thread writes for all callers.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class _Order(NamedTuple, Generic[T, R]):
    """Items that came together, and the future of their outcomes."""

    items: Sequence[T]
    outcomes: Future[Sequence[R]]


class GroupCommit(Generic[T, R]):
    """Writes items in batches, in the order in which they came."""

    def __init__(self, write: Callable[[Sequence[T]], Sequence[R]]) -> None:
        """write: returns the outcomes of a batch's items, in their order; an error is that of the whole batch."""
        self._write = write
        self._orders: SimpleQueue[_Order[T, R]] = SimpleQueue()
        self._starting = threading.Lock()
        self._is_started = False

    def submit(self, items: Sequence[T]) -> Future[Sequence[R]]:
        """Have these items written in one batch; return at once.

        The future has their outcomes, in their order, or raises what writing their batch raised. It cannot be
        cancelled: the items may be written already.
        """
        if not self._is_started:
            self._start()
        outcomes: Future[Sequence[R]] = Future()
        outcomes.set_running_or_notify_cancel()
        self._orders.put(_Order(items, outcomes))
        return outcomes

    def _start(self) -> None:
        with self._starting:
            if not self._is_started:
                threading.Thread(target=self._run, name="group-commit", daemon=True).start()
                self._is_started = True

    def _run(self) -> None:
        while True:
            orders = self._next()
            try:
                outcomes = self._write([item for order in orders for item in order.items])
            except Exception as error:  # noqa: BLE001 - each caller of the batch is told
                for order in orders:
                    order.outcomes.set_exception(error)
                continue
            start = 0
            for order in orders:
                end = start + len(order.items)
                order.outcomes.set_result(outcomes[start:end])
                start = end

    def _next(self) -> list[_Order[T, R]]:
        """All orders that are waiting, at least one."""
        orders = [self._orders.get()]
        try:
            while True:
                orders.append(self._orders.get_nowait())
        except Empty:
            return orders
