"""The routes of a consent: its request, the authorization server's answer, and the owner's confirmation."""

from flask import Response, request
from msgspec import UNSET

from service_kit.http import inputs, problems
from service_kit.http.app import authenticate, respond
from service_kit.http.openapi import Api
from service_kit.process import logs
from service_kit.tokens.bearer import Claims
from vault_service.application.consent import Confirmation, ConsentOptions
from vault_service.application.errors import (
    ConfirmationRefusedError,
    GrantNotFoundError,
    GrantUnusableError,
    ProviderUnavailableError,
    TicketMisplacedError,
)
from vault_service.domain.grant import Limits
from vault_service.http import callback, callers
from vault_service.http.schemas import ConfirmedConsent, NewConfirmation, NewConsent, PendingConsent
from vault_service.http.vault import Vault

CONSENT_MESSAGE = "Open the consent URL and grant offline access."


def add_routes(api: Api, vault: Vault, tag: str) -> None:
    """Declare them."""
    _request_route(api, vault, tag)
    _callback_routes(api, vault, tag)
    _confirmation_route(api, vault, tag)


def _request_route(api: Api, vault: Vault, tag: str) -> None:
    @api.route(
        "POST",
        "/offline-consent",
        tag=tag,
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
        return respond(answer, headers={"Set-Cookie": callback.binding_cookie(started, is_https=vault.is_https)})


def _callback_routes(api: Api, vault: Vault, tag: str) -> None:
    @api.route("GET", "/offline-callback", tag=tag, answers={303: None}, raises=(TicketMisplacedError,), public=True)
    def receive_offline_callback() -> Response:
        """Receive the default authorization server's answer.

        The authorization server sends the browser here. The answer redirects to the page, with the persistent token id
        or with the code of what went wrong.
        """
        return callback.receive(vault.consent, vault.default_provider, is_https=vault.is_https)

    @api.route(
        "GET",
        "/offline-callback/<provider>",
        tag=tag,
        answers={303: None},
        raises=(TicketMisplacedError,),
        public=True,
    )
    def receive_offline_callback_of_provider(provider: str) -> Response:
        """Receive another authorization server's answer.

        Each provider but the default one has a redirect URI that ends with its name. The answer redirects to the page:
        its owner has to confirm an account at another issuer than the login's.
        """
        named = "" if provider == vault.default_provider else provider
        return callback.receive(vault.consent, named, is_https=vault.is_https)


def _confirmation_route(api: Api, vault: Vault, tag: str) -> None:
    @api.route(
        "POST",
        "/offline-consent/<token_id>/confirm",
        tag=tag,
        body=NewConfirmation,
        answers={200: ConfirmedConsent},
        raises=(
            problems.FORBIDDEN,
            GrantNotFoundError,
            ConfirmationRefusedError,
            GrantUnusableError,
            ProviderUnavailableError,
        ),
    )
    def confirm_offline_consent(token_id: str) -> Response:
        """Confirm an account at another authorization server.

        The vault redeems the authorization server's code only now. The caller is the person who requested the consent,
        in the browser that came back from the authorization server.
        """
        claims = authenticate(vault.verifier)
        owner = callers.person(claims, vault.policy.mint_role)
        confirmation = Confirmation(
            grant_id=callers.grant_id(token_id),
            owner=owner,
            secret=inputs.body(request, NewConfirmation).secret,
            client=claims.client,
            request_id=logs.request_id.get() or "",
        )
        granted = vault.consent.confirm(confirmation)
        location = callback.granted_page(str(granted.grant_id), granted.task_id)
        return respond(ConfirmedConsent(persistent_token_id=granted.grant_id, location=location))


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
