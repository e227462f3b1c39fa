"""Stores an authorization server's answer to a refresh, and judges it afterwards.

Every method that stores is a compare-and-set on the grant's generation. When another caller has changed the grant, it
returns the error that follows from the grant as it is now.
"""

from collections.abc import Mapping

from vault_service.application.errors import (
    GrantUnusableError,
    ProviderUnavailableError,
    ScopeNotNarrowedError,
    VaultServiceError,
)
from vault_service.application.ports.provider import TokenAnswer
from vault_service.application.ports.refresh import Refreshes, StoredGrant, Verdict
from vault_service.application.ports.runtime import Clock
from vault_service.application.provider_errors import RefusedForNowError, UnusableAnswerError
from vault_service.application.token_request import Obtained, TokenRequest
from vault_service.domain.audit import Entry, Event
from vault_service.domain.grant import AccessToken, Failure, FailureDetail, TokenIdentity
from vault_service.domain.refusal import failure_at, pause_after
from vault_service.domain.terms import Terms

REPLAY_AFTER = 15.0
"""Seconds after which a request to the token endpoint has certainly ended; its total timeout is shorter."""


class RefreshOutcomes:
    """Stores the outcome of a refresh, and returns the token or the error for the callers."""

    def __init__(self, grants: Refreshes, terms: Mapping[str, Terms], clock: Clock) -> None:
        """terms: by the provider's name."""
        self._grants = grants
        self._terms = terms
        self._clock = clock

    def to_request(self, request: TokenRequest, grant: StoredGrant) -> frozenset[str]:
        """The scopes to request, empty for all.

        Raises ScopeNotNarrowedError for fewer scopes at a server where a refresh token would then stay narrow.
        """
        if self._terms[grant.provider].narrows or not request.scopes:
            return request.scopes
        if excess := self._terms[grant.provider].excess(request.scopes, grant.scopes):
            raise ScopeNotNarrowedError(excess)
        return frozenset()

    def stored(self, request: TokenRequest, grant: StoredGrant, answer: TokenAnswer) -> Obtained:
        """Store an answer before anything of it is judged aloud. Returns its token, if it may be handed out.

        The use of a request that waits for the token is recorded in the same statement, if the token fits. Raises
        GrantUnusableError for another person's answer, ScopeNotNarrowedError for a wider token than requested.
        """
        if not is_same_identity(grant, answer):
            wrong_user = self._kept_for_wrong_user(request, grant, answer)
            raise wrong_user
        entry = self._entry(Event.GRANT_REFRESHED, request, grant)
        expires_at = entry.at.timestamp() + answer.expires_in
        scopes = (request.scopes or grant.scopes) if answer.scopes is None else answer.scopes
        token = AccessToken(answer.access_token, expires_at, answer.expires_in, scopes)
        excess = self._terms[grant.provider].excess(request.scopes, scopes)
        fits = not excess and not request.excess_of(token) and answer.expires_in >= request.min_valid
        use = request.use(entry.at) if request.is_waiting and fits else None
        finished = self._grants.finish(grant, answer, entry, use=use)
        if not finished.is_stored:
            raise self._error_of_lost_race(request)
        if excess:
            raise ScopeNotNarrowedError(excess)
        return Obtained(token, request if finished.is_used else None, is_new=True)

    def failed(
        self, request: TokenRequest, grant: StoredGrant, failure: Failure, detail: FailureDetail
    ) -> VaultServiceError:
        """Make the grant failed, unless it has moved on: a lost race is no revocation. The error to raise."""
        failure = failure_at(grant.ends_in, failure)
        entry = self._entry(Event.GRANT_FAILED, request, grant, failure.value)
        if self._grants.fail(grant, failure, entry, detail):
            return GrantUnusableError(failure)
        return self._error_of_lost_race(request)

    def refused_for_now(
        self, request: TokenRequest, grant: StoredGrant, refused: RefusedForNowError
    ) -> VaultServiceError:
        """Count a refusal that may be passing. The error to raise."""
        pause = pause_after((*grant.refusals, refused.word))
        if pause is None:
            return self.failed(request, grant, Failure.REAUTHORIZATION_REQUIRED, refused.detail)
        self._grants.refuse(grant, refused.word, pause, refused.detail)
        return ProviderUnavailableError(pause)

    def kept(self, request: TokenRequest, grant: StoredGrant, unusable: UnusableAnswerError) -> VaultServiceError:
        """Store the refresh token of an answer that is of no other use. The error to raise."""
        if unusable.obtained is None:
            return ProviderUnavailableError(REPLAY_AFTER)
        verdict = Verdict(is_usable=False, detail=unusable.detail, pause=REPLAY_AFTER)
        entry = self._entry(Event.GRANT_REFRESHED, request, grant, "answer_unusable")
        is_stored = self._grants.keep(grant, unusable.obtained, entry, verdict)
        return ProviderUnavailableError(REPLAY_AFTER) if is_stored else self._error_of_lost_race(request)

    def _kept_for_wrong_user(self, request: TokenRequest, grant: StoredGrant, answer: TokenAnswer) -> VaultServiceError:
        """Store the refresh token of an answer for another person, with the failure. The error to raise."""
        failure = Failure.WRONG_USER
        verdict = Verdict(is_usable=False, failure=failure, detail=FailureDetail(check="identity"))
        entry = self._entry(Event.GRANT_FAILED, request, grant, failure.value)
        is_stored = self._grants.finish(grant, answer, entry, verdict).is_stored
        return GrantUnusableError(failure) if is_stored else self._error_of_lost_race(request)

    def _error_of_lost_race(self, request: TokenRequest) -> VaultServiceError:
        """The error for a grant that another caller has changed: why it cannot be used, or that the caller has to
        retry.
        """
        return self._grants.refusal(request.grant_id, request.requester) or ProviderUnavailableError(1.0)

    def _entry(self, event: Event, request: TokenRequest, grant: StoredGrant, outcome: str = "ok") -> Entry:
        now = self._clock.now()
        return Entry(event, grant.id, grant.owner, request.requester.client, request.request_id, now, outcome)


def is_same_identity(grant: StoredGrant, answer: TokenAnswer) -> bool:
    """False when the answer is for another person, issuer or client (OpenID Connect Core 1.0 section 12.2)."""
    account = TokenIdentity(grant.account.issuer, grant.account.sub, "")
    same_person = answer.person is None or answer.person.fits(account)
    same_claims = answer.identity is None or grant.identity is None or answer.identity.fits(grant.identity)
    return same_person and same_claims
