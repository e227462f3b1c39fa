"""The vault's API (`docs/api.md`): its tags and links, and the modules that declare its routes."""

import vault_service
from service_kit.http.openapi import Api, Link
from vault_service.application.errors import StorageUnavailableError, TicketMisplacedError, TicketNotAllowedError
from vault_service.http import access_token_routes, consent_routes, grant_routes, logout_routes, oauth, ticket_routes
from vault_service.http.problems import TABLE
from vault_service.http.vault import Vault

TAGS = {
    "Consent": "A person grants offline access at the authorization server.",
    "Access tokens": "A service, or the owner, gets short-lived access tokens for a persistent token id.",
    "Tickets": "Credentials for one offline token each, for places that hold no other: `docs/tickets.md`.",
    "Offline tokens": "The owner sees, checks and revokes offline tokens. No answer contains a token.",
}
CONSENT, ACCESS_TOKENS, TICKETS, OFFLINE_TOKENS = TAGS
LINKS = {
    "request_offline_consent": (
        Link(
            "persistentTokenId",
            "token_id",
            ("get_token", "get_token_audit", "export_token_audit", "check_token", "rename_token", "revoke_token"),
        ),
        Link("persistentTokenId", "id", ("issue_access_token",)),
    )
}


def create_api(vault: Vault) -> Api:
    """The routes over a wired vault."""
    api = Api(
        "vault",
        "Offline token vault",
        vault_service.__version__,
        "/api/auth/manager",
        table=TABLE,
        raises=(StorageUnavailableError, TicketMisplacedError, TicketNotAllowedError),
        tags=TAGS,
        links=LINKS,
    )
    consent_routes.add_routes(api, vault, CONSENT)
    access_token_routes.add_routes(api, vault, ACCESS_TOKENS)
    grant_routes.add_routes(api, vault, OFFLINE_TOKENS)
    ticket_routes.add_routes(api, vault, TICKETS)
    oauth.add_routes(api, vault, TICKETS)
    logout_routes.add_routes(api, vault, OFFLINE_TOKENS)
    return api
