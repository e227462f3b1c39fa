"""A bulkhead between an authorization server and the threads that serve requests.

Calls to a server run on threads of their own, so that each call ends and its outcome is stored although its caller has
left. A caller waits for one second; longer only while fewer than half of the process's threads wait. A slow server thus
leaves the other half to callers whose tokens are cached or come from another server.
"""

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from vault_service.application.errors import ProviderUnavailableError

T = TypeVar("T")

PROMPT_SECONDS = 1.0
RETRY_AFTER = 2.0
TOO_MANY = "The authorization server answers slowly, and as many callers wait for it as may."


class Bulkhead:
    """The threads that call one authorization server, and the count of callers that wait for it."""

    def __init__(self, name: str, threads: int) -> None:
        """threads: the number of threads that serve requests in this process."""
        self.executor = ThreadPoolExecutor(threads, thread_name_prefix=f"provider-{name}")
        self._most_waiting = max(threads // 2, 1)
        self._waiting = 0
        self._lock = threading.Lock()

    def admit(self) -> None:
        """Raise ProviderUnavailableError while as many callers wait as may."""
        if self._waiting >= self._most_waiting:
            raise ProviderUnavailableError(RETRY_AFTER, TOO_MANY)

    def wait(self, flight: Future[T]) -> T:
        """The outcome of the flight. Raises ProviderUnavailableError if it takes long and too many already wait."""
        try:
            return flight.result(PROMPT_SECONDS)
        except TimeoutError:
            if flight.done():  # the outcome came just now, or is a TimeoutError itself
                return flight.result()
        with self._lock:
            self.admit()
            self._waiting += 1
        try:
            return flight.result()
        finally:
            with self._lock:
                self._waiting -= 1
