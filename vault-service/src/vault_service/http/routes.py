"""The vault's API, as `docs/api.md` describes it: consent, access tokens, and the owner's view of grants."""

from flask import Response, request
from msgspec import UNSET

import vault_service
from service_kit.http import inputs
from service_kit.http.app import authenticate, respond
from service_kit.http.openapi import Api, Link
from service_kit.process import logs
from service_kit.tokens.bearer import Claims
from vault_service.application.consent import ConsentOptions
from vault_service.domain.grant import Limits
from vault_service.http import callback, callers
from vault_service.http.batch import batched
from vault_service.http.export import MEDIA_TYPES, export
from vault_service.http.schemas import (
    AuditPage,
    AuditQuery,
    Batch,
    BatchWish,
    ConsentBegun,
    ConsentWish,
    ExportQuery,
    GrantList,
    GrantsQuery,
    GrantView,
    IssuedToken,
    Revoked,
    TokenQuery,
    audit_page,
    grant_view,
    issued_token,
)
from vault_service.http.vault import Vault

CONSENT_MESSAGE = "Open the consent URL and grant offline access."
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


def create_api(vault: Vault) -> Api:
    """The routes over a wired vault."""
    api = Api(
        "vault",
        "Offline token vault",
        vault_service.__version__,
        "/api/auth/manager",
        LINKS,
        words={(ConsentWish, "provider"): vault.providers},
    )
    _consent_routes(api, vault)
    _token_routes(api, vault)
    _owner_routes(api, vault)
    return api


def _consent_routes(api: Api, vault: Vault) -> None:
    @api.route(
        "POST",
        "/offline-consent",
        body=ConsentWish,
        body_required=False,
        answers={200: ConsentBegun},
        problems={403: ("forbidden",)},
    )
    def request_offline_consent() -> Response:
        """Ask for offline consent: a pending token, and the URL where its owner grants it.

        A browser client gets a cookie too, with which the browser has to come back.
        """
        claims = authenticate(vault.verifier)
        wish = inputs.optional_body(request, ConsentWish)
        started = vault.consent.request(_wish(vault, claims, wish))
        answer = ConsentBegun(
            consent_url=started.url,
            persistent_token_id=started.grant_id,
            expires_at=started.expires_at,
            message=CONSENT_MESSAGE,
        )
        if started.browser_secret is None:
            return respond(answer)
        return respond(answer, headers={"Set-Cookie": callback.binding_cookie(started, secure=vault.is_https)})

    @api.route("GET", "/offline-callback", answers={303: None}, public=True)
    def receive_offline_callback() -> Response:
        """Where the authorization server sends the browser back; redirects to the page."""
        return callback.receive(vault.consent)


def _token_routes(api: Api, vault: Vault) -> None:
    @api.route(
        "GET",
        "/access-token",
        query=TokenQuery,
        answers={200: IssuedToken},
        problems={
            400: ("invalid_scope",),
            403: ("service_not_allowed",),
            404: ("token_not_found",),
            409: (
                "consent_pending",
                "consent_denied",
                "consent_expired",
                "wrong_user",
                "provider_error",
                "reauthorization_required",
            ),
            410: ("token_revoked", "token_expired"),
            422: ("invalid_input", "min_valid_unattainable"),
            503: ("provider_unavailable", "audit_unavailable"),
        },
    )
    def issue_access_token() -> Response:
        """A fresh access token for a persistent token id.

        For a service with its own token and the role to mint, which names the owner in `subject`; or for the owner,
        through a client that is allowed for that.
        """
        claims = authenticate(vault.verifier)
        query = inputs.query(request, TokenQuery)
        need = callers.need(query, vault.policy, claims, logs.request_id.get() or "")
        return respond(issued_token(need.grant_id, vault.issue.issue(need), vault.now()))

    @api.route(
        "POST",
        "/access-tokens",
        body=BatchWish,
        answers={200: Batch},
        problems={403: ("service_not_allowed",), 422: ("invalid_input",)},
    )
    def issue_access_tokens() -> Response:
        """Fresh access tokens for many persistent token ids: for each a token or a problem, none spoils another.

        For a service with its own token and the role to mint; each id is asked for with its owner.
        """
        claims = authenticate(vault.verifier)
        wish = inputs.body(request, BatchWish)
        requesters = [vault.policy.requester(claims, wanted.subject) for wanted in wish.tokens]
        return respond(Batch(results=batched(vault, wish, requesters)))


