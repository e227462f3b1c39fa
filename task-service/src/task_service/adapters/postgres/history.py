"""The history of runs in PostgreSQL: `application.ports.HistoryStore` and `JournalStore`."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from service_kit.postgres import queries
from service_kit.postgres.database import Database, Row
from task_service.adapters.postgres.locks import owned
from task_service.adapters.postgres.tasks import run_of
from task_service.application.errors import RunNotFoundError, TaskNotFoundError
from task_service.application.ports.attempts import Lines, Notes
from task_service.domain.attempt import AttemptKey, AttemptOutcome
from task_service.domain.history import PastAttempt, PastRun, RunRecord
from task_service.domain.journal import AccessNote, Level, LogLine, TokenNote
from task_service.domain.owner import Owner
from task_service.domain.run import Cause

_SQL = queries.load(__package__, "history.sql")
MAX_ATTEMPTS_SHOWN = 100


class PostgresHistory:
    """Runs, attempts and log lines."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def runs(self, task_id: UUID, owner: Owner, before: int, limit: int) -> Sequence[PastRun]:
        """Runs with a number below `before`, the latest first."""
        self._demand(task_id, owner)
        values = {"task_id": task_id, "before": before, "limit": limit}
        return [_past_run(row) for row in self._database.all(_SQL["runs"], values)]

    def run(self, task_id: UUID, owner: Owner, number: int, after: int, limit: int) -> RunRecord:
        """One run; its latest MAX_ATTEMPTS_SHOWN attempts, and a page of its log."""
        self._demand(task_id, owner)
        key = {"task_id": task_id, "number": number, "before": number + 1}
        row = self._database.one(_SQL["runs"], {**key, "limit": 1})
        if row is None or row[0] != number:
            raise RunNotFoundError
        attempts = self._database.all(_SQL["attempts"], {**key, "limit": MAX_ATTEMPTS_SHOWN})
        lines = self._database.all(_SQL["log"], {**key, "after": after, "limit": limit + 1})
        return RunRecord(
            run=_past_run(row),
            attempts=[_past_attempt(task_id, *each) for each in attempts],
            log=[LogLine(fence, at, Level(level), message) for _, fence, at, level, message in lines[:limit]],
            log_next=lines[limit - 1][0] if len(lines) > limit else None,
        )

    def remove_old(self, days: int, at_most: int) -> int:
        """Remove old runs that are not the latest of their task."""
        return len(self._database.all(_SQL["remove_old"], {"days": days, "at_most": at_most}))

    def write_log(self, lines: Lines) -> Lines:
        """Store lines in one statement; those of locked runs are left."""
        rows = self._database.all(_SQL["write_log"], _log_columns(lines))
        locked = {(task_id, number) for task_id, number, is_written in rows if not is_written}
        return [each for each in lines if (each[0].key.task_id, each[0].run) in locked]

    def note_access(self, notes: Notes) -> Notes:
        """Store notes in one statement; those of locked attempts are left."""
        rows = self._database.all(_SQL["note_access"], _note_columns(notes))
        locked = {AttemptKey(task_id, fence) for task_id, fence, is_written in rows if not is_written}
        return {key: note for key, note in notes.items() if key in locked}

    def _demand(self, task_id: UUID, owner: Owner) -> None:
        if self._database.one(_SQL["owns"], {"task_id": task_id, **owned(owner)}) is None:
            raise TaskNotFoundError


def _log_columns(lines: Lines) -> dict[str, Any]:
    return {
        "tasks": [attempt.key.task_id for attempt, _ in lines],
        "runs": [attempt.run for attempt, _ in lines],
        "fences": [line.attempt for _, line in lines],
        "times": [line.at for _, line in lines],
        "levels": [line.level.value for _, line in lines],
        "messages": [line.message for _, line in lines],
    }


def _note_columns(notes: Notes) -> dict[str, Any]:
    tokens = [note.token for note in notes.values()]
    return {
        "tasks": [key.task_id for key in notes],
        "fences": [key.fence for key in notes],
        "tickets": [note.ticket_id for note in notes.values()],
        "fetched": [token.fetched_at if token else None for token in tokens],
        "expires": [token.expires_at if token else None for token in tokens],
        "scopes": [" ".join(sorted(token.scopes)) if token else None for token in tokens],
    }


def _past_run(row: Row) -> PastRun:
    cause, created_at, failures, crashes = row[10:]
    return PastRun(run_of(*row[:10]), Cause(cause), created_at, failures, crashes)


def _past_attempt(task_id: UUID, fence: int, persistent_token_id: UUID, *rest: Any) -> PastAttempt:
    queued_at, started_at, ended_at, outcome, error, ticket_id, fetched_at, expires_at, scopes = rest
    token = TokenNote(fetched_at, expires_at, frozenset(scopes)) if fetched_at else None
    return PastAttempt(
        key=AttemptKey(task_id, fence),
        persistent_token_id=persistent_token_id,
        queued_at=queued_at,
        started_at=started_at,
        ended_at=ended_at,
        outcome=AttemptOutcome(outcome) if outcome else None,
        error=error,
        access=AccessNote(ticket_id, token) if ticket_id else None,
    )
