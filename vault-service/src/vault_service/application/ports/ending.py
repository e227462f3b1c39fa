"""Ports of `application.expire` and `application.deliver`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from vault_service.domain.audit import Entry
from vault_service.domain.grant import RefreshToken, Subject
from vault_service.domain.revocation import RevocationOutcome

EntryOf = Callable[[UUID, Subject], Entry]
"""The audit line for a grant and its owner, with the outcome `ok`."""


class ExpiringGrants(Protocol):
    """Grants whose row still holds a token that is of no use. Each call takes a row that no other process has."""

    def expire_ended(self, entry_of: EntryOf) -> bool:
        """Expire one grant whose time or uses are up, and put its token into the outbox; False when there is none."""
        ...

    def expire_forgotten(self, days: int, entry_of: EntryOf) -> bool:
        """The same for one grant that failed and was neither used nor checked for so many days."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DueRevocation:
    """A token to be revoked at the authorization server. token: None when it cannot be opened.

    attempts: how often it was sent, this time included.
    """

    id: UUID
    grant_id: UUID
    owner: Subject
    provider: str
    token: RefreshToken | None
    attempts: int


class Revocations(Protocol):
    """The outbox: tokens that still have to be revoked at their authorization server."""

    def take_due(self) -> DueRevocation | None:
        """Lease one token that is due; None when there is none. Raises StorageUnavailableError."""
        ...

    def postpone(self, due: DueRevocation, seconds: float) -> None:
        """Make the token due again in so many seconds."""
        ...

    def finish(self, due: DueRevocation, outcome: RevocationOutcome, entry: Entry) -> None:
        """Remove the token and record the outcome, in one transaction.

        After a revocation at a server that names no sessions, the other grants of the account are due to be checked.
        """
        ...
