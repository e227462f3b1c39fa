"""What the use cases need from outside, as Protocols. Adapters implement them; `bootstrap` wires them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from task_service.domain.task import Subject, Task, TokenStatus


@dataclass(frozen=True, slots=True)
class AccessToken:
    """An access token in the clear; it lives in memory, for as long as a handler needs it, and prints as `***`."""

    value: str = field(repr=False)
    expires_at: datetime
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Link:
    """A token that the vault knows for a person."""

    persistent_token_id: UUID
    status: TokenStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One execution of a task. fence: grows with each attempt; a write with an old one changes nothing."""

    task_id: UUID
    fence: int
    owner: Subject
    task_name: str
    persistent_token_id: UUID

    @property
    def key(self) -> str:
        """The idempotency key that a handler may pass on."""
        return f"{self.task_id}:{self.fence}"


class Tasks(Protocol):
    """Tasks and their attempts."""

    def add(self, owner: Subject, name: str, description: str) -> Task:
        """Store a new task."""
        ...

    def version(self, owner: Subject) -> int:
        """A number that grows whenever one of the owner's tasks changes."""
        ...

    def of_owner(self, owner: Subject) -> Sequence[Task]:
        """The owner's tasks, newest first."""
        ...

    def find(self, task_id: UUID, owner: Subject) -> Task:
        """One task of that owner. Raises TaskNotFoundError."""
        ...

    def delete(self, task_id: UUID, owner: Subject) -> None:
        """Remove it, running or not. Raises TaskNotFoundError."""
        ...

    def link(self, task_id: UUID, owner: Subject, link: Link) -> Task:
        """Keep the token's id with the task. Raises TaskNotFoundError, TaskNotLinkableError."""
        ...

    def enqueue(self, task_id: UUID, owner: Subject) -> None:
        """Queue an attempt, in one transaction with its job. Raises TaskNotFoundError, TaskNotExecutableError."""
        ...

    def claim_status_check(self, owner: Subject) -> bool:
        """Whether this caller should ask the vault about the owner's tokens now; true for one caller at a time."""
        ...

    def set_token_status(self, owner: Subject, statuses: Mapping[UUID, TokenStatus]) -> None:
        """Write down what the vault says of the owner's tokens; linked ones that it does not name are failed."""
        ...


class Attempts(Protocol):
    """What a worker does with an attempt. Every write carries the fence; False means: it is not yours any more."""

    def begin(self, task_id: UUID, fence: int) -> Attempt | None:
        """Take a queued attempt and make the task running; None when it is not to be run any more."""
        ...

    def progress(self, attempt: Attempt, percent: int) -> bool:
        """Write the progress."""
        ...

    def complete(self, attempt: Attempt, result: str) -> bool:
        """End well."""
        ...

    def fail(self, attempt: Attempt, error: str, *, token_failed: bool = False) -> bool:
        """End badly; token_failed: because the vault refuses the token."""
        ...

    def requeue(self, attempt: Attempt) -> bool:
        """Give it back, under a new fence, to another worker."""
        ...


class OwnersVault(Protocol):
    """The vault, asked with a person's own access token."""

    def link(self, persistent_token_id: UUID, bearer: str) -> Link:
        """That token of the person. Raises TokenNotFoundError, VaultUnavailableError."""
        ...

    def links(self, bearer: str, task_id: UUID | None = None) -> Sequence[Link]:
        """The person's tokens, newest first; with a task, those asked for it. Raises VaultUnavailableError."""
        ...


class TokenSource(Protocol):
    """The vault, asked with the service's own credentials on an owner's behalf."""

    def access_token(self, persistent_token_id: UUID, owner: Subject, min_valid: int) -> AccessToken:
        """A fresh access token. Raises TokenRefusedError, VaultUnavailableError."""
        ...


class Identity(Protocol):
    """The authorization server's userinfo endpoint (OpenID Connect Core 1.0 section 5.3)."""

    def who(self, token: AccessToken) -> tuple[str, str]:
        """`sub` and a name for people. Raises HandlerError when the token is not accepted."""
        ...
