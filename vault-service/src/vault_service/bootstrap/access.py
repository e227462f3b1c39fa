"""Wires the issuing of access tokens: caches, refreshes, tickets, and refreshes that no caller requests."""

from dataclasses import dataclass
from functools import partial
from uuid import UUID

from service_kit.process import logs
from vault_service.adapters.cache.access_tokens import (
    MemoryAccessTokens,
    NoSharedAccessTokens,
    RedisAccessTokens,
    connect_redis,
)
from vault_service.application.bounded import Bounded
from vault_service.application.check_due import CheckDue
from vault_service.application.issue import IssueAccessToken
from vault_service.application.refresh import Refresher
from vault_service.application.tickets import PresentedTickets
from vault_service.bootstrap.foundation import Foundation
from vault_service.bootstrap.grants import GrantStores
from vault_service.bootstrap.providers import ProviderSet
from vault_service.domain.audit import Event
from vault_service.domain.grant_terms import RequestedTerms

SharedAccessTokens = RedisAccessTokens | NoSharedAccessTokens

LEAST_REMEMBERED = 1_000
"""Grants' terms and tickets, also where no tokens are remembered: without them the fast path answers no request."""

log = logs.get(__name__)


@dataclass(frozen=True, slots=True)
class AccessParts:
    """Use cases that obtain access tokens, and their caches.

    terms: of grants; checks: refreshes that no caller requests.
    """

    memory: MemoryAccessTokens
    shared: SharedAccessTokens
    terms: Bounded[UUID, RequestedTerms]
    refresher: Refresher
    presented: PresentedTickets
    issue: IssueAccessToken
    checks: tuple[CheckDue, ...]

    @classmethod
    def of(cls, base: Foundation, stores: GrantStores, providers: ProviderSet) -> "AccessParts":
        """Wire them."""
        settings, clock, telemetry = base.settings, base.clock, base.telemetry
        memory = MemoryAccessTokens(base.sealer, settings.remembered_tokens, clock.now, telemetry)
        shared = _shared(base)
        caches = (memory, shared)
        refresher = Refresher(
            stores.refreshes,
            base.locks,
            caches,
            providers.guarded,
            providers.terms,
            clock,
            telemetry,
            settings.threads,
        )
        remembered = max(settings.remembered_tokens, LEAST_REMEMBERED)
        presented = PresentedTickets(stores.tickets, clock, telemetry, remembered)
        terms: Bounded[UUID, RequestedTerms] = Bounded(remembered, partial(telemetry.forgot, "terms"))
        issue = IssueAccessToken(
            stores.refreshes, stores.uses, presented, (*caches, terms), refresher, clock, telemetry, _report_renewal
        )
        checks = (
            CheckDue(Event.GRANT_CHECKED, stores.siblings, refresher, base.audit, clock),
            CheckDue(Event.GRANT_KEEP_ALIVE, stores.unused, refresher, base.audit, clock, telemetry.kept_alive),
        )
        return cls(memory, shared, terms, refresher, presented, issue, checks)


def report_redis(error: Exception) -> None:
    """Log that Redis does not answer."""
    log.warning("redis.unavailable", reason=type(error).__name__)


def _shared(base: Foundation) -> SharedAccessTokens:
    url = base.settings.redis_url
    if url is None:
        return NoSharedAccessTokens()
    return RedisAccessTokens(connect_redis(url.reveal()), base.sealer, base.clock.now, base.telemetry, report_redis)


def _report_renewal(error: Exception) -> None:
    log.warning("grant.renewal_failed", reason=type(error).__name__)
