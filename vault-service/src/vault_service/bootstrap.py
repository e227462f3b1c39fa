"""The one place that wires adapters to use cases. Nothing connects here: pools and clients open when first used."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from service_kit.outbound.session import Session
from service_kit.postgres.database import BY_INDEX
from service_kit.process import logs
from service_kit.tokens.bearer import Verifier
from service_kit.tokens.issuer import Issuer, IssuerUnavailableError
from vault_service.adapters.audit.chain import BATCH_LINES, AuditSealer
from vault_service.adapters.audit.log import AuditLog
from vault_service.adapters.cache.access_tokens import (
    MemoryAccessTokens,
    NoSharedAccessTokens,
    RedisAccessTokens,
    connect_redis,
)
from vault_service.adapters.encryption.keyring import Keyring
from vault_service.adapters.encryption.sealing import Sealer
from vault_service.adapters.grants.grants import PostgresGrants
from vault_service.adapters.grants.outbox import Outbox
from vault_service.adapters.grants.spool import Spool
from vault_service.adapters.grants.uses import Uses
from vault_service.adapters.jobs.background import Background, every
from vault_service.adapters.jobs.cleaning import Cleaning
from vault_service.adapters.jobs.expiry import Expiry
from vault_service.adapters.metrics.telemetry import PrometheusTelemetry
from vault_service.adapters.postgres.clock import DatabaseClock
from vault_service.adapters.postgres.database import MIGRATIONS, vault_database
from vault_service.adapters.postgres.locks import LOCK_TIMEOUT_SECONDS, AdvisoryLocks
from vault_service.adapters.provider.authorization_server import AuthorizationServer
from vault_service.adapters.provider.breaker import Breaker
from vault_service.adapters.provider.discovery import Discovery
from vault_service.adapters.provider.token_endpoint import TokenEndpoint
from vault_service.application.consent import OfflineConsent
from vault_service.application.errors import ProviderUnavailableError, StorageUnavailableError
from vault_service.application.issue import BATCH_THREADS, IssueAccessToken, IssueMany
from vault_service.application.manage import ManageGrants
from vault_service.application.refresh import Refresher
from vault_service.config import Settings
from vault_service.http.callback import CALLBACK_PATH
from vault_service.http.callers import Policy
from vault_service.http.vault import Vault
from vault_service.provider_file import ProviderSettings

HOUSEKEEPING_CONNECTIONS = 3
HOUSEKEEPING_SECONDS = 5.0
SEAL_SECONDS = 1.0
KEYS_SECONDS = 60.0
CLOCK_SECONDS = 60.0
EXPIRY_SECONDS = 60.0
CLEANING_SECONDS = 3600.0

log = logs.get(__name__)


@dataclass(frozen=True)
class Service:
    """A wired vault with its background work."""

    vault: Vault
    background: tuple[Background, ...]

    def start(self) -> None:
        """Begin the background work. The keys are loaded when they are first used."""
        for work in self.background:
            work.start()


def check(settings: Settings) -> None:
    """Look at what must hold before anything is served.

    Raises WrongRootKeyError, SchemaMismatchError, IssuerMismatchError; what is away now is checked when it is used.
    """
    database = vault_database(settings.database_url.reveal(), name="vault-preflight", size=1)
    try:
        MIGRATIONS.check(database)
        Keyring(database, settings.root_key).load()
    except StorageUnavailableError as error:
        log.warning("vault.database_away", reason=str(error))
    finally:
        database.close()
    try:
        Issuer(settings.issuer, settings.issuer_internal_url).metadata()
    except IssuerUnavailableError as error:
        log.warning("vault.issuer_away", reason=str(error))


def _issuer(provider: ProviderSettings, login: Issuer, settings: Settings) -> Issuer:
    """The provider's; the one where people log in is asked for its keys by one object only."""
    address = (provider.terms.issuer, provider.internal_url, provider.algorithm)
    if address == (settings.issuer, settings.issuer_internal_url, login.algorithm):
        return login
    return Issuer(provider.terms.issuer, provider.internal_url, algorithm=provider.algorithm)


