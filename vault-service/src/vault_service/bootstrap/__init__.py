"""The only place that wires adapters to use cases. Nothing connects here: pools and clients open on first use."""

from collections.abc import Sized
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from uuid import UUID

from service_kit.postgres.clock import DatabaseClock
from service_kit.postgres.database import BY_INDEX, Database
from service_kit.process import logs
from service_kit.tokens.bearer import Claims, Verifier
from service_kit.tokens.dpop import ProofChecker, ProofsInMemory
from service_kit.tokens.issuer import Issuer, IssuerUnavailableError
from vault_service.adapters.audit.log import AuditLog
from vault_service.adapters.cache.access_tokens import (
    MemoryAccessTokens,
    NoSharedAccessTokens,
    RedisAccessTokens,
    connect_redis,
)
from vault_service.adapters.cache.proofs import ProofsInRedis
from vault_service.adapters.encryption.keyring import Keyring
from vault_service.adapters.encryption.sealing import Sealer
from vault_service.adapters.jobs.background import Background, every
from vault_service.adapters.metrics.telemetry import PrometheusTelemetry
from vault_service.adapters.postgres.database import MIGRATIONS, vault_database
from vault_service.adapters.postgres.locks import LOCK_TIMEOUT_SECONDS, AdvisoryLocks
from vault_service.application.ask import AskConsent
from vault_service.application.authorization_request import AuthorizationRequests
from vault_service.application.bounded import Bounded
from vault_service.application.check_due import CheckDue
from vault_service.application.consent import OfflineConsent
from vault_service.application.errors import StorageUnavailableError
from vault_service.application.issue import BATCH_THREADS, IssueAccessToken, IssueMany
from vault_service.application.logout import ReceiveLogouts
from vault_service.application.manage import ManageGrants
from vault_service.application.redemption import Redemption
from vault_service.application.refresh import Refresher
from vault_service.application.refusals import RecordRefusals
from vault_service.application.tickets import ManageTickets, PresentedTickets
from vault_service.bootstrap.background import BackgroundWork
from vault_service.bootstrap.grants import GrantStores
from vault_service.bootstrap.providers import ProviderSet, login_issuer
from vault_service.config import VaultSettings
from vault_service.domain.audit import Event
from vault_service.domain.grant_terms import RequestedTerms
from vault_service.http.callback import callback_path
from vault_service.http.callers import CallerPolicy
from vault_service.http.export import Exports
from vault_service.http.vault import Vault
from vault_service.http.waiting import Waiters

HOUSEKEEPING_CONNECTIONS = 3
MEASURE_SECONDS = 15.0
LEAST_REMEMBERED = 1_000
"""Grants' terms and tickets, also where no tokens are remembered: without them the fast path serves nobody."""

log = logs.get(__name__)


@dataclass(frozen=True)
class VaultProcess:
    """A wired vault and its background work."""

    vault: Vault
    background: tuple[Background, ...]
    databases: tuple[Database, ...]

    def start(self) -> None:
        """Start the background work. Keys are loaded on first use."""
        for work in self.background:
            work.start()

    def close(self) -> None:
        """Close the connections, of a process that has not started its background work."""
        for database in self.databases:
            database.close()


def check(settings: VaultSettings) -> None:
    """Check what must hold before anything is served.

    Raises WrongRootKeyError, SchemaMismatchError, IssuerMismatchError. An unreachable database or authorization server
    does not prevent the start; it is checked when it is used.
    """
    database = vault_database(settings.database_url.reveal(), name="vault-preflight", size=1)
    try:
        MIGRATIONS.check(database)
        Keyring(database, settings.root_key).load()
    except StorageUnavailableError as error:
        log.warning("vault.database_unavailable", reason=str(error))
    finally:
        database.close()
    try:
        login_issuer(settings).metadata()
    except IssuerUnavailableError as error:
        log.warning("vault.issuer_unavailable", reason=str(error))