def _owner_routes(api: Api, vault: Vault) -> None:
    missing = {403: ("forbidden",), 404: ("token_not_found",)}

    @api.route("GET", "/tokens", query=GrantsQuery, answers={200: GrantList}, problems={403: ("forbidden",)})
    def list_tokens() -> Response:
        """The caller's tokens, newest first."""
        owner = callers.person(authenticate(vault.verifier), vault.policy.mint_role)
        query = inputs.query(request, GrantsQuery)
        grants = vault.manage.of_owner(owner, query.task_id)
        return respond(GrantList(tokens=[grant_view(grant) for grant in grants]))

    @api.route("GET", "/tokens/<token_id>", answers={200: GrantView}, problems=missing)
    def get_token(token_id: str) -> Response:
        """One of the caller's tokens; another person's is not found."""
        owner = callers.person(authenticate(vault.verifier), vault.policy.mint_role)
        return respond(grant_view(vault.manage.find(callers.grant_id(token_id), owner)))

    @api.route("GET", "/tokens/<token_id>/audit", query=AuditQuery, answers={200: AuditPage}, problems=missing)
    def get_token_audit(token_id: str) -> Response:
        """What has happened to one of the caller's tokens, newest first; also after it was revoked."""
        owner = callers.person(authenticate(vault.verifier), vault.policy.mint_role)
        query = inputs.query(request, AuditQuery)
        lines = vault.manage.audit(callers.grant_id(token_id), owner, query.before, query.limit)
        return respond(audit_page(lines, query.limit))

    @api.route(
        "GET",
        "/tokens/<token_id>/audit/export",
        query=ExportQuery,
        answers={200: tuple(MEDIA_TYPES.values())},
        problems=missing,
    )
    def export_token_audit(token_id: str) -> Response:
        """All that has happened to one of the caller's tokens, oldest first, as a file."""
        owner = callers.person(authenticate(vault.verifier), vault.policy.mint_role)
        query = inputs.query(request, ExportQuery)
        grant_id = callers.grant_id(token_id)
        return export(vault.manage.whole_audit(grant_id, owner), query.format, f"audit-{grant_id}")

    @api.route(
        "POST",
        "/tokens/<token_id>/check",
        answers={200: GrantView},
        problems={
            **missing,
            409: (
                "consent_pending",
                "consent_denied",
                "consent_expired",
                "wrong_user",
                "provider_error",
                "reauthorization_required",
            ),
            410: ("token_revoked", "token_expired"),
            429: ("rate_limited",),
            503: ("provider_unavailable", "audit_unavailable"),
        },
    )
    def check_token(token_id: str) -> Response:
        """Ask the authorization server now whether a token works, also one that has failed; once a minute."""
        claims = authenticate(vault.verifier)
        owner = callers.person(claims, vault.policy.mint_role)
        request_id = logs.request_id.get() or ""
        return respond(grant_view(vault.manage.check(callers.grant_id(token_id), owner, claims.client, request_id)))

    @api.route("DELETE", "/tokens/<token_id>", answers={200: Revoked}, problems=missing)
    def revoke_token(token_id: str) -> Response:
        """End a token: here at once, at the authorization server as soon as it can be reached."""
        claims = authenticate(vault.verifier)
        owner = callers.person(claims, vault.policy.mint_role)
        grant_id = callers.grant_id(token_id)
        vault.manage.revoke(grant_id, owner, claims.client, logs.request_id.get() or "")
        return respond(Revoked(status="revoked", persistent_token_id=grant_id))


def _wish(vault: Vault, claims: Claims, wish: ConsentWish) -> ConsentOptions:
    owner = callers.person(claims, vault.policy.mint_role)
    if wish.not_after is not UNSET and wish.not_after <= vault.now():
        raise inputs.invalid("/notAfter", "is in the past")
    provider = vault.default_provider if wish.provider is UNSET else wish.provider
    if provider not in vault.providers:
        raise inputs.invalid("/provider", "is not a provider that this vault knows")
    allowed = vault.providers[provider].token_types
    if wish.token_type not in allowed:
        raise inputs.invalid("/tokenType", f"this provider allows {' and '.join(sorted(allowed))} only")
    return ConsentOptions(
        owner=owner,
        client=claims.client,
        request_id=logs.request_id.get() or "",
        browser_bound=claims.client in vault.policy.browser_clients,
        provider=provider,
        token_type=wish.token_type,
        task_id=None if wish.task_id is UNSET else wish.task_id,
        scopes=frozenset(wish.scopes),
        limits=Limits(
            services=vault.default_services if wish.services is UNSET else frozenset(wish.services),
            not_after=None if wish.not_after is UNSET else wish.not_after,
            max_uses=None if wish.max_uses is UNSET else wish.max_uses,
        ),
    )
