"""One process of the vault, wired for a test, and helpers with which tests use it."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from scripted_provider import ScriptedProvider

from service_kit.postgres.clock import DatabaseClock
from service_kit.postgres.database import BY_INDEX, Database
from vault_service.adapters.audit.log import AuditLog
from vault_service.adapters.cache.access_tokens import MemoryAccessTokens, NoSharedAccessTokens
from vault_service.adapters.encryption.keyring import Keyring
from vault_service.adapters.encryption.root_key import LocalRootKey
from vault_service.adapters.encryption.sealing import Sealer
from vault_service.adapters.grants.consents import PostgresConsents
from vault_service.adapters.grants.due_checks import PostgresDueChecks
from vault_service.adapters.grants.endings import Endings, PostgresExpiringGrants
from vault_service.adapters.grants.outbox import Outbox
from vault_service.adapters.grants.owned_grants import PostgresOwnedGrants
from vault_service.adapters.grants.refreshes import PostgresRefreshes
from vault_service.adapters.grants.spool import Spool
from vault_service.adapters.grants.tickets import PostgresTickets
from vault_service.adapters.grants.uses import Uses
from vault_service.adapters.metrics.telemetry import PrometheusTelemetry
from vault_service.adapters.postgres.database import vault_database
from vault_service.adapters.postgres.locks import AdvisoryLocks
from vault_service.application.ask import AskConsent
from vault_service.application.authorization_request import AuthorizationRequests
from vault_service.application.bounded import Bounded
from vault_service.application.check_due import CheckDue
from vault_service.application.consent import Callback, Confirmation, ConsentKept, ConsentOptions, OfflineConsent
from vault_service.application.deliver import DeliverRevocations
from vault_service.application.expire import ExpireGrants
from vault_service.application.issue import IssueAccessToken
from vault_service.application.manage import ManageGrants
from vault_service.application.ports.runtime import SharedAccessTokens
from vault_service.application.redemption import Redemption
from vault_service.application.refresh import Refresher
from vault_service.application.tickets import ManageTickets, PresentedTickets
from vault_service.application.token_request import TokenRequest
from vault_service.domain.audit import Event
from vault_service.domain.grant import AccessToken, Limits, Subject, TokenType
from vault_service.domain.grant_terms import RequestedTerms
from vault_service.domain.terms import Terms
from vault_service.domain.usability import Requester

ALICE = Subject("https://issuer.example/realms/demo", "alice-sub")
CORP = Subject("https://corp.example", "a.archer")
"""Alice's account at the provider `corp`."""
SERVICE = Requester("task-service", is_owner=False, owner=ALICE)
ROOT_KEY = bytes(range(32))
THREADS = 16
REFUSED_BUDGET = 3
TICKETS_PER_GRANT = 5
ASSUMED_IDLE = 90 * 86_400


@dataclass
class Replica:
    """One process of the vault. Several can share a database."""

    databases: tuple[Database, Database]
    keyring: Keyring
    refreshes: PostgresRefreshes
    consents: PostgresConsents
    consent: OfflineConsent
    asking: AskConsent
    issuing: IssueAccessToken
    manage: ManageGrants
    tickets: ManageTickets
    presented: PresentedTickets
    expire: ExpireGrants
    deliver: DeliverRevocations
    siblings: CheckDue
    unused: CheckDue
    provider: ScriptedProvider
    uses: Uses

    def close(self) -> None:
        """Close its connections."""
        self.uses.close()
        for database in self.databases:
            database.close()

    def grant(self, **limits: object) -> UUID:
        """The id of an active grant of Alice."""
        started = self.consent.request(wish(**limits))
        self.consent.complete(answer(started.state, self.provider))
        return started.grant_id

    def confirm(self, kept: object, owner: Subject = ALICE, **changes: str) -> None:
        """Confirm the answer that a callback has kept, as its owner."""
        assert isinstance(kept, ConsentKept)
        given = {"secret": kept.secret, "client": "task-ui", "request_id": "request-3", **changes}
        self.consent.confirm(Confirmation(grant_id=kept.grant_id, owner=owner, **given))

    def issue(
        self,
        grant_id: UUID,
        requester: Requester = SERVICE,
        *,
        scopes: frozenset[str] = frozenset(),
        min_valid: float = 0.0,
    ) -> AccessToken:
        """Request an access token."""
        return self.issuing.issue(
            TokenRequest(
                grant_id=grant_id, requester=requester, scopes=scopes, min_valid=min_valid, request_id="request-1"
            )
        )


