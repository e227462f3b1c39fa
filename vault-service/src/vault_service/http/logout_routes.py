"""The endpoint at which authorization servers report the end of a login (OpenID Connect Back-Channel Logout 1.0 section
2.5).
"""

from collections.abc import Mapping

from flask import Response

from service_kit.http import app as http
from service_kit.http.inputs import Output
from service_kit.http.openapi import Api
from service_kit.process import logs
from vault_service.application.errors import LogoutRefusedError, ProviderUnavailableError, TicketMisplacedError
from vault_service.http.oauth import LogoutForm, LogoutReceived, OAuthError, answering_errors, form_of
from vault_service.http.vault import Vault

log = logs.get(__name__)
_ANSWERS: Mapping[int, type[Output]] = {200: LogoutReceived, 400: OAuthError, 503: OAuthError}
_RAISES = (TicketMisplacedError, LogoutRefusedError)


def add_routes(api: Api, vault: Vault, tag: str) -> None:
    """Declare `POST /backchannel-logout`, for the default provider and for each by its name."""

    @api.route("POST", "/backchannel-logout", tag=tag, form=LogoutForm, answers=_ANSWERS, raises=_RAISES, public=True)
    @answering_errors
    def receive_logout() -> Response:
        """Receive a logout of the default authorization server.

        The authorization server calls. Offline tokens that end with the login end at once; others do if the logout
        token has the event `revoke_offline_access`. A logout token is accepted once.
        """
        return _received(vault, vault.default_provider)

    @api.route(
        "POST",
        "/backchannel-logout/<provider>",
        tag=tag,
        form=LogoutForm,
        answers=_ANSWERS,
        raises=_RAISES,
        public=True,
    )
    @answering_errors
    def receive_logout_of_provider(provider: str) -> Response:
        """Receive a logout of another authorization server.

        As above, at the address that ends with the provider's name.
        """
        return _received(vault, provider)


def _received(vault: Vault, provider: str) -> Response:
    token = form_of(LogoutForm).logout_token
    try:
        ended = vault.logouts.receive(provider, token, logs.request_id.get() or "")
    except (LogoutRefusedError, ProviderUnavailableError) as error:
        log.warning("logout.refused", provider=provider if provider in vault.providers else None, reason=str(error))
        raise
    log.info("logout.received", provider=provider, grants=ended)
    return http.respond(LogoutReceived())
