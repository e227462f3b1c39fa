"""What the use cases need from outside, as Protocols. Adapters implement them; `bootstrap` wires them."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from vault_service.domain.audit import Entry, Line
from vault_service.domain.grant import (
    AccessToken,
    Failure,
    Grant,
    Identity,
    Limits,
    RefreshToken,
    Status,
    Subject,
    TokenType,
)
from vault_service.domain.terms import Expiry


@dataclass(frozen=True, slots=True, kw_only=True)
class NewGrant:
    """A grant that is about to be asked for."""

    id: UUID
    owner: Subject
    provider: str
    token_type: TokenType
    task_id: str | None
    scopes: frozenset[str]
    limits: Limits
    expiry: Expiry
    consent_expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentRequest:
    """What the callback needs to know of the request that it answers. The hashes are SHA-256."""

    state_hash: bytes
    grant_id: UUID
    code_verifier: str = field(repr=False)
    nonce: str = field(repr=False)
    browser_hash: bytes | None
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedConsent:
    """A consent request that this caller, and nobody else, may now complete.

    browser_bound: it came back through the browser that asked, as the cookie says.
    """

    grant_id: UUID
    owner: Subject
    provider: str
    token_type: TokenType
    task_id: str | None
    browser_bound: bool
    code_verifier: str = field(repr=False)
    nonce: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredGrant:
    """A grant as the refresh protocol needs it: active, or failed and checked by its owner.

    generation counts refreshes and fences writes; intent_age: seconds since a refresh was begun whose outcome nobody
    wrote down, or None; lifetime: seconds that its last access token had, or None before the first; account, identity:
    whose token it is at the authorization server, which no refresh may change (identity: None where nothing told).
    """

    id: UUID
    owner: Subject
    account: Subject
    identity: Identity | None
    provider: str
    status: Status
    scopes: frozenset[str]
    generation: int
    intent_age: float | None
    lifetime: float | None
    refresh_token: RefreshToken


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenAnswer:
    """A token endpoint's answer (RFC 6749 section 5.1). Lifetimes are in seconds from when the answer came.

    session: the authorization server's name for the session behind the token, where it tells one; identity: what the
    access token says of itself, when it is a JWT; person: whom the id_token names, when one came. Neither is verified.
    """

    access_token: str = field(repr=False)
    expires_in: float
    scopes: frozenset[str]
    refresh_token: RefreshToken | None
    refresh_expires_in: float | None
    session: str | None = None
    identity: Identity | None = None
    person: Subject | None = None


@dataclass(frozen=True, slots=True)
class Requester:
    """Who asks for an access token. client: the `azp`; is_owner: the owner's own token, not a service's."""

    client: str
    is_owner: bool
    owner: Subject


class Clock(Protocol):
    """Time by the database's clock, so that all replicas agree."""

    def now(self) -> datetime:
        """The time now, aware, in UTC."""
        ...


class Grants(Protocol):
    """Grants and their consent requests. Every write records its audit entry in the same transaction."""

    def add(self, grant: NewGrant, request: ConsentRequest, entry: Entry) -> None:
        """Store a pending grant and the request that will activate it."""
        ...

    def claim_consent(self, state_hash: bytes, browser_hash: bytes | None) -> ClaimedConsent:
        """Take the request, once.

        Raises ConsentError: `consent_invalid` (unknown, taken, or another browser), `consent_expired`.
        """
        ...

    def activate(self, grant_id: UUID, account: Subject, answer: TokenAnswer, entry: Entry) -> bool:
        """Make a pending grant active with its first token; False when it is not pending any more.

        account: who has consented, at the authorization server.
        """
        ...

    def fail_consent(self, grant_id: UUID, failure: Failure, entry: Entry) -> None:
        """Make a pending grant failed."""
        ...

    def of_owner(self, owner: Subject, task_id: str | None = None) -> Sequence[Grant]:
        """The owner's grants, newest first."""
        ...

    def find(self, grant_id: UUID, owner: Subject) -> Grant:
        """One grant of that owner. Raises GrantNotFoundError."""
        ...

    def revoke(self, grant_id: UUID, owner: Subject, entry: Entry) -> None:
        """Make it revoked for good and put its token into the outbox. Idempotent. Raises GrantNotFoundError."""
        ...

    def revoke_later(self, claimed: ClaimedConsent, answer: TokenAnswer) -> None:
        """Put a token that must not be kept into the outbox of revocations."""
        ...

    def issue(self, requester: Requester, entry: Entry) -> bool:
        """In one statement: check the grant, count the use and record it. False when the grant gives nothing."""
        ...

    def issue_soon(self, uses: Sequence[tuple[Requester, Entry]]) -> Future[Sequence[bool]]:
        """The same for several, without waiting; the future raises StorageUnavailableError when nothing was recorded.

        False may also mean that the grant's uses are limited: then that use was not recorded, and `issue` decides.
        """
        ...

    def authorize(self, grant_id: UUID, requester: Requester) -> StoredGrant:
        """The grant, for a requester that may use it now.

        Raises GrantNotFoundError, ConsentPendingError, GrantUnusableError, ServiceNotAllowedError.
        """
        ...

    def claim_check(self, grant_id: UUID, owner: Subject) -> StoredGrant:
        """The grant, for one check a minute. Raises CheckedTooOftenError, and the errors of `checkable`."""
        ...

    def checkable(self, grant_id: UUID, owner: Subject) -> StoredGrant:
        """The grant, active, or failed with its token kept.

        Raises GrantNotFoundError, ConsentPendingError, GrantUnusableError.
        """
        ...

    def begin_refresh(self, grant: StoredGrant) -> datetime | None:
        """Write down that a refresh begins; None when the grant is not any more as it was when it was read."""
        ...

    def finish_refresh(self, grant: StoredGrant, answer: TokenAnswer, entry: Entry) -> bool:
        """Store the outcome, fenced by the generation; False when the grant was revoked or has moved on."""
        ...

    def replay_spool(self) -> int:
        """Store the outcomes that could not be stored when they came; how many. Raises StorageUnavailableError."""
        ...

    def abandon_refresh(self, grant: StoredGrant, intent: datetime) -> None:
        """Take this very intent back: the authorization server certainly did not use the token."""
        ...

    def fail(self, grant: StoredGrant, failure: Failure, entry: Entry) -> bool:
        """Make it failed, fenced by the generation; False when it has moved on."""
        ...


