"""A journal that a test can read."""

from task_service.application.errors import TaskStorageUnavailableError
from task_service.application.journal import GroupedJournal
from task_service.application.ports.attempts import Lines, Notes
from task_service.domain.attempt import AttemptKey
from task_service.domain.journal import AccessNote, LogLine


class MemoryJournal(GroupedJournal):
    """A journal store in memory; `lines` and `notes` were written. unavailable: True when writing fails."""

    def __init__(self) -> None:
        super().__init__(self)
        self.unavailable = False
        self.lines: list[tuple[AttemptKey, LogLine]] = []
        self.notes: dict[AttemptKey, AccessNote] = {}

    def write_log(self, lines: Lines) -> Lines:
        """Keep them."""
        if self.unavailable:
            raise TaskStorageUnavailableError
        self.lines += [(attempt.key, line) for attempt, line in lines]
        return []

    def note_access(self, notes: Notes) -> Notes:
        """Keep them."""
        if self.unavailable:
            raise TaskStorageUnavailableError
        self.notes.update(notes)
        return {}
