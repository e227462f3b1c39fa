"""A task: the definition of work that runs without its owner. It holds an offline token's id, no token."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from task_service.domain.fairness import Priority
from task_service.domain.owner import Owner
from task_service.domain.retry import NO_RETRY, RetryPolicy
from task_service.domain.run import NO_RUN, Run
from task_service.domain.schedule import Rule, Schedule
from task_service.domain.status import TaskStatus
from task_service.domain.token import TokenStatus
from task_service.domain.work import DEFAULT_KIND

__all__ = ["DEFAULT_KIND", "NO_POLICY", "PREFIX", "Policy", "Task", "TokenStatus", "parse_id", "public_id"]

PREFIX = "task-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The policy of a task's runs.

    retry: what follows a failed attempt; schedule: its schedule, if it has one; depends_on: the tasks that must have
    completed before; priority: its place among its owner's own.
    """

    retry: RetryPolicy = NO_RETRY
    schedule: Rule | None = None
    depends_on: Sequence[UUID] = ()
    priority: Priority = Priority.NORMAL


NO_POLICY = Policy()
"""The default: it runs when its owner says so, and is not retried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task with its latest run, as its owner sees it. Times are aware and in UTC.

    replaces_token_id: the token that the task used before a second consent, as long as it is not revoked.
    """

    id: UUID
    owner: Owner
    name: str
    description: str
    created_at: datetime
    kind: str = DEFAULT_KIND
    parameters: Mapping[str, Any] = field(default_factory=dict)
    persistent_token_id: UUID | None = None
    token_status: TokenStatus | None = None
    priority: Priority = Priority.NORMAL
    schedule: Schedule | None = None
    retry: RetryPolicy = NO_RETRY
    replaces_token_id: UUID | None = None
    latest_run: Run = NO_RUN

    @property
    def status(self) -> TaskStatus:
        """The latest run's state."""
        return self.latest_run.status


def public_id(task_id: UUID) -> str:
    """The id as the API shows it: `task-…`."""
    return f"{PREFIX}{task_id}"


def parse_id(text: str) -> UUID | None:
    """The UUID in a public id; None for text of any other form or spelling."""
    try:
        task_id = UUID(text.removeprefix(PREFIX))
    except ValueError:
        return None
    return task_id if public_id(task_id) == text else None
