"""Offline consent: the authorization code flow with PKCE (RFC 6749 section 4.1, RFC 7636), bound to the person who
asked.

The pending grant is stored before its URL is given out. The callback claims the request before it redeems the code, so
a replayed callback finds nothing. The person who consents must be the one who asked: otherwise an attacker's link would
store a victim's token under the attacker's id (RFC 9700 section 4.7). At the authorization server where people log in,
the subject proves it. At another one people have other subjects; there the answer must come back through the browser
that asked (`docs/adr/0014-accounts-at-other-servers.md`).
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
from vault_service.application.ports.consent import ClaimedConsent, Consents, NewGrant, StoredConsentRequest
from vault_service.application.ports.provider import Provider, TokenAnswer
from vault_service.application.ports.runtime import AccessTokens, Clock
from vault_service.application.provider_errors import (
    GrantRefusedError,
    NotSentError,
    ProviderError,
    RefusedForNowError,
    ScopeRefusedError,
    UnusableAnswerError,
)
from vault_service.domain.audit import Entry, Event
from vault_service.domain.grant import AccessToken, Failure, FailureDetail, Limits, Subject, TokenType
from vault_service.domain.terms import Terms

CONSENT_LIFETIME = timedelta(minutes=10)
LONGEST_WORD = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentOptions:
    """What a person requests. provider: a configured one; token_type: one that its terms allow.

    browser_bound: True when the answer must come back through the browser that asked, whatever the provider.
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
    """Where the person consents. browser_secret: value of the cookie that binds the browser to the request."""

    grant_id: UUID
    url: str = field(repr=False)
    expires_at: datetime
    state: str = field(repr=False)
    browser_secret: str | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """The parameters and the cookie that the browser brought back; none of them is verified."""

    unverified_state: str = field(repr=False)
    unverified_issuer: str | None
    code: str | None = field(repr=False)
    error: str | None
    browser_secret: str | None = field(repr=False)
    request_id: str


@dataclass(frozen=True, slots=True)
class ConsentGranted:
    """The grant that is active now, and the task that the consent was requested for."""

    grant_id: UUID
    task_id: str | None


def digest(value: str) -> bytes:
    """SHA-256 of a secret, to be stored and compared."""
    return hashlib.sha256(value.encode()).digest()


