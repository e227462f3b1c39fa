"""What `application.refresh` needs stored."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from vault_service.application.errors import VaultError
from vault_service.application.ports.provider import TokenAnswer
from vault_service.domain.audit import Entry
from vault_service.domain.grant import Failure, RefreshToken, Status, Subject, TokenIdentity
from vault_service.domain.usability import Requester


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredGrant:
    """A grant as the refresh protocol needs it: active, or failed and checked by its owner.

    account, identity: whose token it is at the authorization server, which no refresh may change (identity: None when
    the first access token did not tell); generation: counts refreshes, and fences writes; intent_age: seconds since a
    refresh began whose outcome was never written, or None; lifetime: seconds that the last access token had, or None
    before the first.
    """

    id: UUID
    owner: Subject
    account: Subject
    identity: TokenIdentity | None
    provider: str
    status: Status
    scopes: frozenset[str]
    generation: int
    intent_age: float | None
    lifetime: float | None
    refresh_token: RefreshToken


class UsableGrants(Protocol):
    """Grants that may be used now."""

    def authorize(self, grant_id: UUID, requester: Requester) -> StoredGrant:
        """The grant, for a requester that may use it now. Raises what `refusal` returns."""
        ...

    def refusal(self, grant_id: UUID, requester: Requester) -> VaultError | None:
        """Why the requester may not use the grant now, or None when it may.

        GrantNotFoundError, ConsentPendingError, GrantUnusableError or ServiceNotAllowedError.
        """
        ...


class Refreshes(UsableGrants, Protocol):
    """The steps of a refresh. A change and its audit line are one transaction."""

    def checkable(self, grant_id: UUID, owner: Subject) -> StoredGrant:
        """The grant when it is active, or failed with its token kept.

        Raises GrantNotFoundError, ConsentPendingError, GrantUnusableError.
        """
        ...

    def begin(self, grant: StoredGrant) -> datetime | None:
        """Write the intent to refresh; None when the grant has changed since it was read."""
        ...

    def finish(self, grant: StoredGrant, answer: TokenAnswer, entry: Entry) -> bool:
        """Store the outcome, fenced by the generation; False when the grant has ended or moved on.

        Raises StorageUnavailableError: the outcome is in the spool then.
        """
        ...

    def abandon(self, grant: StoredGrant, intent: datetime) -> None:
        """Remove this very intent: the authorization server has certainly not used the token."""
        ...

    def fail(self, grant: StoredGrant, failure: Failure, entry: Entry) -> bool:
        """Make the grant failed, fenced by the generation; False when it has moved on."""
        ...

    def replay_spool(self) -> int:
        """Store the outcomes that are in the spool; their number. Raises StorageUnavailableError."""
        ...
