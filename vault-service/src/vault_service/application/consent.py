"""Offline consent: the authorization code flow with PKCE (RFC 6749 section 4.1, RFC 7636), bound to the person who
asked.

The pending grant is stored before its URL is given out. The callback claims the request before it redeems the code, so
a replayed callback finds nothing. The person who consents must be the one who asked: otherwise an attacker's link would
store a victim's token under the attacker's id (RFC 9700 section 4.7). At the authorization server where people log in,
the subject proves it. At another one people have other subjects; there the answer must come back through the browser
that asked, and the vault keeps the code until the owner confirms it in the page: with the owner's own token, and with a
secret that only the browser has which brought the code (`docs/adr/0014-accounts-at-other-servers.md`).
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from vault_service.application.authorization_request import AuthorizationRequests, digest
from vault_service.application.errors import (
    CONSENT_INVALID,
    PROVIDER_UNAVAILABLE,
    ConfirmationRefusedError,
    ConsentError,
    GrantUnusableError,
    ProviderUnavailableError,
    VaultServiceError,
)
from vault_service.application.ports.consent import ClaimedConsent, Consents, NewGrant
from vault_service.application.ports.provider import Provider
from vault_service.application.ports.runtime import Clock
from vault_service.application.redemption import Author, ConsentRefusedError, Redemption, not_configured
from vault_service.domain.audit import Entry, Event
from vault_service.domain.grant import Failure, FailureDetail, Limits, Subject, TokenType
from vault_service.domain.return_address import ReturnTo
from vault_service.domain.terms import Terms

CONSENT_LIFETIME = timedelta(minutes=10)
CONFIRMATION_SECONDS = 120.0
LONGEST_WORD = 40
LONGEST_CODE = 8192
VAULT = "vault"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentOptions:
    """A request for consent. provider: a configured one; token_type: one that its terms allow.

    browser_bound: True when the answer must come back through the browser that asked, whatever the provider; task_ids:
    opaque, each once; name: what it is for, for people; asked_by: the service that asks, None for the owner; return_to:
    where the browser goes then.
    """

    owner: Subject
    client: str
    request_id: str
    browser_bound: bool
    provider: str
    token_type: TokenType
    task_ids: tuple[str, ...]
    scopes: frozenset[str]
    limits: Limits
    name: str | None = None
    asked_by: str | None = None
    return_to: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentStarted:
    """The URL at which the person consents. browser_secret: the cookie that binds the browser to the request."""

    grant_id: UUID
    url: str = field(repr=False)
    expires_at: datetime
    state: str = field(repr=False)
    browser_secret: str | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """The parameters and the cookie that the browser brought back; none of them is verified.

    provider: the one at whose redirect URI the answer came.
    """

    provider: str
    unverified_state: str = field(repr=False)
    unverified_issuer: str | None
    code: str | None = field(repr=False)
    error: str | None
    browser_secret: str | None = field(repr=False)
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """A person's word that the answer is theirs. secret: of the browser that brought the answer."""

    grant_id: UUID
    owner: Subject
    secret: str = field(repr=False)
    client: str
    request_id: str


@dataclass(frozen=True, slots=True)
class ConsentKept:
    """The code waits for the owner's confirmation. secret: for the browser that brought the code."""

    grant_id: UUID
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ConsentGranted:
    """The grant that is active now, and what the consent was requested for: its first task, or a service that waits."""

    grant_id: UUID
    task_id: str | None
    back: ReturnTo | None = None


