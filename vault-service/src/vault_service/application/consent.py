"""Offline consent: the authorization code flow with PKCE (RFC 6749 section 4.1, RFC 7636), bound to the person who
asked.

The pending grant is stored before the URL is given out. The callback claims the request before it redeems the code, so
a replay finds nothing; and the person who consented must be the one who asked, or an attacker's link would store a
victim's token under the attacker's id (RFC 9700 section 4.7). At the authorization server where people log in, their
subject says so. At another one subjects are others; there the answer must come back through the browser that asked
(`docs/adr/0014-accounts-at-other-servers.md`).
"""

import base64
import hashlib
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from vault_service.application.errors import CONSENT_INVALID, PROVIDER_UNAVAILABLE, ConsentError, VaultError
from vault_service.application.ports import (
    AccessTokens,
    ClaimedConsent,
    Clock,
    ConsentRequest,
    Grants,
    NewGrant,
    Provider,
    TokenAnswer,
)
from vault_service.application.provider_errors import (
    GrantRefusedError,
    NotSentError,
    ProviderError,
    ScopeRefusedError,
)
from vault_service.domain.audit import Entry, Event
from vault_service.domain.grant import AccessToken, Failure, Limits, Subject, TokenType
from vault_service.domain.terms import Terms

CONSENT_LIFETIME = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a person asks for: of a provider that there is, a type of token that its terms allow.

    browser_bound: the answer must come back through the browser that asked, whatever the provider.
    """

    owner: Subject
    client: str
    request_id: str
    browser_bound: bool
    provider: str
    token_type: TokenType
    task_id: str | None
    scopes: frozenset[str]
    limits: Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentStarted:
    """Where to send the person. browser_secret: the value of the cookie that ties the browser to the request."""

    grant_id: UUID
    url: str = field(repr=False)
    expires_at: datetime
    state: str = field(repr=False)
    browser_secret: str | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """What came back through the browser; nothing of it is verified."""

    unverified_state: str = field(repr=False)
    unverified_issuer: str | None
    code: str | None = field(repr=False)
    error: str | None
    browser_secret: str | None = field(repr=False)
    request_id: str


@dataclass(frozen=True, slots=True)
class ConsentGranted:
    """The grant that is active now, and the task that its consent was asked for."""

    grant_id: UUID
    task_id: str | None


def digest(value: str) -> bytes:
    """SHA-256 of a secret that is compared, never shown again."""
    return hashlib.sha256(value.encode()).digest()


class OfflineConsent:
    """Asks for consent and receives the answer."""

    def __init__(
        self,
        grants: Grants,
        access_tokens: AccessTokens,
        providers: Mapping[str, Provider],
        terms: Mapping[str, Terms],
        clock: Clock,
    ) -> None:
        """providers and terms have the same names."""
        self._grants = grants
        self._access_tokens = access_tokens
        self._providers = providers
        self._terms = terms
        self._clock = clock

    def request(self, wish: Wish) -> ConsentStarted:
        """Store a pending grant and say where to send the person. Raises ProviderUnavailableError."""
        state, nonce, code_verifier = (secrets.token_urlsafe(32) for _ in range(3))
        terms = self._terms[wish.provider]
        is_bound = wish.browser_bound or terms.issuer != wish.owner.issuer
        browser_secret = secrets.token_urlsafe(32) if is_bound else None
        grant_id = uuid4()
        now = self._clock.now()
        scopes = terms.scopes_for(wish.token_type, wish.scopes)
        url = self._providers[wish.provider].authorization_url(
            state=state, nonce=nonce, code_challenge=code_challenge(code_verifier), scopes=scopes
        )
        grant = NewGrant(
            id=grant_id,
            owner=wish.owner,
            provider=wish.provider,
            token_type=wish.token_type,
            task_id=wish.task_id,
            scopes=scopes,
            limits=wish.limits,
            expiry=terms.expiry[wish.token_type],
            consent_expires_at=now + CONSENT_LIFETIME,
        )
        request = ConsentRequest(
            state_hash=digest(state),
            grant_id=grant_id,
            code_verifier=code_verifier,
            nonce=nonce,
            browser_hash=digest(browser_secret) if browser_secret else None,
            expires_at=now + CONSENT_LIFETIME,
        )
        entry = Entry(Event.CONSENT_REQUESTED, grant_id, wish.owner, wish.client, wish.request_id, now)
        self._grants.add(grant, request, entry)
        return ConsentStarted(
            grant_id=grant_id,
            url=url,
            expires_at=grant.consent_expires_at,
            state=state,
            browser_secret=browser_secret,
        )

    def complete(self, callback: Callback) -> ConsentGranted:
        """Receive the answer and activate the grant. Raises ConsentError whose code goes to the page."""
        browser_hash = digest(callback.browser_secret) if callback.browser_secret else None
        claimed = self._grants.claim_consent(digest(callback.unverified_state), browser_hash)
        provider = self._providers.get(claimed.provider)
        if provider is None or not self._is_from(provider, claimed, callback):
            raise self._failed(claimed, callback, Failure.PROVIDER_ERROR)
        if callback.error is not None or not callback.code:
            denied = callback.error == "access_denied"
            raise self._failed(claimed, callback, Failure.CONSENT_DENIED if denied else Failure.PROVIDER_ERROR)
        subject, answer = self._redeem(provider, claimed, callback, callback.code)
        if not _may_bind(subject, claimed):
            self._grants.revoke_later(claimed, answer)
            raise self._failed(claimed, callback, Failure.WRONG_USER)
        self._activate(claimed, callback, subject, answer)
        return ConsentGranted(claimed.grant_id, claimed.task_id)

    def _is_from(self, provider: Provider, claimed: ClaimedConsent, callback: Callback) -> bool:
        try:
            return provider.check_issuer(callback.unverified_issuer)
        except ProviderError as error:
            raise self._away(claimed, callback, error) from error

    def _redeem(
        self, provider: Provider, claimed: ClaimedConsent, callback: Callback, code: str
    ) -> tuple[Subject, TokenAnswer]:
        try:
            return provider.redeem(code, claimed.code_verifier, claimed.nonce)
        except (GrantRefusedError, ScopeRefusedError) as error:
            raise self._failed(claimed, callback, Failure.PROVIDER_ERROR) from error
        except ProviderError as error:
            raise self._away(claimed, callback, error) from error

    def _activate(self, claimed: ClaimedConsent, callback: Callback, account: Subject, answer: TokenAnswer) -> None:
        if answer.refresh_token is None:
            raise self._failed(claimed, callback, Failure.PROVIDER_ERROR)
        if not self._terms[claimed.provider].is_as_asked(claimed.token_type, answer.scopes):
            self._grants.revoke_later(claimed, answer)
            raise self._failed(claimed, callback, Failure.PROVIDER_ERROR)
        entry = self._entry(Event.CONSENT_GRANTED, claimed, callback)
        try:
            is_active = self._grants.activate(claimed.grant_id, account, answer, entry)
        except Exception:
            with suppress(VaultError):  # nobody would know of it; without a database nobody can
                self._grants.revoke_later(claimed, answer)
            raise
        if not is_active:
            self._grants.revoke_later(claimed, answer)  # its owner deleted it in the meantime
            raise ConsentError(CONSENT_INVALID, claimed.task_id)
        expires_at = entry.at.timestamp() + answer.expires_in
        token = AccessToken(answer.access_token, expires_at, answer.expires_in, answer.scopes)
        self._access_tokens.put(claimed.grant_id, frozenset(), token)

    def _failed(self, claimed: ClaimedConsent, callback: Callback, failure: Failure) -> ConsentError:
        event = Event.CONSENT_DENIED if failure is Failure.CONSENT_DENIED else Event.CONSENT_FAILED
        self._grants.fail_consent(claimed.grant_id, failure, self._entry(event, claimed, callback, failure.value))
        return ConsentError(failure.value, claimed.task_id)

    def _away(self, claimed: ClaimedConsent, callback: Callback, error: ProviderError) -> ConsentError:
        self._failed(claimed, callback, Failure.PROVIDER_ERROR)
        is_away = isinstance(error, NotSentError)
        return ConsentError(PROVIDER_UNAVAILABLE if is_away else Failure.PROVIDER_ERROR.value, claimed.task_id)

    def _entry(self, event: Event, claimed: ClaimedConsent, callback: Callback, outcome: str = "ok") -> Entry:
        now = self._clock.now()
        return Entry(event, claimed.grant_id, claimed.owner, "vault", callback.request_id, now, outcome)


def _may_bind(account: Subject, claimed: ClaimedConsent) -> bool:
    """Whether a token of this person may come under the id of the one who asked."""
    if account.issuer == claimed.owner.issuer:
        return account == claimed.owner
    return claimed.browser_bound


def code_challenge(code_verifier: str) -> str:
    """The S256 challenge of a verifier (RFC 7636 section 4.2)."""
    return base64.urlsafe_b64encode(digest(code_verifier)).rstrip(b"=").decode()
