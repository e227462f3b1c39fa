"""A run: one wish to have a task done, up to its result or error. Retries and take-overs are attempts of a run."""

import enum
from dataclasses import dataclass
from datetime import datetime

from task_service.domain.status import TaskStatus, WaitReason


class Cause(enum.StrEnum):
    """The cause of a run."""

    USER = "user"
    SCHEDULE = "schedule"
    DEPENDENCY = "dependency"
    BATCH = "batch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of a task. number: from 1, in order; progress: percent; times are aware and in UTC.

    reason: why the run was cancelled or waits, for people; next_attempt_at: the time of the retry for which a run
    waits.
    """

    number: int
    status: TaskStatus
    started_at: datetime | None = None
    completed_at: datetime | None = None
    result: str | None = None
    error: str | None = None
    progress: int | None = None
    reason: str | None = None
    wait_reason: WaitReason | None = None
    next_attempt_at: datetime | None = None


NO_RUN = Run(number=0, status=TaskStatus.PENDING)
"""Stands in a task that nobody has wished to have done yet."""
