"""A bulkhead between an authorization server and the threads that serve requests.

Calls to a server run on threads of their own, so that each is finished and its outcome stored although its caller has
left. A caller waits for a second; longer only while there is room, for half of a process's threads at most. So a slow
server leaves the other half to those whose tokens are at hand, or come from another server.
"""

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from vault_service.application.errors import ProviderUnavailableError

T = TypeVar("T")

PROMPT_SECONDS = 1.0
RETRY_AFTER = 2.0


class Bulkhead:
    """The threads that call one authorization server, and the places of those who wait for it."""

    def __init__(self, name: str, threads: int) -> None:
        """threads: with which the process serves requests."""
        self.executor = ThreadPoolExecutor(threads, thread_name_prefix=f"provider-{name}")
        self._places = max(threads // 2, 1)
        self._taken = 0
        self._lock = threading.Lock()

    def admit(self) -> None:
        """Raise ProviderUnavailableError when the server is slow and all places are taken."""
        if self._taken >= self._places:
            raise ProviderUnavailableError(RETRY_AFTER)

    def wait(self, flight: Future[T]) -> T:
        """The flight's outcome. Raises ProviderUnavailableError when it takes long and too many wait already."""
        try:
            return flight.result(PROMPT_SECONDS)
        except TimeoutError:
            if flight.done():  # the outcome came just now, or is a TimeoutError itself
                return flight.result()
        with self._lock:
            self.admit()
            self._taken += 1
        try:
            return flight.result()
        finally:
            with self._lock:
                self._taken -= 1
