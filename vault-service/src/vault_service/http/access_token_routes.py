"""Access tokens for services, for owners, and for the holders of tickets."""

from flask import Response, request

from service_kit.http import inputs
from service_kit.http.app import authenticate, bearer_token, demand_no_proof, is_public, note_client, respond
from service_kit.http.openapi import Api
from service_kit.process import logs
from vault_service.application.errors import (
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
    TicketRefusedError,
    VaultServiceError,
)
from vault_service.application.token_request import TokenRequest
from vault_service.domain.ticket import is_ticket
from vault_service.http import callers
from vault_service.http.batch import batched
from vault_service.http.token_schemas import IssuedToken, TokenBatch, TokenBatchRequest, TokenQuery, issued_token
from vault_service.http.vault import Vault


def add_routes(api: Api, vault: Vault, tag: str) -> None:
    """Declare the routes."""
    _one(api, vault, tag)
    _many(api, vault, tag)


def _one(api: Api, vault: Vault, tag: str) -> None:
    @api.route(
        "GET",
        "/access-token",
        tag=tag,
        query=TokenQuery,
        answers={200: IssuedToken},
        raises=(
            InvalidScopeError,
            ServiceNotAllowedError,
            PublicMintRefusedError,
            GrantNotFoundError,
            ConsentPendingError,
            GrantUnusableError,
            ProviderUnavailableError,
            MinValidUnattainableError,
            RefusedTooOftenError,
            ScopeNotNarrowedError,
            TicketRefusedError,
        ),
    )
    def issue_access_token() -> Response:
        """Get an access token.

        Returns a fresh access token for a persistent token id. The caller is a service with a token of its own and the
        role to mint, which names the owner in `subject`; or the owner, through a client that is allowed to; or the
        holder of a ticket, who sends it as the bearer token.
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


def _many(api: Api, vault: Vault, tag: str) -> None:
    @api.route(
        "POST",
        "/access-tokens",
        tag=tag,
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