def build(settings: Settings) -> Service:
    """Wire everything."""
    threads = settings.threads
    issuer = Issuer(settings.issuer, settings.issuer_internal_url)
    configured = settings.providers
    telemetry = PrometheusTelemetry(configured.by_name)
    issuers = {name: _issuer(provider, issuer, settings) for name, provider in configured.by_name.items()}
    discoveries = {name: Discovery(name, issuers[name]) for name in issuers}
    servers = {
        name: _authorization_server(provider, issuers[name], discoveries[name], settings.public_url + CALLBACK_PATH)
        for name, provider in configured.by_name.items()
    }
    terms = {name: provider.terms for name, provider in configured.by_name.items()}
    providers = {name: Breaker(server, partial(telemetry.paused, name)) for name, server in servers.items()}
    for name in servers:
        telemetry.paused(name, 0)
    # Threads that serve, as many that call each provider, and the background; each of the callers may hold a lock.
    callers = threads * len(providers)
    url = settings.database_url.reveal()
    connections = threads + BATCH_THREADS + callers + HOUSEKEEPING_CONNECTIONS
    database = vault_database(url, name="vault", size=connections, options=BY_INDEX)
    lock_database = vault_database(
        url, name="vault-locks", size=callers, statement_timeout=None, lock_timeout=LOCK_TIMEOUT_SECONDS
    )
    clock = DatabaseClock(database)
    keyring = Keyring(database, settings.root_key)
    sealer = Sealer(keyring)
    audit = AuditLog(database, keyring)
    outbox = Outbox(database, sealer, audit, providers, clock)
    uses = Uses(url, database, audit)
    spool = Spool(settings.spool_dir)
    grants = PostgresGrants(database, sealer, audit, uses, outbox, spool)
    shared = _shared_access_tokens(settings, sealer, clock, telemetry)
    memory = MemoryAccessTokens(sealer)
    locks = AdvisoryLocks(lock_database)
    refresher = Refresher(grants, locks, (memory, shared), providers, clock, telemetry, threads)
    expiry = Expiry(database, sealer, audit, outbox, clock, settings.grant_days)
    housekeeping = Background(
        "housekeeping",
        [
            *_housekeeping(grants, outbox, spool, telemetry),
            every(KEYS_SECONDS, keyring.load),
            every(CLOCK_SECONDS, clock.read),
            every(EXPIRY_SECONDS, expiry.end_over),
            every(CLEANING_SECONDS, expiry.end_forgotten),
            every(CLEANING_SECONDS, partial(_clean, Cleaning(database, settings.grant_days))),
        ],
        _report_background,
        HOUSEKEEPING_SECONDS,
    )
    chain = AuditSealer(database, keyring, clock)
    sealing = Background(
        "sealing", [lambda: _seal(chain), lambda: telemetry.unsealed(chain.lag())], _report_background, SEAL_SECONDS
    )
    issue = IssueAccessToken(grants, memory, refresher, clock, telemetry, _report_renewal)
    vault = Vault(
        verifier=Verifier(issuer, settings.audience, clock=lambda: clock.now().timestamp()),
        policy=Policy(settings.browser_clients, settings.owner_clients, settings.mint_role),
        consent=OfflineConsent(grants, shared, providers, terms, clock),
        issue=issue,
        issue_many=IssueMany(issue),
        manage=ManageGrants(grants, audit, refresher, clock, housekeeping.wake),
        now=clock.now,
        providers=terms,
        default_provider=configured.default,
        default_services=settings.default_services,
        is_https=settings.public_url.startswith("https:"),
        needed={
            "database": database.ping,
            "keys": keyring.load,
            "schema": partial(MIGRATIONS.check, database),
            f"issuer of {configured.default}": discoveries[configured.default].demand_no_mismatch,
        },
        useful={
            "redis": shared.ping,
            **{f"provider {name}": partial(_ping_provider, servers[name], providers[name]) for name in servers},
        },
    )
    return Service(vault, (housekeeping, sealing))


def _housekeeping(
    grants: PostgresGrants, outbox: Outbox, spool: Spool, telemetry: PrometheusTelemetry
) -> list[Callable[[], bool]]:
    """What is done beside requests; each says whether there is more of it to do at once."""

    def replay() -> bool:
        grants.replay_spool()
        return False

    def deliver() -> bool:
        delivery = outbox.deliver_one()
        if delivery is not None:
            log.info(
                "grant.revocation_sent",
                grant=str(delivery.grant_id),
                outcome=delivery.outcome,
                attempts=delivery.attempts,
            )
        return delivery is not None

    def measure() -> bool:
        telemetry.spooled(spool.pending())  # first: there is something to tell of just when the database is away
        telemetry.backlog(*outbox.backlog())
        return False

    return [replay, deliver, measure]


def _clean(cleaning: Cleaning) -> None:
    removed = cleaning.clean()
    if any(removed.values()):
        log.info("vault.cleaned", **removed)


def _seal(chain: AuditSealer) -> bool:
    seal = chain.seal()
    if seal is None:
        return False
    log.info("audit.sealed", checkpoint=seal.checkpoint, lines=seal.lines)
    return seal.lines == BATCH_LINES


def _ping_provider(server: AuthorizationServer, breaker: Breaker) -> None:
    server.ping()
    if left := breaker.paused_for():
        raise ProviderUnavailableError(left)


def _authorization_server(
    provider: ProviderSettings, issuer: Issuer, discovery: Discovery, callback: str
) -> AuthorizationServer:
    return AuthorizationServer(
        issuer,
        discovery,
        TokenEndpoint(Session(), provider.client_id, provider.client_secret.reveal()),
        provider.client_id,
        callback,
        parameters=provider.authorization_parameters,
        revokes=provider.revokes,
    )


def _shared_access_tokens(
    settings: Settings, sealer: Sealer, clock: DatabaseClock, telemetry: PrometheusTelemetry
) -> RedisAccessTokens | NoSharedAccessTokens:
    if settings.redis_url is None:
        return NoSharedAccessTokens()
    return RedisAccessTokens(connect_redis(settings.redis_url.reveal()), sealer, clock.now, telemetry, _report_redis)


def _report_renewal(error: Exception) -> None:
    log.warning("grant.renewal_failed", reason=type(error).__name__)


def _report_redis(error: Exception) -> None:
    log.warning("redis.unavailable", reason=type(error).__name__)


def _report_background(error: Exception) -> None:
    log.warning("background.failed", reason=type(error).__name__)
