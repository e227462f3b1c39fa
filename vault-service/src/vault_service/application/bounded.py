"""A memory of bounded size in one process. Threads share it."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Bounded(Generic[K, V]):
    """Values by key. When it is full, the value that was put first gives way to a new one."""

    def __init__(self, size: int, evicted: Callable[[], None]) -> None:
        """size: how many values there may be, at least 1; evicted: called for each value that gave way."""
        self._size = size
        self._evicted = evicted
        self._values: dict[K, V] = {}
        self._lock = threading.Lock()

    def get(self, key: K) -> V | None:
        """The value, or None."""
        return self._values.get(key)

    def put(self, key: K, value: V) -> None:
        """Remember a value. One whose key is known takes the place of the old one."""
        with self._lock:
            gives_way = key not in self._values and len(self._values) >= self._size
            if gives_way:
                del self._values[next(iter(self._values))]
            self._values[key] = value
        if gives_way:
            self._evicted()

    def __len__(self) -> int:
        return len(self._values)
