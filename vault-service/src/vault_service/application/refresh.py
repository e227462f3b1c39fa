"""The refresh protocol: exactly one refresh of a grant at a time, and no refresh token is lost.

With rotation (RFC 9700 section 4.14.2), an authorization server takes a second use of a refresh token for theft and
ends the session. The steps, in order:

1. Single flight in the process, on a thread that continues when its callers have left; then the grant's lock across
   processes. A token that another process has fetched meanwhile is taken.
2. The intent is committed before the request is sent, for a grant that has not changed since it was read. No
   transaction stays open during the request. One statement takes a free lock and writes the intent; whoever finds the
   lock taken waits for it, and begins anew.
3. The outcome is stored first, by compare-and-set on the generation; the same statement records the use of the caller
   that waits. Then the callers get their token. Then it is shared with other replicas, and the lock is released.
4. An intent that is found while the lock is free was left by a crash, or its answer never came: it is unknown whether
   the token was used. Unless the spool has the outcome, the old token is sent again, `REPLAY_AFTER` seconds after the
   intent at the earliest, when the first request has certainly ended. It succeeds if the server allows one reuse.

A lock that is lost during the request does no harm: the compare-and-set lets one writer win, and a loser that is
answered `invalid_grant` reads the grant again before it believes that the grant has ended.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import copy_context
from dataclasses import replace
from datetime import datetime
from functools import partial
from time import monotonic, perf_counter

from vault_service.application.bulkhead import Bulkhead
from vault_service.application.errors import MinValidUnattainableError, ProviderUnavailableError
from vault_service.application.exchange import Begun, Exchanges
from vault_service.application.ports.provider import GuardedProvider
from vault_service.application.ports.refresh import Refreshes, StoredGrant
from vault_service.application.ports.runtime import AccessTokens, Clock, Locks, SharedAccessTokens, Telemetry
from vault_service.application.refresh_outcomes import REPLAY_AFTER, RefreshOutcomes
from vault_service.application.renewals import Renewals
from vault_service.application.single_flight import SingleFlight, Tell
from vault_service.application.token_request import Obtained, TokenRequest
from vault_service.domain.grant import AccessToken
from vault_service.domain.terms import Terms

NOT_CONFIGURED_RETRY = 60.0
FLIGHTS = 2
"""How often a caller waits for a refresh: for one that it joins, and for its own."""
PROMPT_INTENT = 1.0
"""Seconds that writing an intent may take. It can wait for the row's lock, or for a process that was frozen."""


class _ChangedError(Exception):
    """The grant has changed since it was read, and nothing was sent. Stays in this module."""


