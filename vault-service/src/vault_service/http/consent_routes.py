"""The routes of a consent: its request, by a person or a service, and the answers of owner and authorization server."""

from datetime import datetime
from uuid import UUID

from flask import Response, request

from service_kit.http import inputs, problems
from service_kit.http.app import authenticate, respond
from service_kit.http.openapi import Api
from service_kit.process import logs
from vault_service.application.consent import Confirmation, ConsentStarted
from vault_service.application.errors import (
    ConfirmationRefusedError,
    ConsentNotOpenError,
    GrantNotFoundError,
    GrantUnusableError,
    ProviderUnavailableError,
    TicketMisplacedError,
    TooManyConsentsError,
    TooManyPendingConsentsError,
)
from vault_service.http import callback, callers
from vault_service.http.consent_options import own_options, question_options
from vault_service.http.schemas import ConfirmedConsent, DeclinedConsent, NewConfirmation, NewConsent, PendingConsent
from vault_service.http.vault import Vault

QUESTION_PAGE = "/consent"
CONSENT_MESSAGE = "Open the consent URL and grant offline access."


def add_routes(api: Api, vault: Vault, tag: str) -> None:
    """Declare them."""
    _request_route(api, vault, tag)
    _answer_routes(api, vault, tag)
    _callback_routes(api, vault, tag)
    _confirmation_route(api, vault, tag)


def _request_route(api: Api, vault: Vault, tag: str) -> None:
    @api.route(
        "POST",
        "/offline-consent",
        tag=tag,
        body=NewConsent,
        answers={200: PendingConsent},
        raises=(
            problems.FORBIDDEN,
            ProviderUnavailableError,
            TooManyConsentsError,
            TooManyPendingConsentsError,
        ),
    )
    def request_offline_consent() -> Response:
        """Request offline consent.

        Creates a pending offline token and returns the URL at which its owner grants consent. When a browser's client
        calls, the answer sets a cookie too: the same browser has to come back with it. A service with the role to ask
        names the person; the URL is then of our page, where the person sees who asks and for what.
        """
        claims = authenticate(vault.verifier)
        wanted = inputs.optional_body(request, NewConsent)
        if vault.policy.consent_role in claims.roles:
            question = vault.asking.ask(question_options(vault, claims, wanted))
            url = f"{vault.public_url}{QUESTION_PAGE}/{question.grant_id}"
            return respond(_pending(url, question.grant_id, question.expires_at))
        return _started(vault, vault.consent.request(own_options(vault, claims, wanted)))


def _answer_routes(api: Api, vault: Vault, tag: str) -> None:
    asked = (problems.FORBIDDEN, GrantNotFoundError, ConsentNotOpenError)

    @api.route(
        "POST",
        "/offline-consent/<token_id>/begin",
        tag=tag,
        answers={200: PendingConsent},
        raises=(*asked, ProviderUnavailableError),
    )
    def begin_offline_consent(token_id: str) -> Response:
        """Accept a service's question about consent.

        Returns the URL at the authorization server where the owner grants consent, as if the owner had requested it.
        """
        claims = authenticate(vault.verifier)
        owner, is_browser = vault.policy.person(claims), claims.client in vault.policy.browser_clients
        return _started(vault, vault.asking.begin(callers.grant_id(token_id), owner, browser_bound=is_browser))

    @api.route("POST", "/offline-consent/<token_id>/decline", tag=tag, answers={200: DeclinedConsent}, raises=asked)
    def decline_offline_consent(token_id: str) -> Response:
        """Decline a service's question about consent.

        The service is told by the address to which the browser returns, and by the token's status.
        """
        claims = authenticate(vault.verifier)
        owner, grant_id = vault.policy.person(claims), callers.grant_id(token_id)
        back = vault.asking.decline(grant_id, owner, claims.client, logs.request_id.get() or "")
        return respond(DeclinedConsent(persistent_token_id=grant_id, location=callback.declined_location(vault, back)))


def _pending(url: str, grant_id: UUID, expires_at: datetime) -> PendingConsent:
    return PendingConsent(consent_url=url, persistent_token_id=grant_id, expires_at=expires_at, message=CONSENT_MESSAGE)


def _started(vault: Vault, started: ConsentStarted) -> Response:
    answer = _pending(started.url, started.grant_id, started.expires_at)
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
        return callback.receive(vault, vault.default_provider)

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
        return callback.receive(vault, named)


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
        owner = vault.policy.person(claims)
        confirmation = Confirmation(
            grant_id=callers.grant_id(token_id),
            owner=owner,
            secret=inputs.body(request, NewConfirmation).secret,
            client=claims.client,
            request_id=logs.request_id.get() or "",
        )
        granted = vault.consent.confirm(confirmation)
        location = callback.granted_location(vault, granted)
        return respond(ConfirmedConsent(persistent_token_id=granted.grant_id, location=location))
