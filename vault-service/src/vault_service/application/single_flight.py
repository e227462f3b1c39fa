"""One call at a time for each key within a process: whoever comes while it is under way shares its outcome.

Work may tell its outcome before it is done with everything: nobody waits for what only tidies up.
"""

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Executor, Future
from contextvars import copy_context
from typing import Generic, TypeVar

T = TypeVar("T")
Tell = Callable[[T], None]


class SingleFlight(Generic[T]):
    """Calls in flight, by key. A flight is forgotten before its outcome, good or bad, is told to those who wait."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flights: dict[Hashable, Future[T]] = {}

    def join(self, key: Hashable, work: Callable[[Tell[T]], T], executor: Executor) -> Future[T]:
        """The flight under way, or a new one on a thread of the executor, which goes on when nobody waits any more.

        work: may tell its outcome before it returns it.
        """
        flight, is_mine = self._claim(key)
        if is_mine:
            try:
                executor.submit(copy_context().run, self._fly, key, flight, work)
            except RuntimeError as error:  # the process is shutting down
                self._land(key)
                flight.set_exception(error)
        return flight

    def lead(self, key: Hashable, work: Callable[[Tell[T]], T]) -> Future[T] | None:
        """Do the work on this very thread, as a flight that others may join; None when one is under way already."""
        flight, is_mine = self._claim(key)
        if not is_mine:
            return None
        self._fly(key, flight, work)
        return flight

    def under_way(self, key: Hashable) -> bool:
        """Whether somebody is at it."""
        return key in self._flights

    def _claim(self, key: Hashable) -> tuple[Future[T], bool]:
        with self._lock:
            flight = self._flights.get(key)
            if flight is not None:
                return flight, False
            self._flights[key] = flight = Future()
            return flight, True

    def _fly(self, key: Hashable, flight: Future[T], work: Callable[[Tell[T]], T]) -> None:
        def tell(outcome: T) -> None:
            self._land(key)
            flight.set_result(outcome)

        try:
            outcome = work(tell)
        except BaseException as error:
            if flight.done():
                raise
            self._land(key)
            flight.set_exception(error)
        else:
            if not flight.done():
                tell(outcome)

    def _land(self, key: Hashable) -> None:
        with self._lock:
            del self._flights[key]
