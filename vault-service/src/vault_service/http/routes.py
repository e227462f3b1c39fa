"""The vault's API (`docs/api.md`): consent, access tokens, and the owner's view of offline tokens."""

from flask import Response, request
from msgspec import UNSET

import vault_service
from service_kit.http import inputs, problems
from service_kit.http.app import authenticate, bearer_token, note_client, respond
from service_kit.http.openapi import Api, Link
from service_kit.process import logs
from service_kit.tokens.bearer import Claims
from vault_service.application.consent import ConsentOptions
from vault_service.application.errors import (
    CheckedTooOftenError,
    ConsentPendingError,
    GrantNotFoundError,
    GrantUnusableError,
    InvalidScopeError,
    MinValidUnattainableError,
    ProviderUnavailableError,
    RefusedTooOftenError,
    ScopeNotNarrowedError,
    ServiceNotAllowedError,
    StorageUnavailableError,
    TicketMisplacedError,
    TicketNotAllowedError,
    TicketRefusedError,
)
from vault_service.application.token_request import TokenRequest
from vault_service.domain.grant import Limits, Status
from vault_service.domain.ticket import is_ticket
from vault_service.http import callback, callers, oauth, ticket_routes
from vault_service.http.batch import batched
from vault_service.http.export import MEDIA_TYPES, export
from vault_service.http.problems import TABLE
from vault_service.http.schemas import (
    AuditPage,
    AuditQuery,
    ExportQuery,
    GrantList,
    GrantQuery,
    GrantsQuery,
    GrantView,
    IssuedToken,
    NewConsent,
    PendingConsent,
    Revoked,
    TokenBatch,
    TokenBatchRequest,
    TokenQuery,
    audit_page,
    grant_view,
    issued_token,
)
from vault_service.http.vault import Vault

CONSENT_MESSAGE = "Open the consent URL and grant offline access."
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
            ("get_token", "get_token_audit", "export_token_audit", "check_token", "revoke_token"),
        ),
        Link("persistentTokenId", "id", ("issue_access_token",)),
    )
}
REFUSED = (ConsentPendingError, GrantUnusableError, ProviderUnavailableError)
"""What a grant can answer with instead of an access token."""
OWNED = (problems.FORBIDDEN, GrantNotFoundError)
"""What every operation on one of the caller's own tokens can end with."""


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
    _consent_routes(api, vault)
    _token_routes(api, vault)
    _list_routes(api, vault)
    _owner_routes(api, vault)
    ticket_routes.add_routes(api, vault, TICKETS)
    oauth.add_routes(api, vault, TICKETS)
    return api


def _consent_routes(api: Api, vault: Vault) -> None:
    @api.route(
        "POST",
        "/offline-consent",
        tag=CONSENT,
        body=NewConsent,
        answers={200: PendingConsent},
        raises=(problems.FORBIDDEN, ProviderUnavailableError),
    )
    def request_offline_consent() -> Response:
        """Request offline consent.

        Creates a pending offline token and returns the URL at which its owner grants consent. When a browser's client
        calls, the answer sets a cookie too: the same browser has to come back with it.
        """
        claims = authenticate(vault.verifier)
        wanted = inputs.optional_body(request, NewConsent)
        started = vault.consent.request(_consent_options(vault, claims, wanted))
        answer = PendingConsent(
            consent_url=started.url,
            persistent_token_id=started.grant_id,
            expires_at=started.expires_at,
            message=CONSENT_MESSAGE,
        )
        if started.browser_secret is None:
            return respond(answer)
        return respond(answer, headers={"Set-Cookie": callback.binding_cookie(started, secure=vault.is_https)})

    @api.route(
        "GET", "/offline-callback", tag=CONSENT, answers={303: None}, raises=(TicketMisplacedError,), public=True
    )
    def receive_offline_callback() -> Response:
        """Receive the authorization server's answer.

        The authorization server sends the browser here. The answer redirects to the page, with the persistent token id
        or with the code of what went wrong.
        """
        return callback.receive(vault.consent)


