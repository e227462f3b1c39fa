"""One request to an authorization server, for a grant whose lock is held and whose intent is written, and what follows.

The outcome is stored first, by compare-and-set on the generation. Then the callers get their token. Then it is shared
with other replicas. The lock is released by the caller.
"""

from collections.abc import Mapping
from datetime import datetime
from time import perf_counter
from typing import NamedTuple

from vault_service.application.errors import InvalidScopeError, ProviderUnavailableError
from vault_service.application.ports.provider import GuardedProvider, TokenAnswer
from vault_service.application.ports.refresh import Refreshes, StoredGrant
from vault_service.application.ports.runtime import AccessTokens, SharedAccessTokens, SharedToken, Telemetry
from vault_service.application.provider_errors import (
    BusyError,
    GrantRefusedError,
    IdentityChangedError,
    NotSentError,
    ProviderError,
    RefusedForNowError,
    ScopeRefusedError,
    UncertainError,
    UnusableAnswerError,
)
from vault_service.application.refresh_outcomes import REPLAY_AFTER, RefreshOutcomes, is_same_identity
from vault_service.application.single_flight import Tell
from vault_service.application.token_request import Obtained, TokenRequest


class Begun(NamedTuple):
    """An intent that is written. at: monotonic time just before; intent: its time by the database."""

    at: float
    intent: datetime


class Exchanges:
    """Exchanges refresh tokens for access tokens."""

    def __init__(
        self,
        grants: Refreshes,
        caches: tuple[AccessTokens, SharedAccessTokens],
        providers: Mapping[str, GuardedProvider],
        outcomes: RefreshOutcomes,
        telemetry: Telemetry,
    ) -> None:
        """caches: that of this process, then the one that replicas share; providers: by name."""
        self._grants = grants
        self._memory, self._shared = caches
        self._providers = providers
        self._outcomes = outcomes
        self._telemetry = telemetry

    def scopes_to_request(self, request: TokenRequest, grant: StoredGrant) -> frozenset[str]:
        """The scopes to request, empty for all. Raises ScopeNotNarrowedError."""
        return self._outcomes.to_request(request, grant)

    def run(
        self, request: TokenRequest, grant: StoredGrant, scopes: frozenset[str], begun: Begun, tell: Tell[Obtained]
    ) -> Obtained:
        """Send the refresh token once and store what comes of it. scopes: from `scopes_to_request`.

        Raises the errors for callers: GrantUnusableError, ProviderUnavailableError, InvalidScopeError,
        ScopeNotNarrowedError, StorageUnavailableError.
        """
        try:
            answer = self._ask(grant, scopes, begun.at)
        except GrantRefusedError as refused:
            self._count_replay(grant, is_refused=True)
            failure = self._outcomes.failed(request, grant, refused.failure, refused.detail)
            raise failure from refused
        except RefusedForNowError as refused:
            refusal = self._outcomes.refused_for_now(request, grant, refused)
            raise refusal from refused
        except ScopeRefusedError as refused:
            self._abandon(grant, begun.intent)
            raise InvalidScopeError from refused
        except BusyError as busy:
            self._grants.postpone(grant, busy.retry_after, busy.detail)
            raise ProviderUnavailableError(busy.retry_after) from busy
        except NotSentError as failed:
            self._abandon(grant, begun.intent)
            raise ProviderUnavailableError(failed.retry_after) from failed
        except UnusableAnswerError as unusable:
            kept = self._outcomes.kept(request, grant, unusable)
            raise kept from unusable
        except UncertainError as failed:
            raise ProviderUnavailableError(REPLAY_AFTER) from failed
        self._count_replay(grant, is_refused=False)
        obtained = self._outcomes.stored(request, grant, answer)
        self._share(request, grant, obtained, tell)
        return obtained

    def _ask(self, grant: StoredGrant, scopes: frozenset[str], begun: float) -> TokenAnswer:
        started = perf_counter()
        outcome = "ok"
        try:
            answer = self._providers[grant.provider].refresh(grant.refresh_token, scopes or None, begun)
            if not is_same_identity(grant, answer):
                outcome = IdentityChangedError.outcome
        except ProviderError as error:
            outcome = error.outcome
            raise
        finally:
            self._telemetry.refreshed(grant.provider, outcome, perf_counter() - started)
        return answer

    def _share(self, request: TokenRequest, grant: StoredGrant, obtained: Obtained, tell: Tell[Obtained]) -> None:
        """Hand a token to the callers, then to other replicas, whose callers look there once the lock is released.

        The other replicas come first when a caller has named a refused token: it could name this one to them at once.
        """
        self._memory.put(*request.key, obtained.token)
        if request.refused is None:
            tell(obtained)
        self._shared.put(*request.key, SharedToken(obtained.token, grant.requested))

    def _count_replay(self, grant: StoredGrant, *, is_refused: bool) -> None:
        """Measure whether the authorization server allows the one reuse; only a replay shows it."""
        if grant.intent_age is not None:
            self._telemetry.replayed(grant.provider, is_refused=is_refused)

    def _abandon(self, grant: StoredGrant, intent: datetime) -> None:
        """Remove the intent: the token was not used. The intent of an earlier attempt with unknown outcome stays."""
        if grant.intent_age is None:
            self._grants.abandon(grant, intent)
