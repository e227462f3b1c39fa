"""One call at a time for each key within a process: the first caller does the work, the others wait for its outcome."""

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Calls in flight, by key. The outcome, good or bad, is shared by those who waited for it and then forgotten."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flights: dict[Hashable, Future[T]] = {}

    def do(self, key: Hashable, work: Callable[[], T]) -> T:
        """The outcome of `work`, or of the same key's work that is already under way."""
        with self._lock:
            flight = self._flights.get(key)
            if flight is None:
                mine: Future[T] = Future()
                self._flights[key] = mine
        if flight is not None:
            return flight.result()
        try:
            mine.set_result(work())
        except BaseException as error:  # noqa: BLE001 - those who wait get it too, and `result` raises it
            mine.set_exception(error)
        finally:
            with self._lock:
                del self._flights[key]
        return mine.result()

    def under_way(self, key: Hashable) -> bool:
        """Whether somebody is at it."""
        return key in self._flights
