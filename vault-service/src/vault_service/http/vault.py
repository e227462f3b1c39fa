"""The wired vault as the routes need it: use cases, and the rules of the HTTP edge."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from service_kit.http.health import Pings
from service_kit.tokens.bearer import Verifier
from vault_service.application.ask import AskConsent
from vault_service.application.consent import OfflineConsent
from vault_service.application.issue import IssueAccessToken, IssueMany
from vault_service.application.logout import ReceiveLogouts
from vault_service.application.manage import ManageGrants
from vault_service.application.refusals import RecordRefusals
from vault_service.application.tickets import ManageTickets, PresentedTickets
from vault_service.domain.grant import DefaultLimits, Grant
from vault_service.domain.service import KnownService
from vault_service.domain.terms import Terms
from vault_service.http.callers import CallerPolicy
from vault_service.http.export import Exports
from vault_service.http.schemas import GrantView, grant_view
from vault_service.http.waiting import Waiters


@dataclass(frozen=True)
class Vault:
    """A wired vault.

    ticket_max_life: seconds; public_url: at which browsers reach the gateway; needed, useful: pings by name, see
    `service_kit.http.health`.
    """

    verifier: Verifier
    policy: CallerPolicy
    consent: OfflineConsent
    asking: AskConsent
    issue: IssueAccessToken
    issue_many: IssueMany
    refusals: RecordRefusals
    manage: ManageGrants
    logouts: ReceiveLogouts
    presented: PresentedTickets
    tickets: ManageTickets
    ticket_max_life: int
    waiters: Waiters
    exports: Exports
    now: Callable[[], datetime]
    providers: Mapping[str, Terms]
    default_provider: str
    default_services: frozenset[str]
    default_limits: DefaultLimits
    services: Mapping[str, KnownService]
    public_url: str
    is_https: bool
    needed: Pings
    useful: Pings

    def view(self, grant: Grant, service: str | None = None) -> GrantView:
        """The wire form of a grant. service: one that looks; it sees no other services, and no account."""
        names = {client: settings.name for client, settings in self.services.items()}
        if service is not None:
            limits = replace(grant.limits, services=frozenset({service}))
            grant = replace(grant, limits=limits, account=grant.owner)
        return grant_view(grant, names)