class Audit(Protocol):
    """The audit, read by owners. Writing is mostly part of what is recorded: see `Grants`."""

    def append(self, entry: Entry) -> None:
        """Add a line by itself. Raises StorageUnavailableError."""
        ...

    def of_grant(self, grant_id: UUID, owner: Subject, before: int, limit: int) -> Sequence[Line]:
        """The lines of an owner's grant below a number, newest first."""
        ...

    def all_of_grant(self, grant_id: UUID, owner: Subject) -> Iterator[Line]:
        """Every line of an owner's grant, oldest first, read page by page."""
        ...


class Locks(Protocol):
    """One refresh at a time for each grant, across processes and replicas."""

    def hold(self, grant_id: UUID) -> AbstractContextManager[None]:
        """Hold the grant's lock, waiting for it. Raises StorageUnavailableError."""
        ...

    def try_hold(self, grant_id: UUID) -> AbstractContextManager[bool]:
        """Hold the grant's lock if it is free; yields whether it is held."""
        ...


class AccessTokens(Protocol):
    """Cached access tokens, by grant and scopes. A cache may forget at any time; it never raises."""

    def get(self, grant_id: UUID, scopes: frozenset[str]) -> AccessToken | None:
        """The token, or None."""
        ...

    def put(self, grant_id: UUID, scopes: frozenset[str], token: AccessToken) -> None:
        """Keep the token until shortly before it expires."""
        ...


class Provider(Protocol):
    """One authorization server with the vault's client there."""

    def authorization_url(self, *, state: str, nonce: str, code_challenge: str, scopes: frozenset[str]) -> str:
        """Where to send the person (RFC 6749 section 4.1.1, RFC 7636). Raises ProviderUnavailableError."""
        ...

    def check_issuer(self, unverified_issuer: str | None) -> bool:
        """Whether the callback's `iss` is this server's (RFC 9207 section 2.4)."""
        ...

    def redeem(self, code: str, code_verifier: str, nonce: str) -> tuple[Subject, TokenAnswer]:
        """Exchange the code; the subject is that of the verified id_token. Raises `provider_errors`."""
        ...

    def refresh(self, token: RefreshToken, scopes: frozenset[str] | None, begun: float) -> TokenAnswer:
        """Use the refresh token, once (RFC 6749 section 6). Raises the errors of `application.provider_errors`.

        begun: just before the intent was written down, by the monotonic clock. `refresh.REPLAY_AFTER` seconds later the
        request is over, answered or not; one that would leave late does not leave at all (NotSentError).
        """
        ...

    def revoke(self, token: RefreshToken) -> None:
        """Revoke the token (RFC 7009). Raises RevocationNotOfferedError and the other `provider_errors`."""
        ...


class GuardedProvider(Provider, Protocol):
    """A provider behind a circuit breaker."""

    def paused_for(self) -> float:
        """Seconds for which it is left alone because it was in trouble; 0: it may be asked."""
        ...


class Telemetry(Protocol):
    """What is measured. Nothing depends on it, and it never raises. Durations are in seconds."""

    def issued(self, outcome: str) -> None:
        """An access token was asked for; outcome: `memory`, `obtained`, or the name of what went wrong."""
        ...

    def refreshed(self, provider: str, outcome: str, seconds: float) -> None:
        """An authorization server was asked to refresh; outcome: `ok`, or `ProviderError.outcome`."""
        ...

    def replayed(self, provider: str, *, is_refused: bool) -> None:
        """A token whose fate was unknown was sent again, and an authorization server has given its verdict."""
        ...

    def lock_waited(self, seconds: float) -> None:
        """A grant's lock was waited for."""
        ...

    def paused(self, provider: str, seconds: float) -> None:
        """An authorization server is left alone for so long."""
        ...
