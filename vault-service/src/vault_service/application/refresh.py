"""The refresh protocol: exactly one refresh of a grant at a time, and nothing lost.

With rotation on (RFC 9700 section 4.14.2) an authorization server takes a second use of a refresh token for theft and
ends the session. So, in order:

1. single flight in the process, on a thread that goes on when the callers have left; then the grant's lock across
   processes; what another has fetched meanwhile is taken;
2. the intent is committed before the request is sent, for a grant that is still as it was read; no transaction stays
   open over it;
3. the outcome is stored first thing, by compare-and-set on the generation; then the callers have their token, and only
   then is it shared with other replicas and the lock released;
4. an intent found with the lock free is a crash, or an answer that never came: nobody knows whether the token was used.
   Unless the spool has the outcome, the old token is sent again, but only `REPLAY_AFTER` seconds after the intent, when
   the first request can no longer be under way. The server must allow one reuse for that to succeed.

A lock that is lost in mid-call is harmless: the compare-and-set lets one writer win, and a loser that is told
`invalid_grant` reads again before it believes that the grant is over.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from time import monotonic, perf_counter
from uuid import UUID

from vault_service.application.bulkhead import Bulkhead
from vault_service.application.errors import (
    GrantUnusableError,
    InvalidScopeError,
    ProviderUnavailableError,
)
from vault_service.application.ports import (
    AccessTokens,
    Clock,
    Grants,
    GuardedProvider,
    Locks,
    Requester,
    StoredGrant,
    Telemetry,
    TokenAnswer,
)
from vault_service.application.provider_errors import (
    GrantRefusedError,
    IdentityChangedError,
    NotSentError,
    ProviderError,
    ScopeRefusedError,
    UncertainError,
)
from vault_service.application.renewals import Renewals
from vault_service.application.single_flight import SingleFlight, Tell
from vault_service.domain.audit import Entry, Event
from vault_service.domain.grant import AccessToken, Failure

REPLAY_AFTER = 15.0
"""Seconds after which a request to the token endpoint is certainly over; the provider's total timeout is shorter."""
NOT_CONFIGURED_RETRY = 60.0
PROMPT_INTENT = 1.0
"""Seconds that writing an intent may take; it waits for the row, and for a process that stands still."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What a caller needs: a token of this grant with these scopes (empty: all) that lives `min_valid` seconds more."""

    grant_id: UUID
    requester: Requester
    scopes: frozenset[str]
    min_valid: float
    request_id: str

    @property
    def key(self) -> tuple[UUID, frozenset[str]]:
        """What may be shared with callers who need the same."""
        return self.grant_id, self.scopes


class _ChangedError(Exception):
    """Somebody has changed the grant since it was read; nothing was sent. Stays in this module."""


