"""The only place that wires adapters to use cases. Nothing connects here: pools and clients open on first use."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from service_kit.postgres.database import Database
from service_kit.process import logs
from service_kit.tokens.bearer import Claims, Verifier
from service_kit.tokens.dpop import ProofChecker, ProofsInMemory
from service_kit.tokens.issuer import Issuer, IssuerUnavailableError
from vault_service.adapters.cache.access_tokens import connect_redis
from vault_service.adapters.cache.proofs import ProofsInRedis
from vault_service.adapters.encryption.keyring import Keyring
from vault_service.adapters.jobs.background import Background, every
from vault_service.adapters.postgres.database import MIGRATIONS, vault_database
from vault_service.application.ask import AskConsent
from vault_service.application.authorization_request import AuthorizationRequests
from vault_service.application.consent import OfflineConsent
from vault_service.application.errors import StorageUnavailableError
from vault_service.application.issue import IssueMany
from vault_service.application.logout import ReceiveLogouts
from vault_service.application.manage import ManageGrants
from vault_service.application.redemption import Redemption
from vault_service.application.refusals import RecordRefusals
from vault_service.application.tickets import ManageTickets
from vault_service.bootstrap.access import AccessParts, report_redis
from vault_service.bootstrap.background import BackgroundWork
from vault_service.bootstrap.foundation import Foundation
from vault_service.bootstrap.grants import GrantStores
from vault_service.bootstrap.providers import ProviderSet, login_issuer
from vault_service.config import VaultSettings
from vault_service.http.callback import callback_path
from vault_service.http.callers import CallerPolicy
from vault_service.http.export import Exports
from vault_service.http.vault import Vault
from vault_service.http.waiting import Waiters

MEASURE_SECONDS = 15.0

log = logs.get(__name__)


@dataclass(frozen=True)
class WiredVault:
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


def build(settings: VaultSettings) -> WiredVault:
    """Wire one process of the vault."""
    base = Foundation.of(settings)
    issuer = login_issuer(settings)
    providers = ProviderSet.of(settings, issuer, partial(_callback, settings), base.telemetry, base.clock.seconds)
    stores = GrantStores.of(settings, base.database, base.locks, base.sealer, base.audit)
    access = AccessParts.of(base, stores, providers)
    measure = every(MEASURE_SECONDS, partial(_measure_caches, access, base))
    work = BackgroundWork.of(base, stores, providers.guarded, access.checks, [measure])
    vault = _vault(base, issuer, stores, providers, access, work.housekeeping.wake)
    return WiredVault(vault, work.threads, (base.database, base.lock_database))


def _vault(
    base: Foundation,
    issuer: Issuer,
    stores: GrantStores,
    providers: ProviderSet,
    access: AccessParts,
    wake: Callable[[], None],
) -> Vault:
    """Wire the use cases that routes call. wake: has the housekeeping run now."""
    settings, clock, telemetry = base.settings, base.clock, base.telemetry
    policy = _policy(settings)
    asking, consent = _consents(base, stores, providers, access)
    return Vault(
        verifier=_verifier(settings, issuer, clock.seconds, policy),
        policy=policy,
        asking=asking,
        consent=consent,
        issue=access.issue,
        issue_many=IssueMany(access.issue),
        refusals=RecordRefusals(stores.owned, base.audit, clock, telemetry),
        manage=ManageGrants(stores.owned, stores.refreshes, base.audit, access.refresher, clock, wake),
        logouts=ReceiveLogouts(providers.logout_tokens, stores.logins, clock, wake),
        presented=access.presented,
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
        needed=_needed_pings(base, providers),
        useful={"redis": access.shared.ping, **providers.useful_pings()},
    )


def _consents(
    base: Foundation, stores: GrantStores, providers: ProviderSet, access: AccessParts
) -> tuple[AskConsent, OfflineConsent]:
    """Wire the consents that services ask for, and those that owners give."""
    terms, clock = providers.terms, base.clock
    requests = AuthorizationRequests(providers.guarded, terms)
    redemption = Redemption(stores.consents, access.shared, providers.guarded, terms, clock)
    life = timedelta(seconds=base.settings.question_life)
    return (
        AskConsent(stores.consents, requests, terms, clock, life),
        OfflineConsent(stores.consents, requests, redemption, providers.guarded, terms, clock),
    )


def _policy(settings: VaultSettings) -> CallerPolicy:
    return CallerPolicy(
        settings.browser_clients,
        settings.owner_clients,
        settings.mint_role,
        settings.consent_role,
        settings.public_mints == "yes",
    )


def _needed_pings(base: Foundation, providers: ProviderSet) -> dict[str, Callable[[], None]]:
    """The checks without which the vault is not ready, by name."""
    return {
        "database": base.database.ping,
        "keys": base.keyring.load,
        "schema": partial(MIGRATIONS.check, base.database),
        **providers.needed_pings(base.settings.providers.default),
    }


def _verifier(settings: VaultSettings, issuer: Issuer, clock: Callable[[], float], policy: CallerPolicy) -> Verifier:
    """Verifies access tokens, and proofs for the URLs at which the vault is reached."""

    def must_be_bound(claims: Claims) -> bool:
        return settings.require_dpop and policy.is_service(claims)

    own = ProofsInMemory()
    redis_url = settings.redis_url
    seen = own if redis_url is None else ProofsInRedis(connect_redis(redis_url.reveal()), own, report_redis)
    proofs = ProofChecker((settings.public_url, *settings.internal_urls), seen, clock)
    return Verifier(issuer, settings.audience, clock=clock, proofs=proofs, must_be_bound=must_be_bound)


def _callback(settings: VaultSettings, provider: str) -> str:
    """A provider's redirect URI."""
    return settings.public_url + callback_path(provider, settings.providers.default)


def _measure_caches(access: AccessParts, base: Foundation) -> None:
    base.telemetry.remembered(len(access.memory))
    base.telemetry.entries("terms", len(access.terms))
    base.telemetry.entries("tickets", len(access.presented))
    access.shared.measure()
