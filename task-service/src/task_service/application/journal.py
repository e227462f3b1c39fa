"""The journal of all attempts of a worker, written in groups like their progress.

Lines and notes are kept in memory until the next group, so that a line costs its attempt nothing. Those of an attempt
that has ended are written all the same. Those whose rows another transaction has locked wait for the next group. What a
worker has not written when it is killed is lost.
"""

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

from task_service.application.errors import TaskStorageUnavailableError
from task_service.application.ports.attempts import JournalStore, Lines, Notes
from task_service.application.ports.vault import OwnerToken
from task_service.domain.attempt import Attempt, AttemptKey
from task_service.domain.journal import FULL, MAX_LINES, AccessNote, Level, LogLine, TokenNote, shortened, storable


class GroupedJournal:
    """`application.handler.Journal`. Safe to share between threads; `flush` is called by one of them."""

    def __init__(self, store: JournalStore, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """now: the wall clock, aware."""
        self._store = store
        self._now = now
        self._lock = threading.Lock()
        self._lines: list[tuple[Attempt, LogLine]] = []
        self._notes: dict[AttemptKey, AccessNote] = {}
        self._counts: dict[AttemptKey, int] = {}

    def log(self, attempt: Attempt, level: Level, message: str) -> None:
        """Add a line; the one after MAX_LINES says that the log is full, and further ones are dropped."""
        with self._lock:
            count = self._counts.get(attempt.key, 0)
            if count > MAX_LINES:
                return
            self._counts[attempt.key] = count + 1
            if count == MAX_LINES:
                level, message = Level.WARNING, FULL
            line = LogLine(attempt.key.fence, self._now(), level, shortened(storable(message)))
            self._lines.append((attempt, line))

    def access(self, attempt: Attempt, ticket_id: UUID, token: OwnerToken | None = None) -> None:
        """Note the ticket of the attempt, and the access token that it uses from now on."""
        note = TokenNote(self._now(), token.expires_at, token.scopes) if token else None
        with self._lock:
            self._notes[attempt.key] = AccessNote(ticket_id, note)

    def forget(self, key: AttemptKey) -> None:
        """The attempt has ended in this worker: it logs nothing more."""
        with self._lock:
            self._counts.pop(key, None)

    def flush(self) -> None:
        """Write what is new. Raises TaskStorageUnavailableError; what is not written is kept for the next time then."""
        self._write_lines()
        self._write_notes()

    def _write_lines(self) -> None:
        with self._lock:
            lines, self._lines = self._lines, []
        try:
            self._keep_lines(self._store.write_log(lines) if lines else ())
        except TaskStorageUnavailableError:
            self._keep_lines(lines)
            raise

    def _write_notes(self) -> None:
        with self._lock:
            notes, self._notes = self._notes, {}
        try:
            self._keep_notes(self._store.note_access(notes) if notes else {})
        except TaskStorageUnavailableError:
            self._keep_notes(notes)
            raise

    def _keep_lines(self, lines: Lines) -> None:
        """For the next group, before what was added meanwhile."""
        with self._lock:
            self._lines = [*lines, *self._lines]

    def _keep_notes(self, notes: Notes) -> None:
        """For the next group, unless there is a later one of the attempt."""
        with self._lock:
            self._notes = {**notes, **self._notes}
