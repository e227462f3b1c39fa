"""One call at a time for each key within a process: callers that come while it is running share its outcome.

The call may tell its outcome before it returns: callers do not wait for its cleaning up.
"""

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Executor, Future
from contextvars import copy_context
from typing import Generic, TypeVar

T = TypeVar("T")
Tell = Callable[[T], None]


class SingleFlight(Generic[T]):
    """Calls that are running, by key. A flight is removed before those who wait are told its outcome or error."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flights: dict[Hashable, Future[T]] = {}

    def join(self, key: Hashable, work: Callable[[Tell[T]], T], executor: Executor) -> Future[T]:
        """The running flight, or a new one on a thread of the executor. It continues when no caller waits any more.

        work: called with `tell`, with which it may tell its outcome before it returns.
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
        """Do the work on this thread, as a flight that others may join; None when one is already running."""
        flight, is_mine = self._claim(key)
        if not is_mine:
            return None
        self._fly(key, flight, work)
        return flight

    def is_running(self, key: Hashable) -> bool:
        """True while a call for this key is running."""
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
