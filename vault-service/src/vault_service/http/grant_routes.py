"""Offline tokens, as owners list, check, rename and revoke them, and their audit."""

from flask import Response, request

from service_kit.http import inputs, problems
from service_kit.http.app import authenticate, is_public, respond
from service_kit.http.openapi import Api
from service_kit.process import logs
from vault_service.application.errors import (
    CheckedTooOftenError,
    ConsentPendingError,
    GrantNotFoundError,
    GrantUnusableError,
    ProviderUnavailableError,
    ServiceNotAllowedError,
    VaultServiceError,
)
from vault_service.application.ports.manage import GrantFilter
from vault_service.domain.grant import Status
from vault_service.domain.grant_page import GrantPosition
from vault_service.http import callers
from vault_service.http.audit_schemas import AuditPage, AuditQuery, ExportQuery, audit_page
from vault_service.http.export import MEDIA_TYPES
from vault_service.http.schemas import EndQuery, GrantList, GrantQuery, GrantsQuery, GrantView, NewName, Revoked
from vault_service.http.vault import Vault

OWNED = (problems.FORBIDDEN, GrantNotFoundError)
"""Problems of every operation on one of the caller's own tokens."""


def add_routes(api: Api, vault: Vault, tag: str) -> None:
    """Declare the routes."""
    _listing(api, vault, tag)
    _audit(api, vault, tag)
    _single(api, vault, tag)
    _changes(api, vault, tag)
    _revocation(api, vault, tag)


def _listing(api: Api, vault: Vault, tag: str) -> None:
    @api.route(
        "GET",
        "/tokens",
        tag=tag,
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


def _audit(api: Api, vault: Vault, tag: str) -> None:
    @api.route(
        "GET",
        "/tokens/<token_id>/audit",
        tag=tag,
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
        tag=tag,
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


def _single(api: Api, vault: Vault, tag: str) -> None:
    @api.route("GET", "/tokens/<token_id>", tag=tag, query=GrantQuery, answers={200: GrantView}, raises=OWNED)
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


def _changes(api: Api, vault: Vault, tag: str) -> None:
    @api.route(
        "POST",
        "/tokens/<token_id>/rename",
        tag=tag,
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
        tag=tag,
        answers={200: GrantView},
        raises=(*OWNED, ConsentPendingError, GrantUnusableError, ProviderUnavailableError, CheckedTooOftenError),
    )
    def check_token(token_id: str) -> Response:
        """Check an offline token at the authorization server.

        Refreshes the token now. A failed token that works again becomes active. A token can be checked once a minute.
        """
        claims = authenticate(vault.verifier)
        owner = vault.policy.person(claims)
        request_id = logs.request_id.get() or ""
        return respond(vault.view(vault.manage.check(callers.grant_id(token_id), owner, claims.client, request_id)))


def _revocation(api: Api, vault: Vault, tag: str) -> None:
    @api.route(
        "DELETE",
        "/tokens/<token_id>",
        tag=tag,
        query=EndQuery,
        answers={200: Revoked},
        raises=(*OWNED, ServiceNotAllowedError),
    )
    def revoke_token(token_id: str) -> Response:
        """Revoke an offline token.

        The vault stops issuing access tokens for it at once. The authorization server is told as soon as it can be
        reached. A service names the owner of a token that it may use. A token that other services may use too can be
        ended by its owner only.
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