class OfflineConsent:
    """Requests consent and receives the answer."""

    def __init__(
        self,
        consents: Consents,
        requests: AuthorizationRequests,
        redemption: Redemption,
        providers: Mapping[str, Provider],
        terms: Mapping[str, Terms],
        clock: Clock,
    ) -> None:
        """providers, terms: by the same names."""
        self._consents = consents
        self._requests = requests
        self._redemption = redemption
        self._providers = providers
        self._terms = terms
        self._clock = clock

    def request(self, options: ConsentOptions) -> ConsentStarted:
        """Store a pending grant and return where the person consents. Raises ProviderUnavailableError."""
        now = self._clock.now()
        grant = pending_grant(options, self._terms[options.provider], uuid4(), now + CONSENT_LIFETIME)
        made = self._requests.make(
            grant.id,
            options.owner,
            options.provider,
            grant.scopes,
            browser_bound=options.browser_bound,
            expires_at=grant.consent_expires_at,
        )
        entry = Entry(Event.CONSENT_REQUESTED, grant.id, options.owner, options.client, options.request_id, now)
        self._consents.add(grant, made.stored, entry)
        return ConsentStarted(
            grant_id=grant.id,
            url=made.url,
            expires_at=grant.consent_expires_at,
            state=made.state,
            browser_secret=made.browser_secret,
        )

    def complete(self, callback: Callback) -> ConsentGranted | ConsentKept:
        """Receive the answer: activate the grant, or keep the code until its owner confirms it.

        Raises ConsentError; its code goes to the page.
        """
        browser_hash = digest(callback.browser_secret) if callback.browser_secret else None
        claimed = self._consents.claim(digest(callback.unverified_state), browser_hash, callback.provider)
        author = Author(VAULT, callback.request_id)
        with self._redemption.recorded(claimed, author):
            code = self._code(claimed, callback)
            if self._is_elsewhere(claimed):
                return self._keep(claimed, code)
            self._redemption.redeem(claimed, code, author)
        return ConsentGranted(claimed.grant_id, claimed.task_id, claimed.back)

    def confirm(self, confirmation: Confirmation) -> ConsentGranted:
        """Redeem the code that was kept, because its owner has confirmed it.

        Raises GrantNotFoundError, ConfirmationRefusedError, GrantUnusableError, ProviderUnavailableError.
        """
        kept = digest(confirmation.secret)
        claimed, code = self._consents.take_kept(confirmation.grant_id, confirmation.owner, kept)
        author = Author(confirmation.client, confirmation.request_id)
        try:
            with self._redemption.recorded(claimed, author):
                self._redemption.redeem(claimed, code, author)
        except ConsentError as error:
            raise _for_the_api(error) from error
        return ConsentGranted(claimed.grant_id, claimed.task_id, claimed.back)

    def _code(self, claimed: ClaimedConsent, callback: Callback) -> str:
        """The code of an answer that may be redeemed. Raises ConsentRefusedError, ProviderError."""
        provider = self._providers.get(claimed.provider)
        if provider is None:
            raise not_configured()
        if not provider.check_issuer(callback.unverified_issuer):
            raise ConsentRefusedError(Failure.PROVIDER_ERROR, FailureDetail(check="callback_issuer"))
        if callback.error == "access_denied":
            raise ConsentRefusedError(Failure.CONSENT_DENIED, FailureDetail(error=callback.error))
        if callback.error is not None or not callback.code:
            raise ConsentRefusedError(Failure.PROVIDER_ERROR, _detail_of_callback(callback))
        if len(callback.code) > LONGEST_CODE:
            raise ConsentRefusedError(Failure.PROVIDER_ERROR, FailureDetail(check="code"))
        if self._is_elsewhere(claimed) and not claimed.browser_bound:
            raise ConsentRefusedError(Failure.WRONG_USER, FailureDetail(check="browser"))
        return callback.code

    def _is_elsewhere(self, claimed: ClaimedConsent) -> bool:
        """True when the account will be at another issuer than the owner's, so that its subject proves nothing."""
        return self._terms[claimed.provider].issuer != claimed.owner.issuer

    def _keep(self, claimed: ClaimedConsent, code: str) -> ConsentKept:
        secret = secrets.token_urlsafe(32)
        if not self._consents.keep(claimed, code, digest(secret), CONFIRMATION_SECONDS):
            raise ConsentError(CONSENT_INVALID, claimed.task_id, claimed.back)
        return ConsentKept(claimed.grant_id, secret)


def _for_the_api(error: ConsentError) -> VaultServiceError:
    """The error that tells a caller of the API why a confirmed consent has failed."""
    if error.code == PROVIDER_UNAVAILABLE:
        return ProviderUnavailableError()
    if error.code == CONSENT_INVALID:
        return ConfirmationRefusedError()
    return GrantUnusableError(Failure(error.code))


def pending_grant(options: ConsentOptions, terms: Terms, grant_id: UUID, expires_at: datetime) -> NewGrant:
    """The grant of a consent that is requested until `expires_at`."""
    return NewGrant(
        id=grant_id,
        owner=options.owner,
        provider=options.provider,
        token_type=options.token_type,
        task_ids=options.task_ids,
        name=options.name,
        asked_by=options.asked_by,
        return_to=options.return_to,
        scopes=terms.scopes_for(options.token_type, options.scopes),
        limits=options.limits,
        expiry=terms.expiry[options.token_type],
        consent_expires_at=expires_at,
    )


def _detail_of_callback(callback: Callback) -> FailureDetail:
    """The error of an authorization response (RFC 6749 section 4.1.2.1). A browser brought it: only a word is kept."""
    word = callback.error or ""
    is_plain = word.isascii() and word.replace("_", "").isalnum() and len(word) <= LONGEST_WORD
    return FailureDetail(error=word if is_plain else None, check="callback")
