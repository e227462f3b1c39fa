"""Ports of `application.consent`."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from vault_service.application.ports.provider import TokenAnswer
from vault_service.domain.audit import Entry
from vault_service.domain.grant import Failure, FailureDetail, Limits, ObtainedToken, Subject, TokenType
from vault_service.domain.grant_terms import RequestedTerms
from vault_service.domain.return_address import ReturnTo
from vault_service.domain.terms import Expiry


@dataclass(frozen=True, slots=True, kw_only=True)
class NewGrant:
    """A grant whose owner is about to be asked for consent. expiry: the rules that its provider has today.

    name: what it is for, for people; asked_by: the service that asks, None for the owner; return_to: where the browser
    goes after the answer, None for the page.
    """

    id: UUID
    owner: Subject
    provider: str
    token_type: TokenType
    task_ids: tuple[str, ...]
    name: str | None
    asked_by: str | None
    return_to: str | None
    scopes: frozenset[str]
    limits: Limits
    expiry: Expiry
    consent_expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredConsentRequest:
    """A consent request as the callback needs it.

    state_hash: SHA-256 of `state`; browser_hash: of the cookie that must come back, None when none was set.
    """

    state_hash: bytes
    grant_id: UUID
    code_verifier: str = field(repr=False)
    nonce: str = field(repr=False)
    browser_hash: bytes | None
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedConsent:
    """A consent request that this caller alone may complete.

    browser_bound: True when the answer came through the browser that asked, as its cookie shows; is_confirmed: True
    when the owner has confirmed the answer in the page; task_id: the first one that it is for; scopes: requested; back:
    where the service that asked wants the browser to go.
    """

    state_hash: bytes
    grant_id: UUID
    owner: Subject
    provider: str
    token_type: TokenType
    task_id: str | None
    scopes: frozenset[str]
    browser_bound: bool
    is_confirmed: bool
    back: ReturnTo | None
    code_verifier: str = field(repr=False)
    nonce: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class OpenQuestion:
    """A service's question that the person has not answered. scopes: to request."""

    provider: str
    scopes: frozenset[str]
    back: ReturnTo | None


class AskedConsents(Protocol):
    """Consents that services ask for. A change and its audit line are one transaction."""

    def add_question(self, grant: NewGrant, most: int, entry: Entry) -> bool:
        """Store a pending grant; False when `most` of this service wait for this person already."""
        ...

    def open_question(self, grant_id: UUID, owner: Subject) -> OpenQuestion:
        """A question that its owner has not answered. Raises GrantNotFoundError, ConsentNotOpenError."""
        ...

    def add_request(self, request: StoredConsentRequest, owner: Subject) -> None:
        """Store the request whose answer activates the grant, which stays pending at least as long."""
        ...

    def decline(self, grant_id: UUID, failure: Failure, entry: Entry) -> None:
        """Make a pending grant failed."""
        ...


class Consents(Protocol):
    """Pending grants and their consent requests. A change and its audit line are one transaction."""

    def add(self, grant: NewGrant, request: StoredConsentRequest, entry: Entry) -> None:
        """Store a pending grant, and the request whose answer activates it. Raises TooManyPendingConsentsError."""
        ...

    def claim(self, state_hash: bytes, browser_hash: bytes | None, provider: str) -> ClaimedConsent:
        """Take the request. It can be taken once.

        Raises ConsentError: `consent_invalid` (unknown, taken, from another browser, or of another provider),
        `consent_expired`.
        """
        ...

    def keep(self, claimed: ClaimedConsent, code: str, confirmation_hash: bytes, seconds: float) -> bool:
        """Keep the code, sealed, for its confirmation; False when the grant is no longer pending."""
        ...

    def take_kept(self, grant_id: UUID, owner: Subject, confirmation_hash: bytes) -> tuple[ClaimedConsent, str]:
        """Take the code that was kept. It can be taken once.

        Raises GrantNotFoundError; ConfirmationRefusedError: none is kept, it has expired, or the secret is another.
        """
        ...

    def activate(
        self, grant_id: UUID, account: Subject, answer: TokenAnswer, scopes: frozenset[str], entry: Entry
    ) -> RequestedTerms | None:
        """Make a pending grant active with its first token; its terms, or None when it is no longer pending.

        account: the person who has consented, at the authorization server; scopes: granted.
        """
        ...

    def fail(self, claimed: ClaimedConsent, failure: Failure, entry: Entry, detail: FailureDetail) -> None:
        """Make a pending grant failed."""
        ...

    def discard(self, claimed: ClaimedConsent, obtained: ObtainedToken | None) -> None:
        """Put a token that must not be kept, if there is one, into the outbox of revocations."""
        ...