def _token_routes(api: Api, vault: Vault) -> None:
    @api.route(
        "GET",
        "/access-token",
        tag=ACCESS_TOKENS,
        query=TokenQuery,
        answers={200: IssuedToken},
        raises=(
            InvalidScopeError,
            ServiceNotAllowedError,
            GrantNotFoundError,
            *REFUSED,
            MinValidUnattainableError,
            RefusedTooOftenError,
            ScopeNotNarrowedError,
            TicketRefusedError,
        ),
    )
    def issue_access_token() -> Response:
        """Get an access token.

        Returns a fresh access token for a persistent token id. The caller is a service with a token of its own and the
        role to mint, which names the owner in `subject`; or the owner, through a client that is allowed to; or whoever
        holds a ticket and sends it as the bearer token.
        """
        need = _token_request(vault)
        return respond(issued_token(need.grant_id, vault.issue.issue(need), vault.now()))

    @api.route(
        "POST",
        "/access-tokens",
        tag=ACCESS_TOKENS,
        body=TokenBatchRequest,
        answers={200: TokenBatch},
        raises=(ServiceNotAllowedError,),
    )
    def issue_access_tokens() -> Response:
        """Get many access tokens.

        Returns, for each persistent token id, an access token or the problem that a request for it alone would end
        with; one problem does not affect the others. The caller is a service with a token of its own and the role to
        mint, which names the owner of each id.
        """
        claims = authenticate(vault.verifier)
        wanted = inputs.body(request, TokenBatchRequest)
        requesters = [vault.policy.requester(claims, item.subject) for item in wanted.tokens]
        return respond(TokenBatch(results=batched(vault, wanted, requesters)))


def _list_routes(api: Api, vault: Vault) -> None:
    @api.route(
        "GET",
        "/tokens",
        tag=OFFLINE_TOKENS,
        query=GrantsQuery,
        answers={200: GrantList},
        raises=(problems.FORBIDDEN,),
    )
    def list_tokens() -> Response:
        """List the caller's offline tokens.

        The newest comes first.
        """
        owner = callers.person(authenticate(vault.verifier), vault.policy.mint_role)
        query = inputs.query(request, GrantsQuery)
        grants = vault.manage.of_owner(owner, query.task_id, query.wanted())
        return respond(GrantList(tokens=[grant_view(grant) for grant in grants]))

    @api.route(
        "GET",
        "/tokens/<token_id>/audit",
        tag=OFFLINE_TOKENS,
        query=AuditQuery,
        answers={200: AuditPage},
        raises=OWNED,
    )
    def get_token_audit(token_id: str) -> Response:
        """List an offline token's audit events.

        The newest comes first. The audit of a revoked token remains readable.
        """
        owner = callers.person(authenticate(vault.verifier), vault.policy.mint_role)
        query = inputs.query(request, AuditQuery)
        lines = vault.manage.audit(callers.grant_id(token_id), owner, query.before, query.limit)
        return respond(audit_page(lines, query.limit))

    @api.route(
        "GET",
        "/tokens/<token_id>/audit/export",
        tag=OFFLINE_TOKENS,
        query=ExportQuery,
        answers={200: tuple(MEDIA_TYPES.values())},
        raises=OWNED,
    )
    def export_token_audit(token_id: str) -> Response:
        """Export an offline token's audit events.

        The file contains all events, the oldest first.
        """
        owner = callers.person(authenticate(vault.verifier), vault.policy.mint_role)
        query = inputs.query(request, ExportQuery)
        grant_id = callers.grant_id(token_id)
        return export(vault.manage.whole_audit(grant_id, owner), query.format, f"audit-{grant_id}")


