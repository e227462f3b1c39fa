"""Wires the parts that all of a process's adapters share: databases, clock, keys, audit and measurements."""

from dataclasses import dataclass

from service_kit.postgres.clock import DatabaseClock
from service_kit.postgres.database import BY_INDEX, Database
from vault_service.adapters.audit.log import AuditLog
from vault_service.adapters.encryption.keyring import Keyring
from vault_service.adapters.encryption.sealing import Sealer
from vault_service.adapters.metrics.telemetry import PrometheusTelemetry
from vault_service.adapters.postgres.database import vault_database
from vault_service.adapters.postgres.locks import LOCK_TIMEOUT_SECONDS, AdvisoryLocks
from vault_service.application.issue import BATCH_THREADS
from vault_service.config import VaultSettings

HOUSEKEEPING_CONNECTIONS = 3


@dataclass(frozen=True, slots=True)
class Foundation:
    """The shared parts of one process. lock_database: its connections hold the locks of refreshes."""

    settings: VaultSettings
    telemetry: PrometheusTelemetry
    database: Database
    lock_database: Database
    locks: AdvisoryLocks
    clock: DatabaseClock
    keyring: Keyring
    sealer: Sealer
    audit: AuditLog

    @classmethod
    def of(cls, settings: VaultSettings) -> "Foundation":
        """Wire them. Nothing connects before the first use."""
        database, lock_database = _pools(settings)
        keyring = Keyring(database, settings.root_key)
        return cls(
            settings=settings,
            telemetry=PrometheusTelemetry(settings.providers.by_name),
            database=database,
            lock_database=lock_database,
            locks=AdvisoryLocks(lock_database),
            clock=DatabaseClock(database),
            keyring=keyring,
            sealer=Sealer(keyring),
            audit=AuditLog(database, keyring),
        )


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
