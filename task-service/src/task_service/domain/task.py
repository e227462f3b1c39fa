"""A task: something that goes on when its owner has left. It holds the id of an offline token, never a token."""

import enum
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

PREFIX = "task-"


@dataclass(frozen=True, slots=True)
class Subject:
    """A person: `sub` is unique within its `issuer` only (OpenID Connect Core 1.0 section 2)."""

    issuer: str
    sub: str


class TaskStatus(enum.StrEnum):
    """The document's four, and `queued` and `cancelled`."""

    PENDING = "pending"
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


EXECUTABLE = frozenset({TaskStatus.PENDING, TaskStatus.FAILED, TaskStatus.CANCELLED})
"""The states from which a task may be executed (again)."""


class TokenStatus(enum.StrEnum):
    """What the vault said last of the linked token: waiting for consent, usable, or of no use."""

    PENDING = "pending"
    ACTIVE = "active"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task as its owner sees it. progress: percent; times are aware and in UTC."""

    id: UUID
    owner: Subject
    name: str
    description: str
    status: TaskStatus
    created_at: datetime
    started_at: datetime | None = None
    completed_at: datetime | None = None
    persistent_token_id: UUID | None = None
    token_status: TokenStatus | None = None
    result: str | None = None
    error: str | None = None
    progress: int | None = None


def public_id(task_id: UUID) -> str:
    """The id as the API shows it: `task-…`."""
    return f"{PREFIX}{task_id}"


def parse_id(text: str) -> UUID | None:
    """The UUID in a public id, or None: what has another form names no task."""
    try:
        task_id = UUID(text.removeprefix(PREFIX))
    except ValueError:
        return None
    return task_id if text == public_id(task_id) else None
