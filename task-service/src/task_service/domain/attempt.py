"""An attempt: one try of a run by a worker, protected by a fence."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from task_service.domain.owner import Owner
from task_service.domain.retry import NO_RETRY, RetryPolicy

MAX_CRASHES = 5
"""A run fails when so many of its attempts have ended with the death of their worker."""


class AttemptOutcome(enum.StrEnum):
    """The outcome of an attempt."""

    COMPLETED = "completed"
    FAILED = "failed"
    TOKEN_FAILED = "token_failed"  # noqa: S105 - an outcome, not a password
    REQUEUED = "requeued"
    CRASHED = "crashed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class AttemptKey:
    """Names an attempt. fence: grows with each attempt of a task; a write with an old one changes nothing."""

    task_id: UUID
    fence: int

    def __str__(self) -> str:
        return f"{self.task_id}:{self.fence}"

    @property
    def request_id(self) -> str:
        """The `X-Request-ID` of the attempt's calls, by which other services' logs and audits name it."""
        return f"{self.task_id}.{self.fence}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """An attempt that a worker has begun, with what its handler needs of the task.

    parameters: those of the kind; retry: the task's policy; failures: attempts of the run that have failed before.
    """

    key: AttemptKey
    run: int
    owner: Owner
    task_name: str
    kind: str
    parameters: Mapping[str, Any]
    persistent_token_id: UUID
    retry: RetryPolicy = NO_RETRY
    failures: int = 0

    @property
    def idempotency_key(self) -> str:
        """The key that a handler passes on to services it calls, `<task UUID>:<run>`: one for all attempts of a run."""
        return f"{self.key.task_id}:{self.run}"
