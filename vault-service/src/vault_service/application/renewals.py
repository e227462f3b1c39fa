"""The tokens that this process renews in the background: one thread for each, and a bounded number in all. Renewals at
a slow server therefore do not delay callers who wait for a token.
"""

import threading
from collections.abc import Hashable


class Renewals:
    """The renewals of one process that are running or about to."""

    def __init__(self, most: int) -> None:
        """most: how many there may be at once."""
        self._most = most
        self._keys: set[Hashable] = set()
        self._lock = threading.Lock()

    def begin(self, key: Hashable) -> bool:
        """True when the caller may renew this key. It must call `end` then."""
        with self._lock:
            if key in self._keys or len(self._keys) >= self._most:
                return False
            self._keys.add(key)
            return True

    def end(self, key: Hashable) -> None:
        """The renewal has ended, whether it succeeded or failed."""
        with self._lock:
            self._keys.discard(key)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._keys
