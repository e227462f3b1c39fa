"""The one place that wires adapters to use cases. Nothing connects here: pools and clients open when first used."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from service_kit import logs
from service_kit.bearer import Verifier
from service_kit.issuer import Issuer
from service_kit.outbound import Session
from vault_service.adapters.audit import AuditLog
from vault_service.adapters.authorization_server import AuthorizationServer
from vault_service.adapters.breaker import Breaker
from vault_service.adapters.caches import (
    MemoryAccessTokens,
    NoSharedAccessTokens,
    RedisAccessTokens,
    connect_redis,
)
from vault_service.adapters.database import Database, DatabaseClock
from vault_service.adapters.grants import PostgresGrants
from vault_service.adapters.locks import AdvisoryLocks
from vault_service.adapters.outbox import Delivery, Outbox, OutboxWorker
from vault_service.adapters.sealing import Keyring, Sealer
from vault_service.adapters.spool import Spool
from vault_service.adapters.token_endpoint import TokenEndpoint
from vault_service.application.consent import OfflineConsent
from vault_service.application.errors import StorageUnavailableError
from vault_service.application.issue import IssueAccessToken
from vault_service.application.manage import ManageGrants
from vault_service.application.ports import AccessTokens
from vault_service.application.refresh import Refresher
from vault_service.config import Settings
from vault_service.http.callback import CALLBACK_PATH
from vault_service.http.callers import Policy
from vault_service.http.vault import Vault

DEFAULT_PROVIDER = "default"
RENEWAL_THREADS = 4

log = logs.get(__name__)


@dataclass(frozen=True)
class Service:
    """A wired vault with its background work."""

    vault: Vault
    keyring: Keyring
    outbox: OutboxWorker

    def start(self) -> None:
        """Check the root key against the database and begin the background work.

        Raises WrongRootKeyError; a database that is away now only delays the check to the first use.
        """
        try:
            self.keyring.load()
        except StorageUnavailableError as error:
            log.warning("vault.keys_not_loaded", reason=str(error))
        self.outbox.start()


def build(settings: Settings) -> Service:
    """Wire everything."""
    threads = int(settings.threads)
    database = Database(settings.database_url.reveal(), name="vault", size=threads + RENEWAL_THREADS + 1)
    lock_database = Database(settings.database_url.reveal(), name="vault-locks", size=threads + RENEWAL_THREADS)
    clock = DatabaseClock(database)
    keyring = Keyring(database, settings.root_key.value)
    sealer = Sealer(keyring)
    audit = AuditLog(database, keyring)
    issuer = Issuer(settings.issuer, settings.issuer_internal_url)
    providers = {DEFAULT_PROVIDER: Breaker(_authorization_server(settings, issuer))}
    outbox = Outbox(database, sealer, audit, providers, clock)
    grants = PostgresGrants(database, sealer, audit, outbox, Spool(settings.spool_dir))
    outbox_worker = OutboxWorker(outbox, grants.replay_spool, _report_delivery)
    shared = _shared_access_tokens(settings, sealer, clock)
    memory = MemoryAccessTokens(sealer)
    refresher = Refresher(grants, AdvisoryLocks(lock_database), (memory, shared), providers, clock)
    beside = ThreadPoolExecutor(RENEWAL_THREADS, thread_name_prefix="renewal")
    vault = Vault(
        verifier=Verifier(issuer, settings.audience),
        policy=Policy(settings.browser_clients, settings.owner_clients, settings.mint_role),
        consent=OfflineConsent(grants, shared, providers, clock),
        issue=IssueAccessToken(grants, memory, refresher, beside, clock, _report_renewal),
        manage=ManageGrants(grants, audit, clock, outbox_worker.wake),
        now=clock.now,
        providers=frozenset(providers),
        default_provider=DEFAULT_PROVIDER,
        default_services=settings.default_services,
        is_https=settings.public_url.startswith("https:"),
        pings={"database": keyring.load},
    )
    return Service(vault, keyring, outbox_worker)


def _authorization_server(settings: Settings, issuer: Issuer) -> AuthorizationServer:
    endpoint = TokenEndpoint(Session(), settings.client_id, settings.client_secret.reveal())
    return AuthorizationServer(issuer, endpoint, settings.client_id, settings.public_url + CALLBACK_PATH)


def _shared_access_tokens(settings: Settings, sealer: Sealer, clock: DatabaseClock) -> AccessTokens:
    if settings.redis_url is None:
        return NoSharedAccessTokens()
    return RedisAccessTokens(connect_redis(settings.redis_url.reveal()), sealer, clock.now, _report_redis)


def _report_renewal(error: Exception) -> None:
    log.warning("grant.renewal_failed", reason=type(error).__name__)


def _report_redis(error: Exception) -> None:
    log.warning("redis.unavailable", reason=type(error).__name__)


def _report_delivery(delivery: Delivery | Exception) -> None:
    if isinstance(delivery, Exception):
        log.warning("outbox.unavailable", reason=type(delivery).__name__)
    else:
        log.info(
            "grant.revocation_sent",
            grant=str(delivery.grant_id),
            outcome=delivery.outcome,
            attempts=delivery.attempts,
        )
