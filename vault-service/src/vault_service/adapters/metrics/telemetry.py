"""The vault's metrics for Prometheus. The only labels are outcomes and providers: no persons, no tokens."""

import time
from collections.abc import Collection, Iterator
from functools import cache
from itertools import product
from typing import TypeVar

from prometheus_client import Counter, Gauge, Histogram

from service_kit.process.metrics import SECONDS
from vault_service.application.errors import VaultServiceError
from vault_service.application.provider_errors import ProviderError
from vault_service.domain.grant import Failure
from vault_service.domain.ticket import TicketFault
from vault_service.domain.webhook import Delivery

K = TypeVar("K")

_ISSUED = Counter(
    "vault_access_tokens",
    "Access tokens requested, by outcome: `memory` (cached), `obtained`, or the name of the error.",
    ("outcome",),
)
_REFUSED = Counter(
    "vault_refused_requests", "Access tokens that were refused to services, by the name of the error.", ("outcome",)
)
_TICKETS = Counter(
    "vault_ticket_events",
    "What happened to tickets: `created`, `extended`, `ended`, `used`, or the code with which one was refused.",
    ("event",),
)
_REFRESHED = Histogram(
    "vault_refresh_seconds", "Refreshes at an authorization server.", ("provider", "outcome"), buckets=SECONDS
)
_REPLAYED = Counter(
    "vault_replays",
    "Refresh tokens that were sent again after a lost answer: `accepted` or `refused`.",
    ("provider", "outcome"),
)
_LOCK_WAITED = Histogram("vault_lock_wait_seconds", "Time spent waiting for a grant's lock.", buckets=SECONDS)
_PAUSED_UNTIL = Gauge(
    "vault_provider_paused_until_seconds",
    "Unix time until which a process sends no refreshes to an authorization server.",
    ("provider",),
    multiprocess_mode="livemax",
)
_SHARED = Counter("vault_shared_cache_reads", "Reads of the cache that replicas share, by outcome.", ("outcome",))
_REMEMBERED = Gauge(
    "vault_remembered_tokens", "Access tokens in the memory of the processes.", multiprocess_mode="livesum"
)
_EVICTED = Counter(
    "vault_remembered_token_evictions",
    "Access tokens that a process dropped before they expired, because it remembers VAULT_REMEMBERED_TOKENS at most.",
)
_ENTRIES = Gauge(
    "vault_remembered_entries",
    "Entries in the other memories of the processes: `terms` of grants, and `tickets`.",
    ("kind",),
    multiprocess_mode="livesum",
)
_FORGOTTEN = Counter(
    "vault_remembered_entry_evictions",
    "Entries that a process dropped because that memory was full: `terms` of grants, `tickets`, and `clients` whose"
    " refusals are counted.",
    ("kind",),
)
_SHARED_BYTES = Gauge("vault_shared_cache_bytes", "Memory that Redis uses.", multiprocess_mode="livemostrecent")
_SHARED_LIMIT = Gauge(
    "vault_shared_cache_limit_bytes", "Memory that Redis may use; 0: no limit.", multiprocess_mode="livemostrecent"
)
_SHARED_EVICTED = Gauge(
    "vault_shared_cache_evicted_keys",
    "Keys that Redis has dropped since its start because its memory was full.",
    multiprocess_mode="livemostrecent",
)
_PENDING = Gauge("vault_outbox_pending", "Tokens that still have to be revoked.", multiprocess_mode="livemostrecent")
_OLDEST = Gauge(
    "vault_outbox_oldest_seconds", "For how long the oldest of them has waited.", multiprocess_mode="livemostrecent"
)
_WEBHOOKS = Counter(
    "vault_webhooks",
    "Attempts to tell a service of a change, by outcome: `delivered`, `postponed`, `given_up`, or `gone`.",
    ("outcome",),
)
_WEBHOOKS_PENDING = Gauge(
    "vault_webhooks_pending", "Messages to services that wait.", multiprocess_mode="livemostrecent"
)
_WEBHOOKS_OLDEST = Gauge(
    "vault_webhooks_oldest_seconds", "For how long the oldest of them has waited.", multiprocess_mode="livemostrecent"
)
_KEPT_ALIVE = Counter(
    "vault_kept_alive",
    "Refreshes of grants that nobody uses, by outcome: `ok`, `unavailable`, or the code with which the grant ended.",
    ("outcome",),
)
_SPOOLED = Gauge(
    "vault_spool_pending", "Outcomes of refreshes that the database has not taken.", multiprocess_mode="livemostrecent"
)
_UNCOVERED = Gauge(
    "vault_audit_unsealed_seconds",  # its first name, which alerts use
    "Age of the oldest line of the audit that no checkpoint covers.",
    multiprocess_mode="livemax",
)


