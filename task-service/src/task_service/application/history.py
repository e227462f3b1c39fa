"""A task's history (R32): its runs, their attempts with the access they used, and what they logged."""

from collections.abc import Sequence
from uuid import UUID

from task_service.application.manage import Person
from task_service.application.ports.tasks import HistoryStore, ReceiptStore
from task_service.domain.history import PastRun, RunRecord

CLEANED_AT_ONCE = 500


class ReadHistory:
    """A person's own tasks only. Another person's task looks exactly like one that does not exist."""

    def __init__(self, store: HistoryStore) -> None:
        self._store = store

    def runs(self, person: Person, task_id: UUID, before: int, limit: int) -> Sequence[PastRun]:
        """Runs with a number below `before`, the latest first. Raises TaskNotFoundError."""
        return self._store.runs(task_id, person.owner, before, limit)

    def run(self, person: Person, task_id: UUID, number: int, after: int, limit: int) -> RunRecord:
        """One run with the page of its log behind position `after`. Raises TaskNotFoundError, RunNotFoundError."""
        return self._store.run(task_id, person.owner, number, after, limit)


class CleanHistory:
    """Removes runs that are old and not the latest of their task, with their attempts and logs; and old receipts."""

    def __init__(self, store: HistoryStore, receipts: ReceiptStore, days: int) -> None:
        self._store = store
        self._receipts = receipts
        self._days = days

    def clean(self) -> int:
        """Remove what is due; how many runs. Raises TaskStorageUnavailableError."""
        total = 0
        while removed := self._store.remove_old(self._days, CLEANED_AT_ONCE):
            total += removed
        while self._receipts.remove_old(CLEANED_AT_ONCE):
            pass
        return total