def wish(**limits: object) -> ConsentOptions:
    """Alice's consent options."""
    return ConsentOptions(
        owner=ALICE,
        client="task-ui",
        request_id="request-0",
        browser_bound=False,
        provider="default",
        token_type=TokenType.OFFLINE,
        task_ids=("task-1",),
        scopes=frozenset(),
        limits=Limits(services=frozenset({"task-service"}), **limits),  # type: ignore[arg-type]
    )


def answer(state: str, server: ScriptedProvider, /, **changes: str | None) -> Callback:
    """The parameters of the callback after a consent."""
    given: dict[str, str | None] = {"code": "code", "error": None, "unverified_issuer": server.issuer}
    given |= {"browser_secret": None, "provider": "default", **changes}
    return Callback(unverified_state=state, request_id="request-2", **given)  # type: ignore[arg-type]


def create(
    database_url: str,
    provider: ScriptedProvider,
    shared: SharedAccessTokens | None = None,
    terms: Mapping[str, Terms] | None = None,
    remembered: int = 100,
) -> Replica:
    """A process on a database. shared: the cache that it shares with others, none if not given; terms: by the names of
    providers, all of which are one server to talk to; just `default` if not given; remembered: how many tokens it keeps
    in memory.
    """
    database = vault_database(database_url, name="test", size=40, options=BY_INDEX)
    lock_database = vault_database(database_url, name="test-locks", size=40, options=BY_INDEX)
    clock = DatabaseClock(database)
    keyring = Keyring(database, LocalRootKey(ROOT_KEY))
    sealer = Sealer(keyring)
    audit = AuditLog(database, keyring)
    providers = dict.fromkeys(terms or ("default",), provider)
    outbox = Outbox(database, sealer, audit)
    endings = Endings(sealer, audit, outbox)
    uses = Uses(database_url, database, audit)
    spool = Spool(Path(tempfile.mkdtemp()))
    locks = AdvisoryLocks(lock_database)
    refreshes = PostgresRefreshes(database, sealer, audit, outbox, spool, locks, REFUSED_BUDGET, ASSUMED_IDLE)
    consents = PostgresConsents(database, sealer, audit, outbox, ASSUMED_IDLE)
    cache = shared or NoSharedAccessTokens()
    telemetry = PrometheusTelemetry()
    memory = MemoryAccessTokens(sealer, remembered, clock.now, telemetry)
    owned, stored_tickets = PostgresOwnedGrants(database, endings, audit), PostgresTickets(database, audit)
    presented = PresentedTickets(stored_tickets, clock, telemetry)
    known: Bounded[UUID, RequestedTerms] = Bounded(1_000, lambda: None)
    terms = terms or {"default": Terms(issuer=provider.issuer)}
    refresher = Refresher(refreshes, locks, (memory, cache), providers, terms, clock, telemetry, THREADS)
    requests = AuthorizationRequests(providers, terms)
    return Replica(
        databases=(database, lock_database),
        keyring=keyring,
        refreshes=refreshes,
        consents=consents,
        consent=OfflineConsent(
            consents, requests, Redemption(consents, cache, providers, terms, clock), providers, terms, clock
        ),
        asking=AskConsent(consents, requests, terms, clock, timedelta(hours=1)),
        issuing=IssueAccessToken(
            refreshes, uses, presented, (memory, cache, known), refresher, clock, telemetry, lambda _: None
        ),
        tickets=ManageTickets(stored_tickets, refreshes, owned, clock, telemetry, TICKETS_PER_GRANT),
        presented=presented,
        manage=ManageGrants(owned, refreshes, audit, refresher, clock, lambda: None),
        expire=ExpireGrants(PostgresExpiringGrants(database, endings), clock, days=90),
        deliver=DeliverRevocations(outbox, providers, clock),
        siblings=CheckDue(Event.GRANT_CHECKED, PostgresDueChecks.siblings(database), refresher, audit, clock),
        unused=CheckDue(Event.GRANT_KEEP_ALIVE, PostgresDueChecks.unused(database), refresher, audit, clock),
        provider=provider,
        uses=uses,
    )
