"""The history of a task: its runs, their attempts with the access they used, and their log."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from task_service.domain.attempt import AttemptKey, AttemptOutcome
from task_service.domain.journal import AccessNote, LogLine
from task_service.domain.run import Cause, Run


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run with what its task does not show.

    failures, crashes: attempts that ended with an error, and with the death of their worker.
    """

    run: Run
    cause: Cause
    created_at: datetime
    failures: int
    crashes: int


@dataclass(frozen=True, slots=True)
class PastAttempt:
    """One attempt. access: absent when it has used none."""

    key: AttemptKey
    persistent_token_id: UUID
    queued_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    outcome: AttemptOutcome | None
    error: str | None
    access: AccessNote | None


@dataclass(frozen=True, slots=True)
class RunRecord:
    """All that is known of a run. attempts: the latest first; log_next: the position of the next page of the log."""

    run: PastRun
    attempts: Sequence[PastAttempt]
    log: Sequence[LogLine]
    log_next: int | None
