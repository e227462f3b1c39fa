"""The vault's API (`docs/api.md`): consent, access tokens, and the owner's view of offline tokens."""

from flask import Response, request

import vault_service
from service_kit.http import inputs, problems
from service_kit.http.app import authenticate, bearer_token, demand_no_proof, is_public, note_client, respond
from service_kit.http.openapi import Api, Link
from service_kit.process import logs
from vault_service.application.errors import (
    CheckedTooOftenError,
    ConsentPendingError,
    GrantNotFoundError,
    GrantUnusableError,
    InvalidScopeError,
    MinValidUnattainableError,
    ProviderUnavailableError,
    PublicMintRefusedError,
    RefusedTooOftenError,
    ScopeNotNarrowedError,
    ServiceNotAllowedError,
    StorageUnavailableError,
    TicketMisplacedError,
    TicketNotAllowedError,
    TicketRefusedError,
    VaultServiceError,
)
from vault_service.application.ports.manage import GrantFilter
from vault_service.application.token_request import TokenRequest
from vault_service.domain.grant import Status
from vault_service.domain.grant_page import GrantPosition
from vault_service.domain.ticket import is_ticket
from vault_service.http import callers, consent_routes, logout_routes, oauth, ticket_routes
from vault_service.http.audit_schemas import AuditPage, AuditQuery, ExportQuery, audit_page
from vault_service.http.batch import batched
from vault_service.http.export import MEDIA_TYPES
from vault_service.http.problems import TABLE
from vault_service.http.schemas import EndQuery, GrantList, GrantQuery, GrantsQuery, GrantView, NewName, Revoked
from vault_service.http.token_schemas import IssuedToken, TokenBatch, TokenBatchRequest, TokenQuery, issued_token
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
    consent_routes.add_routes(api, vault, CONSENT)
    _token_routes(api, vault)
    _list_routes(api, vault)
    _owner_routes(api, vault)
    ticket_routes.add_routes(api, vault, TICKETS)
    oauth.add_routes(api, vault, TICKETS)
    logout_routes.add_routes(api, vault, OFFLINE_TOKENS)
    return api


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
            PublicMintRefusedError,
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
        try:
            token = vault.issue.issue(need)
        except (GrantNotFoundError, ServiceNotAllowedError) as error:
            if not need.requester.is_owner:
                by = need.requester
                vault.refusals.note(by.client, need.grant_id, by.owner, need.request_id, error)
            raise
        return respond(issued_token(need.grant_id, token, vault.now()))

    @api.route(
        "POST",
        "/access-tokens",
        tag=ACCESS_TOKENS,
        body=TokenBatchRequest,
        answers={200: TokenBatch},
        raises=(ServiceNotAllowedError, PublicMintRefusedError),
    )
    def issue_access_tokens() -> Response:
        """Get many access tokens.

        Returns, for each persistent token id, an access token or the problem that a request for it alone would end
        with; one problem does not affect the others. The caller is a service with a token of its own and the role to
        mint, which names the owner of each id.
        """
        claims = authenticate(vault.verifier)
        wanted = inputs.body(request, TokenBatchRequest)
        try:
            requesters = [vault.policy.requester(claims, item.subject, is_public=is_public()) for item in wanted.tokens]
        except VaultServiceError as error:
            callers.refused(vault.refusals, claims, wanted.tokens[0].id, wanted.tokens[0].subject, error)
            raise
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

        Active ones come first, then pending, failed and ended ones, each newest first. While the answer has `next`,
        there are more: a token that is not on a page has not failed. A service names the owner, and gets the tokens
        that it may use.
        """
        claims, query = authenticate(vault.verifier), inputs.query(request, GrantsQuery)
        owner, service = vault.policy.reader(claims, query.subject)
        wanted = GrantFilter(query.task_id, query.wanted(), service, query.name)
        page, following = vault.manage.of_owner(owner, wanted, _position(query.after), query.limit)
        more = None if following is None else str(following)
        return respond(GrantList(tokens=[vault.view(grant, service) for grant in page], next=more))

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
        owner = vault.policy.person(authenticate(vault.verifier))
        query = inputs.query(request, AuditQuery)
        lines = vault.manage.audit(callers.grant_id(token_id), owner, query.before, query.limit)
        return respond(audit_page(lines, query.limit))

    @api.route(
        "GET",
        "/tokens/<token_id>/audit/export",
        tag=OFFLINE_TOKENS,
        query=ExportQuery,
        answers={200: tuple(MEDIA_TYPES.values())},
        raises=(*OWNED, problems.RATE_LIMITED),
    )
    def export_token_audit(token_id: str) -> Response:
        """Export an offline token's audit events.

        The file contains all events, the oldest first. While many exports are being sent, the answer is 429.
        """
        owner = vault.policy.person(authenticate(vault.verifier))
        query = inputs.query(request, ExportQuery)
        grant_id = callers.grant_id(token_id)
        return vault.exports.answer(vault.manage.whole_audit(grant_id, owner), query.format, f"audit-{grant_id}")


def _owner_routes(api: Api, vault: Vault) -> None:
    @api.route(
        "GET", "/tokens/<token_id>", tag=OFFLINE_TOKENS, query=GrantQuery, answers={200: GrantView}, raises=OWNED
    )
    def get_token(token_id: str) -> Response:
        """Get one of the caller's offline tokens.

        Another person's token is not found. A service names the owner of a token that it may use. With `wait` the
        answer about a `pending` token is held back until its owner has answered, but no longer than 25 seconds, and not
        at all while too many callers wait.
        """
        claims, query = authenticate(vault.verifier), inputs.query(request, GrantQuery)
        owner, service = vault.policy.reader(claims, query.subject)
        grant_id = callers.grant_id(token_id)
        grant = vault.waiters.wait(
            lambda: vault.manage.find(grant_id, owner, service),
            lambda seen: seen.status is not Status.PENDING,
            query.wait,
        )
        return respond(vault.view(grant, service))

    @api.route(
        "POST",
        "/tokens/<token_id>/rename",
        tag=OFFLINE_TOKENS,
        body=NewName,
        answers={200: GrantView},
        raises=OWNED,
    )
    def rename_token(token_id: str) -> Response:
        """Rename an offline token.

        The name is for its owner and for the services that may use it.
        """
        claims = authenticate(vault.verifier)
        owner, grant_id = vault.policy.person(claims), callers.grant_id(token_id)
        name = inputs.body(request, NewName).name
        return respond(
            vault.view(vault.manage.rename(grant_id, owner, name, claims.client, logs.request_id.get() or ""))
        )

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
        owner = vault.policy.person(claims)
        request_id = logs.request_id.get() or ""
        return respond(vault.view(vault.manage.check(callers.grant_id(token_id), owner, claims.client, request_id)))

    @api.route(
        "DELETE",
        "/tokens/<token_id>",
        tag=OFFLINE_TOKENS,
        query=EndQuery,
        answers={200: Revoked},
        raises=(*OWNED, ServiceNotAllowedError),
    )
    def revoke_token(token_id: str) -> Response:
        """Revoke an offline token.

        The vault stops issuing access tokens for it at once. The authorization server is told as soon as it can be
        reached. A service names the owner of a token that it may use; one that other services may use too is ended by
        its owner only.
        """
        claims, query = authenticate(vault.verifier), inputs.query(request, EndQuery)
        owner, service = vault.policy.ender(claims, query.subject, is_public=is_public())
        grant_id = callers.grant_id(token_id)
        try:
            vault.manage.revoke(grant_id, owner, claims.client, logs.request_id.get() or "", service)
        except VaultServiceError as error:
            callers.refused(vault.refusals, claims, token_id, query.subject, error)
            raise
        return respond(Revoked(status="revoked", persistent_token_id=grant_id))


def _position(text: str | None) -> GrantPosition | None:
    """Problem: 422 `invalid_input` for text that no answer has given."""
    try:
        return None if text is None else GrantPosition.parse(text)
    except ValueError:
        raise inputs.invalid("/after", "is not the `next` of a page") from None


def _token_request(vault: Vault) -> TokenRequest:
    presented, request_id = bearer_token(), logs.request_id.get() or ""
    if is_ticket(presented):
        demand_no_proof()
        ticket = vault.presented.open(presented)
        note_client(ticket.maker)
        return callers.ticket_request(inputs.query(request, TokenQuery), ticket, request_id)
    claims = authenticate(vault.verifier)
    query = inputs.query(request, TokenQuery)
    try:
        return callers.token_request(query, vault.policy, claims, request_id, is_public=is_public())
    except VaultServiceError as error:
        callers.refused(vault.refusals, claims, query.id, query.subject, error)
        raise
