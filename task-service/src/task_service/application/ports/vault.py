"""The vault, and what task attempts use with its tokens, as the task service sees them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from task_service.domain.attempt import Attempt
from task_service.domain.owner import Owner
from task_service.domain.task import TokenStatus


@dataclass(frozen=True, slots=True)
class OwnerToken:
    """An owner's access token. It stays in memory for as long as a handler needs it, and does not print its value.

    expires_at: by the vault's clock, for people; expires_in: seconds of life that it had left when it was given.
    """

    value: str = field(repr=False)
    expires_at: datetime
    scopes: frozenset[str]
    expires_in: float = 0.0


@dataclass(frozen=True, slots=True)
class LinkedGrant:
    """An offline token that the vault knows for a person, by its id.

    ends_at: when it ends, where the vault knows; task_ids: those of the tasks for which it was asked that can be tasks
    of ours.
    """

    persistent_token_id: UUID
    status: TokenStatus
    ends_at: datetime | None = None
    task_ids: frozenset[UUID] = frozenset()


class OwnersVault(Protocol):
    """The vault, asked about the tokens of a person that this service may use, with its own credentials.

    No access token of a person leaves this service.
    """

    def grant(self, persistent_token_id: UUID, owner: Owner) -> LinkedGrant:
        """One token of the person. Raises TokenNotFoundError, VaultUnavailableError."""
        ...

    def grants(self, owner: Owner, task_id: UUID | None = None) -> Sequence[LinkedGrant]:
        """The person's tokens, newest first; with a task, those requested for it. Raises VaultUnavailableError."""
        ...

    def revoke(self, persistent_token_id: UUID, owner: Owner) -> bool:
        """Revoke a token of the person. Idempotent. False, and nothing is done, when other services may
        use it too: only its owner ends it. Raises TokenNotFoundError, VaultUnavailableError.
        """
        ...

    def linked(self, owner: Owner, ids: Sequence[UUID]) -> Sequence[LinkedGrant]:
        """The tokens among these that are the person's, in one request. ids: 1 to 100. Raises VaultUnavailableError."""
        ...


@dataclass(frozen=True, slots=True)
class AttemptTicket:
    """The ticket of an attempt: a credential for one grant (`docs/tickets.md`). Its value is not printed."""

    id: UUID
    value: str = field(repr=False)


class TicketVault(Protocol):
    """The vault: tickets are made, extended and ended with the service's own credentials, tokens fetched by ticket."""

    def open(self, attempt: Attempt, seconds: int) -> AttemptTicket:
        """Make a ticket for an attempt that lives so long. Raises TokenRefusedError, VaultUnavailableError."""
        ...

    def extend(self, ticket_id: UUID, seconds: int) -> None:
        """Move a ticket's end to so many seconds from now, unless it has ended. Raises VaultUnavailableError."""
        ...

    def end(self, ticket_id: UUID) -> None:
        """End a ticket; twice is once. Raises VaultUnavailableError."""
        ...

    def access_token(self, ticket: AttemptTicket) -> OwnerToken:
        """A fresh access token. Raises TicketExpiredError, TokenRefusedError, VaultUnavailableError."""
        ...


class UserinfoSource(Protocol):
    """The authorization server's userinfo endpoint (OpenID Connect Core 1.0 section 5.3)."""

    def who(self, token: OwnerToken) -> tuple[str, str]:
        """`sub` and a name to show. Raises HandlerError when the token is not accepted."""
        ...