def _kinds(error: type[K]) -> Iterator[type[K]]:
    """An error class and all its subclasses."""
    yield error
    for kind in error.__subclasses__():
        yield from _kinds(kind)


@cache
def _issued(outcome: str) -> Counter:
    return _ISSUED.labels(outcome)


@cache
def _ticket(event: str) -> Counter:
    return _TICKETS.labels(event)


class PrometheusTelemetry:
    """`application.ports.runtime.Telemetry`, and what the adapters measure."""

    def __init__(self, providers: Collection[str] = ()) -> None:
        """Every outcome starts at 0, because Prometheus sees no increase in a counter that first appears as 1."""
        for provider, outcome in product(providers, ("ok", *sorted(kind.outcome for kind in _kinds(ProviderError)))):
            _REFRESHED.labels(provider, outcome)
        for provider, outcome in product(providers, ("accepted", "refused")):
            _REPLAYED.labels(provider, outcome)
        for outcome in ("memory", "obtained", *(kind.__name__ for kind in _kinds(VaultServiceError))):
            _issued(outcome)
            _REFUSED.labels(outcome)
        for outcome in Delivery:
            _WEBHOOKS.labels(outcome.value)
        for outcome in ("ok", "unavailable", *(failure.value for failure in Failure)):
            _KEPT_ALIVE.labels(outcome)
        for kind in ("terms", "tickets", "clients"):
            _FORGOTTEN.labels(kind)
        for event in ("created", "extended", "ended", "used", *TicketFault):
            _ticket(event)

    def issued(self, outcome: str) -> None:
        """An access token was requested."""
        _issued(outcome).inc()

    def refused(self, outcome: str) -> None:
        """A service was refused an access token."""
        _REFUSED.labels(outcome).inc()

    def ticket(self, event: str) -> None:
        """A ticket was made, changed, used or refused."""
        _ticket(event).inc()

    def refreshed(self, provider: str, outcome: str, seconds: float) -> None:
        """A refresh request has ended."""
        _REFRESHED.labels(provider, outcome).observe(seconds)

    def replayed(self, provider: str, *, is_refused: bool) -> None:
        """A refresh token was sent again, and the server has accepted or refused it."""
        _REPLAYED.labels(provider, "refused" if is_refused else "accepted").inc()

    def lock_waited(self, seconds: float) -> None:
        """A thread has waited so long for a grant's lock."""
        _LOCK_WAITED.observe(seconds)

    def paused(self, provider: str, seconds: float) -> None:
        """No refresh request is sent to this provider for so long."""
        _PAUSED_UNTIL.labels(provider).set(time.time() + seconds)

    def read_shared(self, outcome: str) -> None:
        """The shared cache was read: `hit`, `miss` or `unavailable`."""
        _SHARED.labels(outcome).inc()

    def remembered(self, tokens: int) -> None:
        """The number of access tokens in this process's memory."""
        _REMEMBERED.set(tokens)

    def entries(self, kind: str, number: int) -> None:
        """The number of entries in another memory of this process."""
        _ENTRIES.labels(kind).set(number)

    def forgot(self, kind: str) -> None:
        """A memory of this process was full, and its oldest entry gave way."""
        _FORGOTTEN.labels(kind).inc()

    def evicted(self) -> None:
        """An access token was dropped from this process's memory before it expired."""
        _EVICTED.inc()

    def shared_cache(self, used: int, limit: int, evicted: int) -> None:
        """Redis's memory in bytes, its limit, and the number of evicted keys."""
        _SHARED_BYTES.set(used)
        _SHARED_LIMIT.set(limit)
        _SHARED_EVICTED.set(evicted)

    def backlog(self, outbox: int, oldest: float) -> None:
        """The number of revocations that wait to be sent, and for how many seconds the oldest has waited."""
        _PENDING.set(outbox)
        _OLDEST.set(oldest)

    def told(self, outcome: str) -> None:
        """A message was sent to a service."""
        _WEBHOOKS.labels(outcome).inc()

    def webhook_backlog(self, messages: int, oldest: float) -> None:
        """The number of messages that wait to be delivered, and for how many seconds the oldest has waited."""
        _WEBHOOKS_PENDING.set(messages)
        _WEBHOOKS_OLDEST.set(oldest)

    def kept_alive(self, outcome: str) -> None:
        """Count an unused grant that was refreshed to keep it alive."""
        _KEPT_ALIVE.labels(outcome).inc()

    def spooled(self, outcomes: int) -> None:
        """The number of outcomes that the database has not taken."""
        _SPOOLED.set(outcomes)

    def uncovered(self, seconds: float) -> None:
        """The age of the oldest line that no checkpoint covers."""
        _UNCOVERED.set(seconds)
