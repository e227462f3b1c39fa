"""The authorization endpoint (RFC 6749 section 3.1, OpenID Connect Core 1.0 section 3.1.2): login, consent, code.

The query has the whole request; the forms of the pages are posted to the same address. Answers have
`iss` (RFC 9207), including refusals.
"""

from dataclasses import dataclass
from typing import Any

from authlib.common.urls import add_params_to_uri
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import AccessDeniedError, InvalidRequestError, UnsupportedResponseTypeError
from authlib.oidc.core.errors import InteractionRequiredError, LoginRequiredError
from flask import Blueprint, request
from werkzeug.wrappers import Response

from dev_idp.clients import Client
from dev_idp.endpoints import OIDC
from dev_idp.endpoints.sign_in import SignIn, decision, prompts
from dev_idp.errors import RequestRefusedError
from dev_idp.logins import LoginSession
from dev_idp.pages import SORRY, Pages
from dev_idp.realm import SCOPE_TITLES, User
from dev_idp.server import OAuthServer


def blueprint(server: OAuthServer, pages: Pages) -> Blueprint:
    """The endpoint, below the realm's address."""
    routes = Blueprint("authorize", __name__)
    endpoint = _Authorize(server, pages, SignIn(server, pages))
    routes.add_url_rule(f"{OIDC}/auth", view_func=endpoint.answer, methods=["GET", "POST"], endpoint="auth")
    routes.register_error_handler(OAuth2Error, endpoint.refuse)
    return routes


@dataclass(frozen=True, slots=True)
class _Authorize:
    server: OAuthServer
    pages: Pages
    sign_in: SignIn

    def answer(self) -> Response:
        """The next step: a page, or the redirect to the client. Raises OAuth2Error."""
        client = self._client()
        grant = self.server.get_consent_grant()
        if request.method == "POST":
            self.pages.demand_own_form()
            if "password" in request.form:
                return self.sign_in.answer_form()
        known = self.sign_in.who()
        if known is None or self._must_log_in_again(known[0]):
            return self._ask_for_login()
        login, user = known
        if disabled := self.sign_in.ask_if_disabled(user):
            return disabled
        page = self._ask_for_consent(client, user)
        if page is not None:
            return page
        self.server.state.logins.touch(login.sid)
        response = self.server.create_authorization_response(grant=grant, grant_user=login)
        return self._name_issuer(response, session_state=grant.sid)

    def refuse(self, error: OAuth2Error) -> Any:
        """Refuse by a redirect to the client, or by a page if the client or its redirect URI is not known."""
        if not error.redirect_uri:
            return self.pages.show("message.html", 400, title=SORRY, message=error.description or error.error)
        error.state = request.args.get("state")
        return self._name_issuer(self.server.handle_error_response(None, error))

    def _client(self) -> Client:
        client: Client | None = self.server.query_client(request.args.get("client_id", ""))
        if client is None:
            raise RequestRefusedError("Client not found.")
        redirect_uri = request.args.get("redirect_uri", "")
        if not client.check_redirect_uri(redirect_uri):
            raise RequestRefusedError("Invalid parameter: redirect_uri")
        if "response_type" not in request.args:
            raise InvalidRequestError("Missing parameter: response_type", redirect_uri=redirect_uri)
        if request.args["response_type"] != "code":
            raise UnsupportedResponseTypeError(None, redirect_uri=redirect_uri)
        return client

    def _must_log_in_again(self, login: LoginSession) -> bool:
        max_age = request.args.get("max_age", "")
        too_old = max_age.isdecimal() and login.auth_time + int(max_age) < self.server.state.now()
        return too_old or ("login" in prompts() and not decision())

    def _ask_for_login(self) -> Response:
        if "none" in prompts():
            raise LoginRequiredError(**_back())
        return self.sign_in.ask()

    def _ask_for_consent(self, client: Client, user: User) -> Response | None:
        """The consent page, or None if every scope is consented to.

        Raises AccessDeniedError and InteractionRequiredError.
        """
        if not client.record.consent_required:
            return None
        logins = self.server.state.logins
        wanted = set(client.get_allowed_scope(request.args.get("scope")).split())
        if decision() == "cancel":
            raise AccessDeniedError("", **_back())
        if decision() == "accept":
            logins.consent(user.id, client.client_id, wanted)
            return None
        if wanted <= logins.consented(user.id, client.client_id) and "consent" not in prompts():
            return None
        if "none" in prompts():
            raise InteractionRequiredError(**_back())  # Keycloak does not say consent_required
        titles = [title for name, title in SCOPE_TITLES.items() if name in wanted]
        title = f"Grant access to {client.record.name}"
        return self.pages.show("consent.html", title=title, user=user, scopes=titles)

    def _name_issuer(self, response: Response, **more: str) -> Response:
        if response.location:
            more |= {"iss": self.server.state.tokens.issuer}
            response.location = add_params_to_uri(response.location, list(more.items()))
        response.headers["Cache-Control"] = "no-store"
        return response


def _back() -> dict[str, str]:
    return {"redirect_uri": request.args["redirect_uri"]}
