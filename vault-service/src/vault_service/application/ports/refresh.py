"""Ports of `application.refresh`."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from vault_service.application.errors import VaultServiceError
from vault_service.application.ports.provider import TokenAnswer
from vault_service.domain.audit import Entry
from vault_service.domain.freshness import attainable
from vault_service.domain.grant import (
    Failure,
    FailureDetail,
    ObtainedToken,
    RefreshToken,
    Status,
    Subject,
    TokenIdentity,
)
from vault_service.domain.grant_terms import RequestedTerms
from vault_service.domain.usability import Requester


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredGrant:
    """A grant as the refresh protocol needs it: active, or failed and checked by its owner.

    account, identity: whose token it is at the authorization server, which no refresh may change (identity: None when
    the first access token did not tell); generation: counts refreshes, and fences writes; intent_age: seconds since a
    refresh began whose outcome was never written, or None; lifetime: seconds that the last access token had when it
    arrived, or None before the first; lifetime_age: seconds since then; requested: who may use the grant, and until
    when; terms: the digest of all terms, to which the refresh token is bound (that it opened shows that they are as the
    owner granted them); refusals: error words of the server since the last success; pause: seconds for which no refresh
    of this grant is sent; ends_in: seconds until the authorization server ends the token, or None if it did not say.
    """

    id: UUID
    owner: Subject
    account: Subject
    identity: TokenIdentity | None
    provider: str
    requested: RequestedTerms
    terms: bytes
    status: Status
    scopes: frozenset[str]
    generation: int
    intent_age: float | None
    lifetime: float | None
    lifetime_age: float
    refresh_token: RefreshToken
    refusals: tuple[str, ...] = ()
    pause: float = 0.0
    ends_in: float | None = None

    def can_give(self, min_valid: float) -> bool:
        """False while it is known that the server gives no access token with so many seconds left."""
        return self.lifetime is None or attainable(min_valid, self.lifetime, self.lifetime_age)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The vault's judgement of an answer that it stores. failure: None while the grant stays active; pause: seconds.

    is_usable: False when the answer's access token is of no use, which leaves the grant's status as it is.
    """

    is_usable: bool = True
    failure: Failure | None = None
    detail: FailureDetail | None = None
    pause: float = 0.0


USABLE = Verdict()


class CallerUse(NamedTuple):
    """A use of the grant that is to be recorded with the outcome of its refresh."""

    requester: Requester
    entry: Entry


class Finished(NamedTuple):
    """is_stored: False when the grant has ended or moved on; is_used: True when the use was recorded with it."""

    is_stored: bool
    is_used: bool = False


class Alone(NamedTuple):
    """is_held: whether the grant's lock was free and is held now; intent: None when the grant has changed."""

    is_held: bool
    intent: datetime | None


class UsableGrants(Protocol):
    """Grants that may be used now."""

    def authorize(self, grant_id: UUID, requester: Requester) -> StoredGrant:
        """The grant, for a requester that may use it now. Raises what `refusal` returns."""
        ...

    def refusal(self, grant_id: UUID, requester: Requester) -> VaultServiceError | None:
        """The error for a requester that may not use the grant now, or None when it may.

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

    def claim_forced(self, grant_id: UUID) -> None:
        """Take one of the refreshes that callers may force in an hour by naming a refused token.

        Raises RefusedTooOftenError.
        """
        ...

    def begin_alone(self, grant: StoredGrant) -> AbstractContextManager[Alone]:
        """Take the grant's lock if it is free, and write the intent, in one round trip. It is held during the block.

        Only for a grant without an intent. Raises ProviderUnavailableError, StorageUnavailableError.
        """
        ...

    def begin(self, grant: StoredGrant) -> datetime | None:
        """Write the intent to refresh; None when the grant has changed since it was read."""
        ...

    def finish(
        self,
        grant: StoredGrant,
        answer: TokenAnswer,
        entry: Entry,
        verdict: Verdict = USABLE,
        use: CallerUse | None = None,
    ) -> Finished:
        """Store the outcome, fenced by the generation. use: recorded with it if the grant may be used and is unlimited.

        The answer's refresh token is stored whatever the verdict: the old one can no longer be used. Raises
        StorageUnavailableError: the outcome is in the spool then.
        """
        ...

    def keep(self, grant: StoredGrant, obtained: ObtainedToken, entry: Entry, verdict: Verdict) -> bool:
        """The same for an answer of which only the refresh token can be used."""
        ...

    def abandon(self, grant: StoredGrant, intent: datetime) -> None:
        """Remove this very intent: the authorization server has certainly not used the token."""
        ...

    def postpone(self, grant: StoredGrant, seconds: float, detail: FailureDetail) -> None:
        """Send no refresh of this grant for so many seconds; its intent is removed unless an earlier one was lost."""
        ...

    def refuse(self, grant: StoredGrant, word: str, seconds: float, detail: FailureDetail) -> None:
        """Record a refusal that is not final yet, and send no refresh of this grant for so many seconds."""
        ...

    def fail(self, grant: StoredGrant, failure: Failure, entry: Entry, detail: FailureDetail) -> bool:
        """Make the grant failed, fenced by the generation; False when it has moved on."""
        ...

    def replay_spool(self) -> int:
        """Store the outcomes that are in the spool; their number. Raises StorageUnavailableError."""
        ...