class Refresher:
    """Obtains access tokens from authorization servers."""

    def __init__(
        self,
        grants: Refreshes,
        locks: Locks,
        caches: tuple[AccessTokens, SharedAccessTokens],
        providers: Mapping[str, GuardedProvider],
        terms: Mapping[str, Terms],
        clock: Clock,
        telemetry: Telemetry,
        threads: int,
    ) -> None:
        """providers, terms: by the same names.

        caches: that of this process, then the one that replicas share; they save refreshes and nothing else.

        threads: the number of threads that serve requests in this process.
        """
        self._grants = grants
        self._locks = locks
        self._memory, self._shared = caches
        self._providers = providers
        self._exchanges = Exchanges(grants, caches, providers, RefreshOutcomes(grants, terms, clock), telemetry)
        self._clock = clock
        self._telemetry = telemetry
        self._bulkheads = {name: Bulkhead(name, threads) for name in providers}
        self._flights: SingleFlight[Obtained] = SingleFlight()
        self._renewals = Renewals(max(threads // 2, 1))

    def obtain(self, request: TokenRequest, grant: StoredGrant) -> Obtained:
        """A token, after waiting if need be. The request's use may be recorded with it already.

        grant: as `authorize` has just returned it for this request, for which no cache had a token.

        A new token is judged by the life that it had when it arrived. When that is too short, the server is not asked
        again: the token is kept for callers who ask for less. A flight that this caller joins may bring a cached token
        that does not live long enough for it; then it starts another flight. Raises the errors of `authorize`,
        MinValidUnattainableError, ProviderUnavailableError, InvalidScopeError, StorageUnavailableError.
        """
        for _ in range(FLIGHTS):
            token, _, is_new = obtained = self._fly(request, grant)
            if (token.lifetime if is_new else self._left(token)) >= request.min_valid:
                return obtained
            if is_new:
                raise MinValidUnattainableError
            grant = self._grants.authorize(request.grant_id, request.requester)
            if not grant.can_give(request.min_valid):
                raise MinValidUnattainableError
        raise ProviderUnavailableError(1.0)

    def renew(self, request: TokenRequest, grant: StoredGrant, report: Callable[[Exception], None]) -> None:
        """Refresh in the background, for a token that can still be served.

        Never raises. Does nothing while another thread refreshes for the same key, or the provider is paused: one of
        the next callers tries again.
        """
        provider = grant.provider
        if provider not in self._providers or self._providers[provider].paused_for():
            return
        if self._renewals.begin(request.key):
            try:
                self._bulkheads[provider].executor.submit(
                    copy_context().run, self._renew, replace(request, is_waiting=False), grant, report
                )
            except RuntimeError:  # the process is shutting down
                self._renewals.end(request.key)

    def check(self, request: TokenRequest, provider: str) -> None:
        """Refresh now, even if the grant has failed: it may work again. Raises what a refresh raises."""
        bulkhead = self._bulkhead(provider)
        bulkhead.admit()
        check = partial(self._check_alone, replace(request, is_waiting=False))
        bulkhead.wait(self._flights.join(("check", request.grant_id), check, bulkhead.executor))

    def is_refreshing(self, request: TokenRequest) -> bool:
        """True while this process is refreshing for the request's key, or is about to."""
        return self._flights.is_running(request.flight_key) or request.key in self._renewals

    def _fly(self, request: TokenRequest, grant: StoredGrant) -> Obtained:
        bulkhead = self._bulkhead(grant.provider)
        bulkhead.admit()
        obtain = partial(self._obtain_alone, request, grant)
        return bulkhead.wait(self._flights.join(request.flight_key, obtain, bulkhead.executor))

    def _bulkhead(self, provider: str) -> Bulkhead:
        bulkhead = self._bulkheads.get(provider)
        if bulkhead is None:
            raise ProviderUnavailableError(NOT_CONFIGURED_RETRY, "The token's authorization server is not configured.")
        return bulkhead

    def _renew(self, request: TokenRequest, seen: StoredGrant, report: Callable[[Exception], None]) -> None:
        try:
            with self._locks.try_hold(request.grant_id) as held:
                obtain = partial(self._obtain_locked, request, seen)
                flight = self._flights.lead(request.flight_key, obtain) if held else None
            if flight is not None:
                flight.result()
        except Exception as error:  # noqa: BLE001 - no caller waits for this thread, so the error is reported
            report(error)
        finally:
            self._renewals.end(request.key)

    def _obtain_alone(self, request: TokenRequest, seen: StoredGrant, tell: Tell[Obtained]) -> Obtained:
        started = perf_counter()
        if request.refused is None and seen.intent_age is None and not self._pause(seen):
            scopes, began_at = self._exchanges.scopes_to_request(request, seen), monotonic()
            with self._grants.begin_alone(seen) as alone:
                if alone.is_held:
                    self._telemetry.lock_waited(perf_counter() - started)
                    with suppress(_ChangedError):
                        return self._obtain_begun(
                            request, seen, scopes, self._promptly(seen, began_at, alone.intent), tell
                        )
                    return self._obtain_locked(request, seen, tell)
        with self._locks.hold(request.grant_id):
            self._telemetry.lock_waited(perf_counter() - started)
            return self._obtain_locked(request, seen, tell)

    def _obtain_begun(
        self, request: TokenRequest, seen: StoredGrant, scopes: frozenset[str], begun: Begun, tell: Tell[Obtained]
    ) -> Obtained:
        """The lock is held and the intent written. Another process may have shared a token just before."""
        found = self._fitting(request)
        if found is None:
            return self._exchanges.run(request, seen, scopes, begun, tell)
        self._grants.abandon(seen, begun.intent)
        return Obtained(found)

    def _check_alone(self, request: TokenRequest, tell: Tell[Obtained]) -> Obtained:
        with self._locks.hold(request.grant_id):
            return self._refresh(request, self._grants.checkable(request.grant_id, request.requester.owner), tell)

    def _obtain_locked(self, request: TokenRequest, seen: StoredGrant, tell: Tell[Obtained]) -> Obtained:
        """seen: the grant as it was before the lock was held. It is read again only if it has changed since."""
        found = self._fitting(request)
        if found is not None:
            return Obtained(found)
        if self._is_current_refused(request):
            self._grants.claim_forced(request.grant_id)
        if seen.intent_age is None:
            with suppress(_ChangedError):
                return self._refresh_as_read(request, seen, tell)
        grant = self._grants.authorize(request.grant_id, request.requester)
        if not grant.can_give(request.min_valid):  # another process has just learned it
            found = self._fitting(replace(request, min_valid=0.0))
        return self._refresh(request, grant, tell) if found is None else Obtained(found)

    def _fitting(self, request: TokenRequest) -> AccessToken | None:
        """A cached token that lives long enough and has at least half of its life left, or None."""
        own = self._memory.get(*request.key)
        if own is not None and self._fits(own, request):
            return own
        shared = self._shared.get(*request.key)
        if shared is None or not self._fits(shared.token, request):
            return None
        self._memory.put(*request.key, shared.token)
        return shared.token

    def _fits(self, token: AccessToken, request: TokenRequest) -> bool:
        return not request.refuses(token) and self._left(token) >= max(request.min_valid, token.lifetime / 2)

    def _is_current_refused(self, request: TokenRequest) -> bool:
        """True when a cached token would do if an API had not refused it."""
        if request.refused is None:
            return False
        own, shared = self._memory.get(*request.key), self._shared.get(*request.key)
        return any(token is not None and request.refuses(token) for token in (own, shared and shared.token))

    def _left(self, token: AccessToken) -> float:
        return token.expires_at - self._clock.now().timestamp()

    def _pause(self, grant: StoredGrant) -> float:
        """Seconds for which no refresh of the grant is sent."""
        return max(grant.pause, self._providers[grant.provider].paused_for())

    def _refresh(self, request: TokenRequest, grant: StoredGrant, tell: Tell[Obtained]) -> Obtained:
        """Refresh a grant that was read under the lock. The caller has to retry when it has changed nevertheless."""
        try:
            return self._refresh_as_read(request, grant, tell)
        except _ChangedError as changed:
            raise ProviderUnavailableError(1.0) from changed

    def _refresh_as_read(self, request: TokenRequest, grant: StoredGrant, tell: Tell[Obtained]) -> Obtained:
        """Raises _ChangedError, beside the errors for callers."""
        if grant.intent_age is not None and self._grants.replay_spool():
            raise ProviderUnavailableError(1.0)  # the outcome is stored now
        if grant.intent_age is not None and grant.intent_age < REPLAY_AFTER:
            raise ProviderUnavailableError(REPLAY_AFTER - grant.intent_age)
        if pause := self._pause(grant):
            raise ProviderUnavailableError(pause)
        scopes = self._exchanges.scopes_to_request(request, grant)
        return self._exchanges.run(request, grant, scopes, self._begin(grant), tell)

    def _begin(self, grant: StoredGrant) -> Begun:
        """Write the intent. Raises _ChangedError."""
        began_at = monotonic()
        return self._promptly(grant, began_at, self._grants.begin(grant))

    def _promptly(self, grant: StoredGrant, began_at: float, intent: datetime | None) -> Begun:
        """An intent that took long is written again: its time has to be right, and the grant may have changed.

        began_at: monotonic time just before it was written. Raises _ChangedError when the grant has changed.
        """
        if intent is not None and monotonic() - began_at > PROMPT_INTENT:
            began_at = monotonic()
            intent = self._grants.begin(replace(grant, intent_age=0.0))
        if intent is None:
            raise _ChangedError
        return Begun(began_at, intent)
