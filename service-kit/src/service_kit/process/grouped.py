"""Work in groups: what comes while a group is being worked on goes into the next group.

A commit that is safe on disk costs an `fsync`, with one row in it or with twenty. A request to Redis costs a round
trip, for one key or for twenty. One thread works for all callers.
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


class Grouped(Generic[T, R]):
    """Works on items in groups, in the order in which they came."""

    def __init__(self, work: Callable[[Sequence[T]], Sequence[R]], name: str) -> None:
        """work: returns the outcomes of a group's items, in their order; an error is that of the whole group.

        name: of the thread.
        """
        self._work = work
        self._name = name
        self._orders: SimpleQueue[_Order[T, R]] = SimpleQueue()
        self._starting = threading.Lock()
        self._is_started = False

    def submit(self, items: Sequence[T]) -> Future[Sequence[R]]:
        """Have these items worked on in one group; return at once.

        The future has their outcomes, in their order, or raises what the work on their group raised. It cannot be
        cancelled: the work may be done already.
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
                threading.Thread(target=self._run, name=self._name, daemon=True).start()
                self._is_started = True

    def _run(self) -> None:
        while True:
            orders = self._next()
            try:
                outcomes = self._work([item for order in orders for item in order.items])
            except Exception as error:  # noqa: BLE001 - each caller of the group is told
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
