"""Wires the adapters that store grants."""

from dataclasses import dataclass

from service_kit.postgres.database import Database
from vault_service.adapters.audit.log import AuditLog
from vault_service.adapters.encryption.sealing import Sealer
from vault_service.adapters.grants.consents import PostgresConsents
from vault_service.adapters.grants.due_checks import PostgresDueChecks
from vault_service.adapters.grants.endings import Endings, PostgresExpiringGrants
from vault_service.adapters.grants.logouts import PostgresLogins
from vault_service.adapters.grants.outbox import Outbox
from vault_service.adapters.grants.owned_grants import PostgresOwnedGrants
from vault_service.adapters.grants.refreshes import PostgresRefreshes
from vault_service.adapters.grants.spool import Spool
from vault_service.adapters.grants.tickets import PostgresTickets
from vault_service.adapters.grants.uses import Uses
from vault_service.adapters.postgres.locks import AdvisoryLocks
from vault_service.config import VaultSettings


@dataclass(frozen=True, slots=True)
class GrantStores:
    """Grants as the use cases store them."""

    consents: PostgresConsents
    refreshes: PostgresRefreshes
    uses: Uses
    owned: PostgresOwnedGrants
    tickets: PostgresTickets
    expiring: PostgresExpiringGrants
    logins: PostgresLogins
    outbox: Outbox
    siblings: PostgresDueChecks
    unused: PostgresDueChecks
    spool: Spool

    @classmethod
    def of(
        cls, settings: VaultSettings, database: Database, locks: AdvisoryLocks, sealer: Sealer, audit: AuditLog
    ) -> "GrantStores":
        """Wire them over one database."""
        outbox = Outbox(database, sealer, audit)
        spool = Spool(settings.spool_dir)
        endings = Endings(sealer, audit, outbox)
        idle = settings.assumed_idle or None
        return cls(
            consents=PostgresConsents(database, sealer, audit, outbox, idle, settings.pending_consents),
            refreshes=PostgresRefreshes(database, sealer, audit, outbox, spool, locks, settings.refused_budget, idle),
            uses=Uses(settings.database_url.reveal(), database, audit),
            owned=PostgresOwnedGrants(database, endings, audit),
            tickets=PostgresTickets(database, audit),
            expiring=PostgresExpiringGrants(database, endings),
            logins=PostgresLogins(database, endings),
            outbox=outbox,
            siblings=PostgresDueChecks.siblings(database),
            unused=PostgresDueChecks.unused(database),
            spool=spool,
        )
