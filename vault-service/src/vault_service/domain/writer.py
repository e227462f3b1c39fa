"""Numbers the audit lines of one process, so that a missing or repeated line shows.

A line takes a number before it is sent to the database. When the line was not recorded (a refused use, a transaction
that was rolled back), the next line takes the same number: the recorded numbers have no gap. Each line also says up to
which number every line is recorded, its *mark*. Below the highest mark of a process no number may be missing; above it
some can, when the process was killed.
"""

import heapq
import threading
from collections.abc import Callable
from uuid import UUID, uuid4

from vault_service.domain.audit import AuditPlace


class Writer:
    """The numbers of one process. Thread-safe."""

    def __init__(self, new_id: Callable[[], UUID] = uuid4) -> None:
        self._new_id = new_id
        self._lock = threading.Lock()
        self._begin()

    def _begin(self) -> None:
        self.id = self._new_id()
        self._next = 1
        self._free: list[int] = []
        self._recorded: set[int] = set()
        self._mark = 0

    @property
    def progress(self) -> tuple[UUID, int]:
        """The writer's id, and the number up to which every line is recorded."""
        with self._lock:
            return self.id, self._mark

    def take(self) -> AuditPlace:
        """The place of the next line. Call `settle` when its fate is known."""
        with self._lock:
            if self._free:
                number = heapq.heappop(self._free)
            else:
                number, self._next = self._next, self._next + 1
            return AuditPlace(self.id, number, self._mark)

    def settle(self, place: AuditPlace, *, is_recorded: bool | None) -> None:
        """Tell whether the line with this place was recorded; None when that is unknown.

        After None the process continues as another writer, because the number can be neither skipped nor taken again.
        """
        with self._lock:
            if place.writer != self.id:
                return
            if is_recorded is None:
                self._begin()
            elif not is_recorded:
                heapq.heappush(self._free, place.number)
            else:
                self._recorded.add(place.number)
                while self._mark + 1 in self._recorded:
                    self._mark += 1
                    self._recorded.remove(self._mark)

    def restart(self) -> None:
        """Continue as another writer."""
        with self._lock:
            self._begin()
