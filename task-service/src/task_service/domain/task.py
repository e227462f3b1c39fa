"""A task: the definition of work that goes on when its owner has left. It holds an offline token's id, no token."""

import enum
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from task_service.domain.owner import Owner
from task_service.domain.retry import NO_RETRY, RetryPolicy
from task_service.domain.run import NO_RUN, Run
from task_service.domain.status import TaskStatus

PREFIX = "task-"
DEFAULT_KIND = "demo"


class TokenStatus(enum.StrEnum):
    """The vault's last word on the linked token: consent is pending, it can be used, or it cannot."""

    PENDING = "pending"
    ACTIVE = "active"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task with its latest run, as its owner sees it. Times are aware and in UTC."""

    id: UUID
    owner: Owner
    name: str
    description: str
    created_at: datetime
    kind: str = DEFAULT_KIND
    persistent_token_id: UUID | None = None
    token_status: TokenStatus | None = None
    retry: RetryPolicy = NO_RETRY
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
