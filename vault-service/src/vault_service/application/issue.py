"""Issues access tokens. This is the hot path.

A token in the memory of the process costs one SQL statement, which checks the grant, counts the use and records it: a
revocation holds at once on every replica, and no token leaves unrecorded. A token that another replica has shared is
taken into memory first, before the grant is read or locked. All other requests go through `refresh`.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import lru_cache, partial
from itertools import compress
from time import monotonic
from uuid import UUID

from vault_service.application.bounded import Bounded
from vault_service.application.errors import (
    InvalidScopeError,
    MinValidUnattainableError,
    ProviderUnavailableError,
    ScopeNotNarrowedError,
    StorageUnavailableError,
    VaultServiceError,
)
from vault_service.application.ports.issue import TicketRefusals, UseRecorder
from vault_service.application.ports.refresh import StoredGrant, UsableGrants
from vault_service.application.ports.runtime import AccessTokens, Clock, SharedAccessTokens, SharedToken, Telemetry
from vault_service.application.refresh import Refresher
from vault_service.application.token_request import Obtained, TokenRequest
from vault_service.domain.freshness import Freshness, jitter_of, judge
from vault_service.domain.grant import AccessToken
from vault_service.domain.grant_terms import RequestedTerms

BATCH_THREADS = 8
BATCH_SECONDS = 20.0
LAST_SECONDS = 2.0
"""A token with less life than this is not worth sending."""


class IssueAccessToken:
    """Gives access tokens to those who may have them."""

    def __init__(
        self,
        grants: UsableGrants,
        uses: UseRecorder,
        tickets: TicketRefusals,
        caches: tuple[AccessTokens, SharedAccessTokens, Bounded[UUID, RequestedTerms]],
        refresher: Refresher,
        clock: Clock,
        telemetry: Telemetry,
        report: Callable[[Exception], None],
    ) -> None:
        """caches: that of this process, that of all replicas, and the verified terms of grants.

        report: called with the error of a failed renewal.
        """
        self._grants = grants
        self._uses = uses
        self._tickets = tickets
        self._memory, self._shared, self._terms = caches
        self._refresher = refresher
        self._clock = clock
        self._telemetry = telemetry
        self._report = report

    def issue(self, request: TokenRequest) -> AccessToken:
        """An access token that fits the request. Its use is recorded before this returns.

        Raises GrantNotFoundError, ConsentPendingError, GrantUnusableError, ServiceNotAllowedError, InvalidScopeError,
        MinValidUnattainableError, ProviderUnavailableError, RefusedTooOftenError, StorageUnavailableError; with a
        ticket also TicketRefusedError, ScopeNotNarrowedError.
        """
        outcome = "failed"
        try:
            token, outcome = self._issue(request)
        except VaultServiceError as error:
            outcome = type(error).__name__
            raise
        finally:
            self._telemetry.issued(outcome)
        return token

    def remembered(self, request: TokenRequest) -> AccessToken | None:
        """A token in the memory of this process that needs no renewal yet. Its use is not recorded here.

        None for a request that names a refused token: a replica may have obtained a newer one than this process knows.
        """
        return None if request.refused else self._served(request, self._memory.get(*request.key))

    def find_soon(self, requests: Sequence[TokenRequest]) -> Future[Sequence[SharedToken | None]]:
        """Tokens that the replicas share for these requests, without waiting: the argument of `found`. Never raises."""
        return self._shared.get_soon([request.key for request in requests])

    def found(self, request: TokenRequest, shared: SharedToken | None) -> AccessToken | None:
        """Take a shared token into memory; the token if it needs no renewal yet. Its use is not recorded here."""
        return self._served(request, self._later(request, self._memory.get(*request.key), shared))

    def _served(self, request: TokenRequest, token: AccessToken | None) -> AccessToken | None:
        if token is None or request.excess_of(token) or not self._is_allowed(request):
            return None
        return token if self._judge(token, request) is Freshness.SERVE else None

    def _later(self, request: TokenRequest, own: AccessToken | None, shared: SharedToken | None) -> AccessToken | None:
        """The one that expires later; a shared one is remembered then, and the terms that came with it."""
        if shared is None:
            return own
        self._terms.put(request.grant_id, shared.terms)
        if own is not None and own.expires_at >= shared.token.expires_at:
            return own
        self._memory.put(*request.key, shared.token)
        return shared.token

    def record_soon(self, requests: Sequence[TokenRequest]) -> Future[Sequence[bool]]:
        """Record that remembered tokens are issued, without waiting.

        The future has the outcome of each request; a token may leave only when its outcome is True. After False,
        `issue` finds out more. The future raises StorageUnavailableError: no token may leave then.
        """
        recorded = self._uses.record_soon([request.use(self._clock.now()) for request in requests])
        recorded.add_done_callback(partial(self._count, requests))
        return recorded

    def _count(self, requests: Sequence[TokenRequest], recorded: Future[Sequence[bool]]) -> None:
        error = recorded.exception()
        if error is not None:
            for _ in requests:
                self._telemetry.issued(type(error).__name__)
            return
        for request in compress(requests, recorded.result()):
            self._telemetry.issued("memory")
            self._count_ticket(request)

    def _count_ticket(self, request: TokenRequest) -> None:
        if request.requester.via is not None:
            self._telemetry.ticket("used")

    def _issue(self, request: TokenRequest) -> tuple[AccessToken, str]:
        token = self._memory.get(*request.key)
        if request.refused or self._judge(token, request) is not Freshness.SERVE:
            token = self._later(request, token, self._shared.get(*request.key))
        freshness = self._judge(token, request)
        if token is None or freshness is Freshness.WAIT:
            return self._obtained(request, token), "obtained"
        grant = None
        if freshness is Freshness.SERVE_AND_RENEW and not self._refresher.is_refreshing(request):
            grant = self._authorized(request)
        elif not self._is_allowed(request):
            self._authorized(request)
        self._use(request, token)
        if grant is not None:
            self._refresher.renew(request, grant, self._report)  # never raises: the use is already counted
        return token, "memory"

    def _obtained(self, request: TokenRequest, old: AccessToken | None) -> AccessToken:
        obtained = self._obtain(request, old)
        if obtained.used_by is request:
            self._count_ticket(request)
        else:
            self._use(request, obtained.token)
        return obtained.token

    def _use(self, request: TokenRequest, token: AccessToken) -> None:
        """Record the use. Raises ScopeNotNarrowedError for a token that the request does not allow."""
        if excess := request.excess_of(token):
            raise ScopeNotNarrowedError(excess)
        self._record(request)

    def _judge(self, token: AccessToken | None, request: TokenRequest) -> Freshness:
        if token is None or request.refuses(token):
            return Freshness.WAIT
        left = token.expires_at - self._clock.now().timestamp()
        return judge(left, token.lifetime, request.min_valid, jitter_of(token.expires_at))

    def _is_allowed(self, request: TokenRequest) -> bool:
        """True when terms that were verified a moment ago allow the use, whatever the row says now.

        False for limited uses: the row is verified each time, because the statement counts by its limit.
        """
        terms = self._terms.get(request.grant_id)
        return terms is not None and terms.limits.max_uses is None and terms.allow(request.requester, self._clock.now())

    def _authorized(self, request: TokenRequest) -> StoredGrant:
        """The grant, whose terms are verified and remembered."""
        grant = self._grants.authorize(request.grant_id, request.requester)
        self._terms.put(request.grant_id, grant.requested)
        return grant

    def _obtain(self, request: TokenRequest, old: AccessToken | None) -> Obtained:
        grant = self._authorized(request)
        if error := _unattainable(request, grant):
            raise error
        try:
            return self._refresher.obtain(request, grant)
        except ProviderUnavailableError:
            if old is not None and not request.refuses(old) and self._left(old) >= max(request.min_valid, LAST_SECONDS):
                return Obtained(old)
            raise

    def _record(self, request: TokenRequest) -> None:
        if not self._uses.record(*request.use(self._clock.now())):
            refusal = self._grants.refusal(request.grant_id, request.requester) or self._refusal_of_ticket(request)
            raise refusal or StorageUnavailableError
        self._count_ticket(request)

    def _refusal_of_ticket(self, request: TokenRequest) -> VaultServiceError | None:
        via = request.requester.via
        return None if via is None else self._tickets.refusal(via.ticket_id)

    def _left(self, token: AccessToken) -> float:
        return token.expires_at - self._clock.now().timestamp()


class IssueMany:
    """Gives access tokens for many grants at once. The failure of one does not affect the others."""

    def __init__(self, issue: IssueAccessToken) -> None:
        self._issue = issue
        self._threads = ThreadPoolExecutor(BATCH_THREADS, thread_name_prefix="batch")

    def issue(self, requests: Sequence[TokenRequest]) -> list[AccessToken | Exception]:
        """For each request its token, or what `IssueAccessToken.issue` raised.

        ProviderUnavailableError for those that have not ended after `BATCH_SECONDS`. Remembered tokens are recorded
        together, and wait neither for the others nor for other batches; shared ones are looked up together before.
        """
        deadline = monotonic() + BATCH_SECONDS
        remembered = {i: token for i, request in enumerate(requests) if (token := self._issue.remembered(request))}
        remembered |= self._found({i: request for i, request in enumerate(requests) if i not in remembered})
        running = {i: self._begin(request) for i, request in enumerate(requests) if i not in remembered}
        outcomes: dict[int, AccessToken | Exception] = {}
        for i, is_recorded in zip(remembered, self._record([requests[i] for i in remembered]), strict=True):
            if is_recorded is False:
                running[i] = self._begin(requests[i])
            else:
                outcomes[i] = remembered[i] if is_recorded is True else is_recorded
        outcomes |= {i: _outcome(each, deadline) for i, each in running.items()}
        return [outcomes[i] for i in range(len(requests))]

    def _found(self, requests: Mapping[int, TokenRequest]) -> dict[int, AccessToken]:
        """The tokens that other replicas share, by the numbers of their requests."""
        if not requests:
            return {}
        shared = zip(requests.items(), self._issue.find_soon(list(requests.values())).result(), strict=True)
        return {i: token for (i, request), each in shared if (token := self._issue.found(request, each))}

    def _begin(self, request: TokenRequest) -> Future[AccessToken]:
        return self._threads.submit(copy_context().run, self._issue.issue, request)

    def _record(self, requests: Sequence[TokenRequest]) -> Sequence[bool | Exception]:
        if not requests:
            return ()
        try:
            return self._issue.record_soon(requests).result()
        except StorageUnavailableError as error:
            return [error] * len(requests)


def _outcome(running: Future[AccessToken], deadline: float) -> AccessToken | Exception:
    try:
        return running.result(max(deadline - monotonic(), 0))
    except TimeoutError:
        running.cancel()
        return ProviderUnavailableError()
    except Exception as error:  # noqa: BLE001 - it is the outcome of this request
        return error


def _unattainable(request: TokenRequest, grant: StoredGrant) -> VaultServiceError | None:
    """The reason why the grant cannot fit the request, or None. Found before any server is asked."""
    if not request.scopes <= grant.scopes:
        return InvalidScopeError()
    if not grant.can_give(request.min_valid):
        return MinValidUnattainableError()
    return None


@lru_cache(maxsize=256)
def parse_scope(scope: str) -> frozenset[str]:
    """The set in a `scope` string (RFC 6749 section 3.3). Raises InvalidScopeError for other characters."""
    scopes = frozenset(scope.split(" ")) - {""}
    if any(not all("!" <= c <= "~" and c not in '"\\' for c in name) for name in scopes):
        raise InvalidScopeError
    return scopes