def _owner_routes(api: Api, vault: Vault) -> None:
    @api.route(
        "GET", "/tokens/<token_id>", tag=OFFLINE_TOKENS, query=GrantQuery, answers={200: GrantView}, raises=OWNED
    )
    def get_token(token_id: str) -> Response:
        """Get one of the caller's offline tokens.

        Another person's token is not found. With `wait` the answer about a `pending` token is held back until its owner
        has answered, but no longer than 25 seconds, and not at all while too many callers wait.
        """
        owner = callers.person(authenticate(vault.verifier), vault.policy.mint_role)
        wait, grant_id = inputs.query(request, GrantQuery).wait, callers.grant_id(token_id)
        grant = vault.waiters.wait(
            lambda: vault.manage.find(grant_id, owner), lambda seen: seen.status is not Status.PENDING, wait
        )
        return respond(grant_view(grant))

    @api.route(
        "POST",
        "/tokens/<token_id>/check",
        tag=OFFLINE_TOKENS,
        answers={200: GrantView},
        raises=(*OWNED, *REFUSED, CheckedTooOftenError),
    )
    def check_token(token_id: str) -> Response:
        """Check an offline token at the authorization server.

        Refreshes the token now. A failed token that works again becomes active. A token can be checked once a minute.
        """
        claims = authenticate(vault.verifier)
        owner = callers.person(claims, vault.policy.mint_role)
        request_id = logs.request_id.get() or ""
        return respond(grant_view(vault.manage.check(callers.grant_id(token_id), owner, claims.client, request_id)))

    @api.route("DELETE", "/tokens/<token_id>", tag=OFFLINE_TOKENS, answers={200: Revoked}, raises=OWNED)
    def revoke_token(token_id: str) -> Response:
        """Revoke an offline token.

        The vault stops issuing access tokens for it at once. The authorization server is told as soon as it can be
        reached.
        """
        claims = authenticate(vault.verifier)
        owner = callers.person(claims, vault.policy.mint_role)
        grant_id = callers.grant_id(token_id)
        vault.manage.revoke(grant_id, owner, claims.client, logs.request_id.get() or "")
        return respond(Revoked(status="revoked", persistent_token_id=grant_id))


def _token_request(vault: Vault) -> TokenRequest:
    presented, request_id = bearer_token(), logs.request_id.get() or ""
    if is_ticket(presented):
        ticket = vault.presented.open(presented)
        note_client(ticket.maker)
        return callers.ticket_request(inputs.query(request, TokenQuery), ticket, request_id)
    claims = authenticate(vault.verifier)
    return callers.token_request(inputs.query(request, TokenQuery), vault.policy, claims, request_id)


def _consent_options(vault: Vault, claims: Claims, wanted: NewConsent) -> ConsentOptions:
    owner = callers.person(claims, vault.policy.mint_role)
    if wanted.not_after is not UNSET and wanted.not_after <= vault.now():
        raise inputs.invalid("/notAfter", "is in the past")
    provider = vault.default_provider if wanted.provider is UNSET else wanted.provider
    if provider not in vault.providers:
        raise inputs.invalid("/provider", "is not a provider of this vault")
    allowed = vault.providers[provider].token_types
    if wanted.token_type not in allowed:
        raise inputs.invalid("/tokenType", f"must be {' or '.join(sorted(allowed))} with this provider")
    return ConsentOptions(
        owner=owner,
        client=claims.client,
        request_id=logs.request_id.get() or "",
        browser_bound=claims.client in vault.policy.browser_clients,
        provider=provider,
        token_type=wanted.token_type,
        task_id=None if wanted.task_id is UNSET else wanted.task_id,
        scopes=frozenset(wanted.scopes),
        limits=Limits(
            services=vault.default_services if wanted.services is UNSET else frozenset(wanted.services),
            not_after=None if wanted.not_after is UNSET else wanted.not_after,
            max_uses=None if wanted.max_uses is UNSET else wanted.max_uses,
        ),
    )