def build(settings: VaultSettings) -> VaultProcess:
    """Wire one process of the vault."""
    telemetry = PrometheusTelemetry(settings.providers.by_name)
    issuer = login_issuer(settings)
    database, lock_database = _pools(settings)
    clock = DatabaseClock(database)
    providers = ProviderSet.of(settings, issuer, partial(_callback, settings), telemetry, clock.seconds)
    keyring = Keyring(database, settings.root_key)
    sealer = Sealer(keyring)
    audit = AuditLog(database, keyring)
    locks = AdvisoryLocks(lock_database)
    stores = GrantStores.of(settings, database, locks, sealer, audit)
    memory = MemoryAccessTokens(sealer, settings.remembered_tokens, clock.now, telemetry)
    shared = _shared_access_tokens(settings, sealer, clock, telemetry)
    refresher = Refresher(
        stores.refreshes,
        locks,
        (memory, shared),
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
        stores.refreshes, stores.uses, presented, (memory, shared, terms), refresher, clock, telemetry, _report_renewal
    )
    checks = (
        CheckDue(Event.GRANT_CHECKED, stores.siblings, refresher, audit, clock),
        CheckDue(Event.GRANT_KEEP_ALIVE, stores.unused, refresher, audit, clock, telemetry.kept_alive),
    )
    measure = every(MEASURE_SECONDS, partial(_measure_memories, memory, shared, terms, presented, telemetry))
    work = BackgroundWork.of(
        settings, database, keyring, clock, stores, providers.guarded, telemetry, audit, checks, [measure]
    )
    requests = AuthorizationRequests(providers.guarded, providers.terms)
    policy = CallerPolicy(
        settings.browser_clients,
        settings.owner_clients,
        settings.mint_role,
        settings.consent_role,
        settings.public_mints == "yes",
    )
    vault = Vault(
        verifier=_verifier(settings, issuer, clock, policy),
        policy=policy,
        asking=AskConsent(stores.consents, requests, providers.terms, clock, timedelta(seconds=settings.question_life)),
        consent=OfflineConsent(
            stores.consents,
            requests,
            Redemption(stores.consents, shared, providers.guarded, providers.terms, clock),
            providers.guarded,
            providers.terms,
            clock,
        ),
        issue=issue,
        issue_many=IssueMany(issue),
        refusals=RecordRefusals(stores.owned, audit, clock, telemetry),
        manage=ManageGrants(stores.owned, stores.refreshes, audit, refresher, clock, work.housekeeping.wake),
        logouts=ReceiveLogouts(providers.logout_tokens, stores.logins, clock, work.housekeeping.wake),
        presented=presented,
        tickets=ManageTickets(
            stores.tickets, stores.refreshes, stores.owned, clock, telemetry, settings.tickets_per_grant
        ),
        ticket_max_life=settings.ticket_max_life,
        waiters=Waiters(max(settings.threads // 4, 1)),
        exports=Exports(max(settings.threads // 4, 1)),
        now=clock.now,
        providers=providers.terms,
        default_provider=settings.providers.default,
        default_services=settings.default_services,
        default_limits=settings.default_limits,
        services=settings.services.by_client,
        public_url=settings.public_url,
        is_https=settings.public_url.startswith("https:"),
        needed={
            "database": database.ping,
            "keys": keyring.load,
            "schema": partial(MIGRATIONS.check, database),
            **providers.needed_pings(settings.providers.default),
        },
        useful={"redis": shared.ping, **providers.useful_pings()},
    )
    return VaultProcess(vault, work.threads, (database, lock_database))


def _verifier(settings: VaultSettings, issuer: Issuer, clock: DatabaseClock, policy: CallerPolicy) -> Verifier:
    """Believes access tokens, and proofs for the URLs at which the vault is reached."""

    def must_be_bound(claims: Claims) -> bool:
        return settings.require_dpop and policy.is_service(claims)

    own = ProofsInMemory()
    redis_url = settings.redis_url
    seen = own if redis_url is None else ProofsInRedis(connect_redis(redis_url.reveal()), own, _report_redis)
    proofs = ProofChecker((settings.public_url, *settings.internal_urls), seen, clock.seconds)
    return Verifier(issuer, settings.audience, clock=clock.seconds, proofs=proofs, must_be_bound=must_be_bound)


def _callback(settings: VaultSettings, provider: str) -> str:
    """A provider's redirect URI."""
    return settings.public_url + callback_path(provider, settings.providers.default)


def _pools(settings: VaultSettings) -> tuple[Database, Database]:
    """The pool for statements, and the one whose connections hold the locks of refreshes.

    `WEB_THREADS` threads serve; as many call each provider, and each of those may hold a lock.
    """
    url = settings.database_url.reveal()
    callers = settings.threads * len(settings.providers.by_name)
    connections = settings.threads + BATCH_THREADS + callers + HOUSEKEEPING_CONNECTIONS
    return (
        vault_database(url, name="vault", size=connections, options=BY_INDEX),
        vault_database(
            url,
            name="vault-locks",
            size=callers,
            statement_timeout=None,
            lock_timeout=LOCK_TIMEOUT_SECONDS,
            options=BY_INDEX,
        ),
    )


def _shared_access_tokens(
    settings: VaultSettings, sealer: Sealer, clock: DatabaseClock, telemetry: PrometheusTelemetry
) -> RedisAccessTokens | NoSharedAccessTokens:
    if settings.redis_url is None:
        return NoSharedAccessTokens()
    return RedisAccessTokens(connect_redis(settings.redis_url.reveal()), sealer, clock.now, telemetry, _report_redis)


def _measure_memories(
    memory: MemoryAccessTokens,
    shared: RedisAccessTokens | NoSharedAccessTokens,
    terms: Sized,
    presented: Sized,
    telemetry: PrometheusTelemetry,
) -> None:
    telemetry.remembered(len(memory))
    telemetry.entries("terms", len(terms))
    telemetry.entries("tickets", len(presented))
    shared.measure()


def _report_renewal(error: Exception) -> None:
    log.warning("grant.renewal_failed", reason=type(error).__name__)


def _report_redis(error: Exception) -> None:
    log.warning("redis.unavailable", reason=type(error).__name__)