class Refresher:
    """Obtains access tokens from authorization servers."""

    def __init__(
        self,
        grants: Grants,
        locks: Locks,
        caches: Sequence[AccessTokens],
        providers: Mapping[str, GuardedProvider],
        clock: Clock,
        telemetry: Telemetry,
        threads: int,
    ) -> None:
        """caches: this process's own, then the one that replicas share; they spare refreshes, no more.

        threads: with which the process serves requests.
        """
        self._grants = grants
        self._locks = locks
        self._caches = caches
        self._providers = providers
        self._clock = clock
        self._telemetry = telemetry
        self._bulkheads = {name: Bulkhead(name, threads) for name in providers}
        self._flights: SingleFlight[AccessToken] = SingleFlight()
        self._renewals = Renewals(max(threads // 2, 1))

    def obtain(self, need: Need, grant: StoredGrant) -> AccessToken:
        """A token, waiting for it if need be; it has less life than needed only when the server gives no more.

        grant: as `Grants.authorize` has just given it for that need.

        A flight that was under way may bring a token that is good enough for those who began it and not for this
        caller, who then begins another. Raises the errors of `Grants.authorize`, ProviderUnavailableError,
        InvalidScopeError, StorageUnavailableError.
        """
        found = self._fitting(need)
        if found is not None:
            return found
        token = self._fly(need, grant)
        return token if self._left(token) >= need.min_valid else self._fly(need, grant)

    def renew(self, need: Need, grant: StoredGrant, report: Callable[[Exception], None]) -> None:
        """Refresh beside, for a token that still serves; not while somebody is at it, or the provider is paused.

        Never raises. What is not done now is done by one of the next callers.
        """
        provider = grant.provider
        if provider not in self._providers or self._providers[provider].paused_for():
            return
        if self._renewals.begin(need.key):
            try:
                self._bulkheads[provider].executor.submit(copy_context().run, self._renew, need, grant, report)
            except RuntimeError:  # the process is shutting down
                self._renewals.end(need.key)

    def check(self, need: Need, provider: str) -> None:
        """Refresh now, also a grant that has failed: it may live again. Raises what a refresh raises."""
        bulkhead = self._bulkhead(provider)
        bulkhead.admit()
        bulkhead.wait(self._flights.join(("check", need.grant_id), partial(self._check_alone, need), bulkhead.executor))

    def is_under_way(self, need: Need) -> bool:
        """Whether this process is refreshing for that need just now, or soon."""
        return self._flights.under_way(need.key) or need.key in self._renewals

    def _fly(self, need: Need, grant: StoredGrant) -> AccessToken:
        bulkhead = self._bulkhead(grant.provider)
        bulkhead.admit()
        return bulkhead.wait(self._flights.join(need.key, partial(self._obtain_alone, need, grant), bulkhead.executor))

    def _bulkhead(self, provider: str) -> Bulkhead:
        bulkhead = self._bulkheads.get(provider)
        if bulkhead is None:
            raise ProviderUnavailableError(NOT_CONFIGURED_RETRY, "The token's authorization server is not configured.")
        return bulkhead

    def _renew(self, need: Need, seen: StoredGrant, report: Callable[[Exception], None]) -> None:
        try:
            with self._locks.try_hold(need.grant_id) as held:
                flight = self._flights.lead(need.key, partial(self._obtain_locked, need, seen)) if held else None
            if flight is not None:
                flight.result()
        except Exception as error:  # noqa: BLE001 - nobody waits for this thread; what goes wrong has to be told
            report(error)
        finally:
            self._renewals.end(need.key)

    def _obtain_alone(self, need: Need, seen: StoredGrant, tell: Tell[AccessToken]) -> AccessToken:
        started = perf_counter()
        with self._locks.hold(need.grant_id):
            self._telemetry.lock_waited(perf_counter() - started)
            return self._obtain_locked(need, seen, tell)

    def _check_alone(self, need: Need, tell: Tell[AccessToken]) -> AccessToken:
        with self._locks.hold(need.grant_id):
            return self._refresh(need, self._grants.checkable(need.grant_id, need.requester.owner), tell)

    def _obtain_locked(self, need: Need, seen: StoredGrant, tell: Tell[AccessToken]) -> AccessToken:
        """seen: the grant before the lock was held; it is read again only when somebody has changed it since."""
        found = self._fitting(need)
        if found is not None:
            return found
        if seen.intent_age is None:
            with suppress(_ChangedError):
                return self._refresh_as_read(need, seen, tell)
        return self._refresh(need, self._grants.authorize(need.grant_id, need.requester), tell)

    def _fitting(self, need: Need) -> AccessToken | None:
        """A token that somebody has fetched meanwhile and that is worth waiting no longer for."""
        own, *_ = self._caches
        for cache in self._caches:
            token = cache.get(need.grant_id, need.scopes)
            if token is not None and self._left(token) >= max(need.min_valid, token.lifetime / 2):
                if cache is not own:
                    own.put(need.grant_id, need.scopes, token)
                return token
        return None

    def _left(self, token: AccessToken) -> float:
        return token.expires_at - self._clock.now().timestamp()

    def _refresh(self, need: Need, grant: StoredGrant, tell: Tell[AccessToken]) -> AccessToken:
        """The same for a grant that was read under the lock: whoever asks comes again when it has changed since."""
        try:
            return self._refresh_as_read(need, grant, tell)
        except _ChangedError as changed:
            raise ProviderUnavailableError(1.0) from changed

    def _refresh_as_read(self, need: Need, grant: StoredGrant, tell: Tell[AccessToken]) -> AccessToken:
        """Raises _ChangedError, besides what callers are told."""
        if grant.intent_age is not None and self._grants.replay_spool():
            raise ProviderUnavailableError(1.0)  # the outcome is stored by now
        if grant.intent_age is not None and grant.intent_age < REPLAY_AFTER:
            raise ProviderUnavailableError(REPLAY_AFTER - grant.intent_age)
        if pause := self._providers[grant.provider].paused_for():
            raise ProviderUnavailableError(pause)
        begun, intent = self._begin(grant)
        try:
            answer = self._ask(grant, need.scopes, begun)
        except GrantRefusedError as refused:
            self._replayed(grant, is_refused=True)
            raise self._refused(need, grant, refused.failure) from refused
        except ScopeRefusedError as refused:
            self._nothing_used(grant, intent)
            raise InvalidScopeError from refused
        except NotSentError as failed:
            self._nothing_used(grant, intent)
            raise ProviderUnavailableError(failed.retry_after) from failed
        except UncertainError as failed:
            raise ProviderUnavailableError(REPLAY_AFTER) from failed
        self._replayed(grant, is_refused=False)
        return self._store(need, grant, answer, tell)

    def _begin(self, grant: StoredGrant) -> tuple[float, datetime]:
        """Write the intent down: when that began, by the monotonic clock, and the intent.

        What took long is written anew: its time has to be right, and somebody else may have come in between.
        """
        begun = monotonic()
        intent = self._grants.begin_refresh(grant)
        if intent is not None and monotonic() - begun > PROMPT_INTENT:
            begun = monotonic()
            intent = self._grants.begin_refresh(replace(grant, intent_age=0.0))
        if intent is None:
            raise _ChangedError
        return begun, intent

    def _ask(self, grant: StoredGrant, scopes: frozenset[str], begun: float) -> TokenAnswer:
        started = perf_counter()
        outcome = "ok"
        try:
            answer = self._providers[grant.provider].refresh(grant.refresh_token, scopes or None, begun)
            _demand_same_identity(grant, answer)
        except ProviderError as error:
            outcome = error.outcome
            raise
        finally:
            self._telemetry.refreshed(grant.provider, outcome, perf_counter() - started)
        return answer

    def _store(self, need: Need, grant: StoredGrant, answer: TokenAnswer, tell: Tell[AccessToken]) -> AccessToken:
        entry = self._entry(Event.GRANT_REFRESHED, need, grant)
        if not self._grants.finish_refresh(grant, answer, entry):
            self._grants.authorize(need.grant_id, need.requester)  # says why, when the grant is over
            raise ProviderUnavailableError(1.0)
        expires_at = entry.at.timestamp() + answer.expires_in
        token = AccessToken(answer.access_token, expires_at, answer.expires_in, answer.scopes)
        own, *shared = self._caches
        own.put(need.grant_id, need.scopes, token)
        tell(token)
        for cache in shared:  # before the lock is free: who waits for it looks here
            cache.put(need.grant_id, need.scopes, token)
        return token

    def _replayed(self, grant: StoredGrant, *, is_refused: bool) -> None:
        """Whether the authorization server allows the one reuse shows only when it is needed; then it is told."""
        if grant.intent_age is not None:
            self._telemetry.replayed(grant.provider, is_refused=is_refused)

    def _nothing_used(self, grant: StoredGrant, intent: datetime) -> None:
        """This attempt did not use the token; an earlier one whose outcome is unknown stays written down."""
        if grant.intent_age is None:
            self._grants.abandon_refresh(grant, intent)

    def _refused(self, need: Need, grant: StoredGrant, failure: Failure) -> Exception:
        """A lost race is not a revocation: only when nobody else has moved the grant on is it over."""
        if self._grants.fail(grant, failure, self._entry(Event.GRANT_FAILED, need, grant, failure.value)):
            return GrantUnusableError(failure)
        self._grants.authorize(need.grant_id, need.requester)  # says why, when the grant had failed before
        return ProviderUnavailableError(1.0)

    def _entry(self, event: Event, need: Need, grant: StoredGrant, outcome: str = "ok") -> Entry:
        now = self._clock.now()
        return Entry(event, grant.id, grant.owner, need.requester.client, need.request_id, now, outcome)


def _demand_same_identity(grant: StoredGrant, answer: TokenAnswer) -> None:
    """Raise IdentityChangedError for another person, issuer or client (OpenID Connect Core 1.0 section 12.2)."""
    same_person = answer.person is None or answer.person == grant.account
    same_claims = answer.identity is None or grant.identity is None or answer.identity.fits(grant.identity)
    if not (same_person and same_claims):
        raise IdentityChangedError
