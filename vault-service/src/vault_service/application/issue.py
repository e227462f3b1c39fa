"""Issuing access tokens: the hot path.

A token that the process remembers costs one SQL statement, which checks the grant, counts the use and records it: so a
revocation holds at once on every replica, and nothing leaves unrecorded. Everything else goes through `refresh`.
"""

import random
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import lru_cache, partial
from time import monotonic

from vault_service.application.errors import (
    InvalidScopeError,
    MinValidUnattainableError,
    ProviderUnavailableError,
    StorageUnavailableError,
    VaultError,
)
from vault_service.application.ports import AccessTokens, Clock, Grants, StoredGrant, Telemetry
from vault_service.application.refresh import Need, Refresher
from vault_service.domain.audit import Entry, Event
from vault_service.domain.freshness import Freshness, attainable, judge
from vault_service.domain.grant import AccessToken

BATCH_THREADS = 8
BATCH_SECONDS = 20.0
LAST_SECONDS = 2.0
"""A token with less life than this is not worth sending."""


class IssueAccessToken:
    """Gives access tokens to those who may have them."""

    def __init__(
        self,
        grants: Grants,
        memory: AccessTokens,
        refresher: Refresher,
        clock: Clock,
        telemetry: Telemetry,
        report: Callable[[Exception], None],
    ) -> None:
        """memory: this process's cache; report: told of a renewal that failed."""
        self._grants = grants
        self._memory = memory
        self._refresher = refresher
        self._clock = clock
        self._telemetry = telemetry
        self._report = report

    def issue(self, need: Need) -> AccessToken:
        """An access token that fits the need, recorded before it is returned.

        Raises GrantNotFoundError, ConsentPendingError, GrantUnusableError, ServiceNotAllowedError, InvalidScopeError,
        MinValidUnattainableError, ProviderUnavailableError, StorageUnavailableError.
        """
        outcome = "failed"
        try:
            token, outcome = self._issue(need)
        except VaultError as error:
            outcome = type(error).__name__
            raise
        finally:
            self._telemetry.issued(outcome)
        return token

    def remembered(self, need: Need) -> AccessToken | None:
        """A token that this process remembers and that needs nothing done about it; not recorded yet."""
        token = self._memory.get(*need.key)
        return token if self._judge(token, need) is Freshness.SERVE else None

    def record_soon(self, needs: Sequence[Need]) -> Future[Sequence[bool]]:
        """Record that remembered tokens are issued, without waiting.

        Only where the future says True may the token leave; after False `issue` says more. The future raises
        StorageUnavailableError when nothing was recorded.
        """
        recorded = self._grants.issue_soon([(need.requester, self._entry(need)) for need in needs])
        recorded.add_done_callback(partial(self._count, len(needs)))
        return recorded

    def _count(self, number: int, recorded: Future[Sequence[bool]]) -> None:
        error = recorded.exception()
        outcome, times = ("memory", sum(recorded.result())) if error is None else (type(error).__name__, number)
        for _ in range(times):
            self._telemetry.issued(outcome)

    def _issue(self, need: Need) -> tuple[AccessToken, str]:
        token = self._memory.get(*need.key)
        freshness = self._judge(token, need)
        if token is None or freshness is Freshness.WAIT:
            token, outcome = self._obtain(need, token), "obtained"
            self._record(need)
        elif freshness is Freshness.SERVE_AND_RENEW and not self._refresher.is_under_way(need):
            outcome, grant = "memory", self._grants.authorize(need.grant_id, need.requester)
            self._record(need)
            self._refresher.renew(need, grant, self._report)  # never raises: the use is counted
        else:
            outcome = "memory"
            self._record(need)
        return token, outcome

    def _judge(self, token: AccessToken | None, need: Need) -> Freshness:
        if token is None:
            return Freshness.WAIT
        left = token.expires_at - self._clock.now().timestamp()
        return judge(left, token.lifetime, need.min_valid, random.random())  # noqa: S311 - jitter, not a secret

    def _obtain(self, need: Need, old: AccessToken | None) -> AccessToken:
        grant = self._grants.authorize(need.grant_id, need.requester)
        self._check(need, grant)
        try:
            token = self._refresher.obtain(need, grant)
        except ProviderUnavailableError:
            if old is not None and self._left(old) >= max(need.min_valid, LAST_SECONDS):
                return old
            raise
        if self._left(token) < need.min_valid:
            raise MinValidUnattainableError
        return token

    def _check(self, need: Need, grant: StoredGrant) -> None:
        """Refuse what can never be had, before anything is asked of anybody for this caller."""
        if not need.scopes <= grant.scopes:
            raise InvalidScopeError
        if grant.lifetime is not None and not attainable(need.min_valid, grant.lifetime):
            raise MinValidUnattainableError

    def _record(self, need: Need) -> None:
        if not self._grants.issue(need.requester, self._entry(need)):
            self._grants.authorize(need.grant_id, need.requester)  # says why
            raise StorageUnavailableError

    def _entry(self, need: Need) -> Entry:
        by = need.requester
        return Entry(Event.TOKEN_ISSUED, need.grant_id, by.owner, by.client, need.request_id, self._clock.now())

    def _left(self, token: AccessToken) -> float:
        return token.expires_at - self._clock.now().timestamp()


class IssueMany:
    """Gives access tokens for many grants at once: what one of them meets spoils no other."""

    def __init__(self, issue: IssueAccessToken) -> None:
        self._issue = issue
        self._threads = ThreadPoolExecutor(BATCH_THREADS, thread_name_prefix="batch")

    def issue(self, needs: Sequence[Need]) -> list[AccessToken | Exception]:
        """For each need its token, or what `IssueAccessToken.issue` raised; what takes too long is unavailable.

        Remembered tokens are recorded together, and wait neither for the others nor for other callers' batches.
        """
        deadline = monotonic() + BATCH_SECONDS
        at_hand = {place: token for place, need in enumerate(needs) if (token := self._issue.remembered(need))}
        running = {place: self._begin(need) for place, need in enumerate(needs) if place not in at_hand}
        outcomes: dict[int, AccessToken | Exception] = {}
        for place, outcome in zip(at_hand, self._record([needs[place] for place in at_hand]), strict=True):
            if outcome is False:
                running[place] = self._begin(needs[place])
            else:
                outcomes[place] = at_hand[place] if outcome is True else outcome
        outcomes |= {place: _outcome(each, deadline) for place, each in running.items()}
        return [outcomes[place] for place in range(len(needs))]

    def _begin(self, need: Need) -> Future[AccessToken]:
        return self._threads.submit(copy_context().run, self._issue.issue, need)

    def _record(self, needs: Sequence[Need]) -> Sequence[bool | Exception]:
        if not needs:
            return ()
        try:
            return self._issue.record_soon(needs).result()
        except StorageUnavailableError as error:
            return [error] * len(needs)


def _outcome(running: Future[AccessToken], deadline: float) -> AccessToken | Exception:
    try:
        return running.result(max(deadline - monotonic(), 0))
    except TimeoutError:
        running.cancel()
        return ProviderUnavailableError()
    except Exception as error:  # noqa: BLE001 - it is this need's outcome
        return error


@lru_cache(maxsize=256)
def parse_scope(scope: str) -> frozenset[str]:
    """The set in a `scope` string (RFC 6749 section 3.3). Raises InvalidScopeError for what no scope can be."""
    scopes = frozenset(scope.split(" ")) - {""}
    if any(not all("!" <= c <= "~" and c not in '"\\' for c in name) for name in scopes):
        raise InvalidScopeError
    return scopes
