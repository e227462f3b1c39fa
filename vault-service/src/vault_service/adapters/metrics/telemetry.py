"""The vault's metrics for Prometheus. Outcomes and providers are the only labels: neither persons nor tokens."""

import time
from collections.abc import Collection, Iterator
from functools import cache
from itertools import product
from typing import TypeVar

from prometheus_client import Counter, Gauge, Histogram

from service_kit.process.metrics import SECONDS
from vault_service.application.errors import VaultError
from vault_service.application.provider_errors import ProviderError

K = TypeVar("K")

_ISSUED = Counter(
    "vault_access_tokens",
    "Access tokens asked for, by outcome: `memory`, `obtained`, or the name of what went wrong.",
    ("outcome",),
)
_REFRESHED = Histogram(
    "vault_refresh_seconds", "Refreshes at an authorization server.", ("provider", "outcome"), buckets=SECONDS
)
_REPLAYED = Counter(
    "vault_replays",
    "Tokens that were sent again after a lost answer: `accepted` or `refused`.",
    ("provider", "outcome"),
)
_LOCK_WAITED = Histogram("vault_lock_wait_seconds", "Waiting for a grant's lock.", buckets=SECONDS)
_PAUSED_UNTIL = Gauge(
    "vault_provider_paused_until_seconds",
    "Unix time until which a process leaves an authorization server alone.",
    ("provider",),
    multiprocess_mode="livemax",
)
_SHARED = Counter("vault_shared_cache_reads", "Reads of the cache that replicas share.", ("outcome",))
_PENDING = Gauge("vault_outbox_pending", "Tokens that still have to be revoked.", multiprocess_mode="livemostrecent")
_OLDEST = Gauge(
    "vault_outbox_oldest_seconds", "How long the oldest of them has waited.", multiprocess_mode="livemostrecent"
)
_SPOOLED = Gauge("vault_spool_pending", "Outcomes the database has not taken.", multiprocess_mode="livemostrecent")
_UNSEALED = Gauge(
    "vault_audit_unsealed_seconds", "Age of the oldest unsealed line of the audit.", multiprocess_mode="livemostrecent"
)


def _kinds(error: type[K]) -> Iterator[type[K]]:
    """An error and all that are kinds of it."""
    yield error
    for kind in error.__subclasses__():
        yield from _kinds(kind)


@cache
def _issued(outcome: str) -> Counter:
    return _ISSUED.labels(outcome)


class PrometheusTelemetry:
    """`application.ports.Telemetry`, and what the adapters have to tell."""

    def __init__(self, providers: Collection[str] = ()) -> None:
        """Everything that can happen begins at 0: of what appears with a 1 Prometheus sees no increase."""
        for provider, outcome in product(providers, ("ok", *sorted(kind.outcome for kind in _kinds(ProviderError)))):
            _REFRESHED.labels(provider, outcome)
        for provider, outcome in product(providers, ("accepted", "refused")):
            _REPLAYED.labels(provider, outcome)
        for outcome in ("memory", "obtained", *(kind.__name__ for kind in _kinds(VaultError))):
            _issued(outcome)

    def issued(self, outcome: str) -> None:
        """An access token was asked for."""
        _issued(outcome).inc()

    def refreshed(self, provider: str, outcome: str, seconds: float) -> None:
        """An authorization server was asked to refresh."""
        _REFRESHED.labels(provider, outcome).observe(seconds)

    def replayed(self, provider: str, *, is_refused: bool) -> None:
        """A token was sent again."""
        _REPLAYED.labels(provider, "refused" if is_refused else "accepted").inc()

    def lock_waited(self, seconds: float) -> None:
        """A grant's lock was waited for."""
        _LOCK_WAITED.observe(seconds)

    def paused(self, provider: str, seconds: float) -> None:
        """An authorization server is left alone for so long."""
        _PAUSED_UNTIL.labels(provider).set(time.time() + seconds)

    def read_shared(self, outcome: str) -> None:
        """The shared cache was read: `hit`, `miss` or `unavailable`."""
        _SHARED.labels(outcome).inc()

    def backlog(self, outbox: int, oldest: float) -> None:
        """How many revocations wait to be sent, and for how many seconds the oldest has."""
        _PENDING.set(outbox)
        _OLDEST.set(oldest)

    def spooled(self, outcomes: int) -> None:
        """How many outcomes the database has not taken."""
        _SPOOLED.set(outcomes)

    def unsealed(self, seconds: float) -> bool:
        """How old the oldest line is that no seal covers yet. There is no more to do about it at once (`Job`)."""
        _UNSEALED.set(seconds)
        return False
