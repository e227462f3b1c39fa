"""Which tokens are being renewed beside, before their end: each by one thread, and never so many that a slow server's
renewals stand in the way of those who wait for a token.
"""

import threading
from collections.abc import Hashable


class Renewals:
    """The renewals of one process, begun or about to be."""

    def __init__(self, most: int) -> None:
        """most: how many there may be at once."""
        self._most = most
        self._keys: set[Hashable] = set()
        self._lock = threading.Lock()

    def begin(self, key: Hashable) -> bool:
        """Whether the caller may go about it; then `end` has to be called."""
        with self._lock:
            if key in self._keys or len(self._keys) >= self._most:
                return False
            self._keys.add(key)
            return True

    def end(self, key: Hashable) -> None:
        """It is done, well or not."""
        with self._lock:
            self._keys.discard(key)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._keys