class OfflineConsent:
    """Requests consent and receives the answer."""

    def __init__(
        self,
        consents: Consents,
        access_tokens: AccessTokens,
        providers: Mapping[str, Provider],
        terms: Mapping[str, Terms],
        clock: Clock,
    ) -> None:
        """providers, terms: by the same names."""
        self._consents = consents
        self._access_tokens = access_tokens
        self._providers = providers
        self._terms = terms
        self._clock = clock

    def request(self, options: ConsentOptions) -> ConsentStarted:
        """Store a pending grant and return where the person consents. Raises ProviderUnavailableError."""
        state, nonce, code_verifier = (secrets.token_urlsafe(32) for _ in range(3))
        terms = self._terms[options.provider]
        is_bound = options.browser_bound or terms.issuer != options.owner.issuer
        browser_secret = secrets.token_urlsafe(32) if is_bound else None
        scopes = terms.scopes_for(options.token_type, options.scopes)
        url = self._providers[options.provider].authorization_url(
            state=state, nonce=nonce, code_challenge=code_challenge(code_verifier), scopes=scopes
        )
        now = self._clock.now()
        grant = _pending_grant(options, scopes, terms, now)
        request = StoredConsentRequest(
            state_hash=digest(state),
            grant_id=grant.id,
            code_verifier=code_verifier,
            nonce=nonce,
            browser_hash=digest(browser_secret) if browser_secret else None,
            expires_at=grant.consent_expires_at,
        )
        entry = Entry(Event.CONSENT_REQUESTED, grant.id, options.owner, options.client, options.request_id, now)
        self._consents.add(grant, request, entry)
        return ConsentStarted(
            grant_id=grant.id,
            url=url,
            expires_at=grant.consent_expires_at,
            state=state,
            browser_secret=browser_secret,
        )

    def complete(self, callback: Callback) -> ConsentGranted:
        """Receive the answer and activate the grant. Raises ConsentError; its code goes to the page."""
        browser_hash = digest(callback.browser_secret) if callback.browser_secret else None
        claimed = self._consents.claim(digest(callback.unverified_state), browser_hash)
        try:
            self._complete(claimed, callback)
        except _RefusedError as refused:
            self._record_failure(claimed, callback, refused.failure, refused.detail)
            raise ConsentError(refused.failure.value, claimed.task_id) from refused
        except ProviderError as error:
            self._record_failure(claimed, callback, Failure.PROVIDER_ERROR, error.detail)
            code = PROVIDER_UNAVAILABLE if isinstance(error, NotSentError) else Failure.PROVIDER_ERROR.value
            raise ConsentError(code, claimed.task_id) from error
        return ConsentGranted(claimed.grant_id, claimed.task_id)

    def _complete(self, claimed: ClaimedConsent, callback: Callback) -> None:
        """Raises _RefusedError, ProviderError; and ConsentError when the grant has ended meanwhile."""
        provider = self._providers.get(claimed.provider)
        if provider is None:
            raise _RefusedError(Failure.PROVIDER_ERROR, FailureDetail(check="not_configured"))
        if not provider.check_issuer(callback.unverified_issuer):
            raise _RefusedError(Failure.PROVIDER_ERROR, FailureDetail(check="callback_issuer"))
        if callback.error == "access_denied":
            raise _RefusedError(Failure.CONSENT_DENIED, FailureDetail(error=callback.error))
        if callback.error is not None or not callback.code:
            raise _RefusedError(Failure.PROVIDER_ERROR, _detail_of_callback(callback))
        try:
            account, answer = provider.redeem(callback.code, claimed.code_verifier, claimed.nonce)
        except UnusableAnswerError as error:
            self._consents.discard(claimed, error.obtained)
            raise _RefusedError(Failure.PROVIDER_ERROR, error.detail) from error
        except (GrantRefusedError, RefusedForNowError, ScopeRefusedError) as error:
            raise _RefusedError(Failure.PROVIDER_ERROR, error.detail) from error
        refused = self._refusal_of(account, answer, claimed)
        if refused is not None:
            self._consents.discard(claimed, answer.obtained)
            raise refused
        self._activate(claimed, callback, account, answer)

    def _refusal_of(self, account: Subject, answer: TokenAnswer, claimed: ClaimedConsent) -> "_RefusedError | None":
        """Why an answer does not activate the grant, or None."""
        if not _may_bind(account, claimed):
            return _RefusedError(Failure.WRONG_USER, FailureDetail(check="account"))
        if answer.refresh_token is None:
            return _RefusedError(Failure.PROVIDER_ERROR, FailureDetail(check="no_refresh_token"))
        told = answer.scopes or frozenset()
        terms, is_bound = self._terms[claimed.provider], answer.is_session_bound
        if not terms.is_as_requested(claimed.token_type, told, is_session_bound=is_bound):
            return _RefusedError(Failure.PROVIDER_ERROR, FailureDetail(check="token_type"))
        return None

    def _activate(self, claimed: ClaimedConsent, callback: Callback, account: Subject, answer: TokenAnswer) -> None:
        entry = self._entry(Event.CONSENT_GRANTED, claimed, callback)
        scopes = self._terms[claimed.provider].granted(claimed.token_type, answer.scopes, claimed.scopes)
        try:
            is_active = self._consents.activate(claimed.grant_id, account, answer, scopes, entry)
        except Exception:
            with suppress(VaultError):  # the token is lost here; without a database it cannot be revoked either
                self._consents.discard(claimed, answer.obtained)
            raise
        if not is_active:  # its owner revoked the grant meanwhile
            self._consents.discard(claimed, answer.obtained)
            raise ConsentError(CONSENT_INVALID, claimed.task_id)
        expires_at = entry.at.timestamp() + answer.expires_in
        token = AccessToken(answer.access_token, expires_at, answer.expires_in, scopes)
        self._access_tokens.put(claimed.grant_id, frozenset(), token)

    def _record_failure(
        self, claimed: ClaimedConsent, callback: Callback, failure: Failure, detail: FailureDetail
    ) -> None:
        event = Event.CONSENT_DENIED if failure is Failure.CONSENT_DENIED else Event.CONSENT_FAILED
        entry = self._entry(event, claimed, callback, failure.value)
        self._consents.fail(claimed, failure, entry, detail)

    def _entry(self, event: Event, claimed: ClaimedConsent, callback: Callback, outcome: str = "ok") -> Entry:
        now = self._clock.now()
        return Entry(event, claimed.grant_id, claimed.owner, "vault", callback.request_id, now, outcome)


class _RefusedError(Exception):
    """The answer does not activate the grant. Stays in this module."""

    def __init__(self, failure: Failure, detail: FailureDetail) -> None:
        super().__init__(failure.value)
        self.failure = failure
        self.detail = detail


def _pending_grant(options: ConsentOptions, scopes: frozenset[str], terms: Terms, now: datetime) -> NewGrant:
    return NewGrant(
        id=uuid4(),
        owner=options.owner,
        provider=options.provider,
        token_type=options.token_type,
        task_id=options.task_id,
        scopes=scopes,
        limits=options.limits,
        expiry=terms.expiry[options.token_type],
        consent_expires_at=now + CONSENT_LIFETIME,
    )


def _detail_of_callback(callback: Callback) -> FailureDetail:
    """The error of an authorization response (RFC 6749 section 4.1.2.1). A browser brought it: only a word is kept."""
    word = callback.error or ""
    is_plain = word.isascii() and word.replace("_", "").isalnum() and len(word) <= LONGEST_WORD
    return FailureDetail(error=word if is_plain else None, check="callback")


def _may_bind(account: Subject, claimed: ClaimedConsent) -> bool:
    """True when a token of this person may be stored under the id of the person who asked."""
    if account.issuer == claimed.owner.issuer:
        return account == claimed.owner
    return claimed.browser_bound


def code_challenge(code_verifier: str) -> str:
    """The S256 challenge of a verifier (RFC 7636 section 4.2)."""
    return base64.urlsafe_b64encode(digest(code_verifier)).rstrip(b"=").decode()
