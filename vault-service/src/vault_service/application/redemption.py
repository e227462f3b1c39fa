"""Redeems the code of a consent that was claimed, and activates its grant (RFC 6749 section 4.1.3).

The person who consented must be the owner. At another issuer than the owner's there is nothing to compare: there the
owner must have confirmed the answer (`docs/adr/0014-accounts-at-other-servers.md`).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from vault_service.application.errors import CONSENT_INVALID, PROVIDER_UNAVAILABLE, ConsentError, VaultServiceError
from vault_service.application.ports.consent import ClaimedConsent, Consents
from vault_service.application.ports.provider import Provider, TokenAnswer
from vault_service.application.ports.runtime import Clock, SharedAccessTokens, SharedToken
from vault_service.application.provider_errors import (
    GrantRefusedError,
    NotSentError,
    ProviderError,
    RefusedForNowError,
    ScopeRefusedError,
    UnusableAnswerError,
)
from vault_service.domain.audit import Entry, Event
from vault_service.domain.grant import AccessToken, Failure, FailureDetail, Subject
from vault_service.domain.terms import Terms


@dataclass(frozen=True, slots=True)
class Author:
    """The author of a step of a consent, for the audit: a client id or `vault`, and the request."""

    actor: str
    request_id: str


class ConsentRefusedError(Exception):
    """The answer does not activate the grant. `Redemption.recorded` turns it into a ConsentError."""

    def __init__(self, failure: Failure, detail: FailureDetail) -> None:
        super().__init__(failure.value)
        self.failure = failure
        self.detail = detail


class Redemption:
    """The last step of a consent."""

    def __init__(
        self,
        consents: Consents,
        access_tokens: SharedAccessTokens,
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

    @contextmanager
    def recorded(self, claimed: ClaimedConsent, author: Author) -> Iterator[None]:
        """Fail the grant when the block raises ConsentRefusedError or ProviderError; then ConsentError is raised."""
        try:
            yield
        except ConsentRefusedError as refused:
            self._fail(claimed, author, refused.failure, refused.detail)
            raise ConsentError(refused.failure.value, claimed.task_id, claimed.back) from refused
        except ProviderError as error:
            self._fail(claimed, author, Failure.PROVIDER_ERROR, error.detail)
            code = PROVIDER_UNAVAILABLE if isinstance(error, NotSentError) else Failure.PROVIDER_ERROR.value
            raise ConsentError(code, claimed.task_id, claimed.back) from error

    def redeem(self, claimed: ClaimedConsent, code: str, author: Author) -> None:
        """Redeem the code and activate the grant; within `recorded`.

        Raises ConsentRefusedError, ProviderError; and ConsentError when the grant has ended meanwhile.
        """
        provider = self._providers.get(claimed.provider)
        if provider is None:
            raise not_configured()
        try:
            account, answer = provider.redeem(code, claimed.code_verifier, claimed.nonce)
        except UnusableAnswerError as error:
            self._consents.discard(claimed, error.obtained)
            raise ConsentRefusedError(Failure.PROVIDER_ERROR, error.detail) from error
        except (GrantRefusedError, RefusedForNowError, ScopeRefusedError) as error:
            raise ConsentRefusedError(Failure.PROVIDER_ERROR, error.detail) from error
        refused = self._refusal_of(account, answer, claimed)
        if refused is not None:
            self._consents.discard(claimed, answer.obtained)
            raise refused
        self._activate(claimed, account, answer, author)

    def _refusal_of(self, account: Subject, answer: TokenAnswer, claimed: ClaimedConsent) -> ConsentRefusedError | None:
        """The reason why an answer does not activate the grant, or None."""
        if not _may_bind(account, claimed):
            return ConsentRefusedError(Failure.WRONG_USER, FailureDetail(check="account"))
        if answer.refresh_token is None:
            return ConsentRefusedError(Failure.PROVIDER_ERROR, FailureDetail(check="no_refresh_token"))
        told = answer.scopes or frozenset()
        terms, is_bound = self._terms[claimed.provider], answer.is_session_bound
        if not terms.is_as_requested(claimed.token_type, told, is_session_bound=is_bound):
            return ConsentRefusedError(Failure.PROVIDER_ERROR, FailureDetail(check="token_type"))
        return None

    def _activate(self, claimed: ClaimedConsent, account: Subject, answer: TokenAnswer, author: Author) -> None:
        entry = self._entry(Event.CONSENT_GRANTED, claimed, author)
        scopes = self._terms[claimed.provider].granted(claimed.token_type, answer.scopes, claimed.scopes)
        try:
            terms = self._consents.activate(claimed.grant_id, account, answer, scopes, entry)
        except Exception:
            with suppress(VaultServiceError):  # the token is lost here; without a database it cannot be revoked either
                self._consents.discard(claimed, answer.obtained)
            raise
        if terms is None:  # its owner revoked the grant meanwhile
            self._consents.discard(claimed, answer.obtained)
            raise ConsentError(CONSENT_INVALID, claimed.task_id, claimed.back)
        expires_at = entry.at.timestamp() + answer.expires_in
        token = AccessToken(answer.access_token, expires_at, answer.expires_in, scopes)
        self._access_tokens.put(claimed.grant_id, frozenset(), SharedToken(token, terms))

    def _fail(self, claimed: ClaimedConsent, author: Author, failure: Failure, detail: FailureDetail) -> None:
        event = Event.CONSENT_DENIED if failure is Failure.CONSENT_DENIED else Event.CONSENT_FAILED
        self._consents.fail(claimed, failure, self._entry(event, claimed, author, failure.value), detail)

    def _entry(self, event: Event, claimed: ClaimedConsent, author: Author, outcome: str = "ok") -> Entry:
        now = self._clock.now()
        return Entry(event, claimed.grant_id, claimed.owner, author.actor, author.request_id, now, outcome)


def not_configured() -> ConsentRefusedError:
    """The refusal of a consent whose provider is no longer configured."""
    return ConsentRefusedError(Failure.PROVIDER_ERROR, FailureDetail(check="not_configured"))


def _may_bind(account: Subject, claimed: ClaimedConsent) -> bool:
    """True when a token of this person may be stored under the id of the person who asked."""
    if account.issuer == claimed.owner.issuer:
        return account == claimed.owner
    return claimed.is_confirmed
