"""The states of a run and its transitions, in one table. The SQL and the page follow it; tests compare them.

A task shows the state of its latest run. A task without a run is `pending`, and no run ever is.
"""

import enum
from collections.abc import Mapping


class TaskStatus(enum.StrEnum):
    """The customer's four states (R14), and `waiting`, `queued` and `cancelled`."""

    PENDING = "pending"
    WAITING = "waiting"
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class WaitReason(enum.StrEnum):
    """Reasons why a run is `waiting`: another task, the time of its next attempt, or its owner's consent."""

    DEPENDENCY = "dependency"
    RETRY = "retry"
    GRANT = "grant"


_ENDS = frozenset({TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED})

TRANSITIONS: Mapping[TaskStatus, frozenset[TaskStatus]] = {
    TaskStatus.PENDING: frozenset({TaskStatus.WAITING, TaskStatus.QUEUED}),
    TaskStatus.WAITING: frozenset({TaskStatus.QUEUED, TaskStatus.FAILED, TaskStatus.CANCELLED}),
    TaskStatus.QUEUED: frozenset({TaskStatus.RUNNING, TaskStatus.FAILED, TaskStatus.CANCELLED}),
    TaskStatus.RUNNING: frozenset({TaskStatus.WAITING, TaskStatus.QUEUED}) | _ENDS,
    TaskStatus.COMPLETED: frozenset(),
    TaskStatus.FAILED: frozenset(),
    TaskStatus.CANCELLED: frozenset(),
}
"""From each state to those that can follow it. `running` goes back to `queued` when its worker stops or dies."""

RUN_STATES = frozenset(TaskStatus) - {TaskStatus.PENDING}
"""The states that a run can have."""

STARTS = TRANSITIONS[TaskStatus.PENDING]
"""The states in which a run is made."""

ENDED = frozenset(status for status, following in TRANSITIONS.items() if not following)
"""The states that a run never leaves."""

UNDER_WAY = RUN_STATES - ENDED
"""The states of a run that still has something to come. A task has at most one such run."""

WITH_JOB = frozenset({TaskStatus.QUEUED, TaskStatus.RUNNING})
"""The states in which the engine holds a job for the run."""

REPEATABLE = ENDED
"""The states of a task from which its owner can have it done once more, as a new run."""

EXECUTABLE = frozenset({TaskStatus.PENDING, TaskStatus.FAILED, TaskStatus.CANCELLED})
"""The states of a task from which its owner can execute it (again)."""


def can_follow(before: TaskStatus, after: TaskStatus) -> bool:
    """True when the table has a transition from `before` to `after`."""
    return after in TRANSITIONS[before]
