"""The logout endpoint: OpenID Connect RP-Initiated Logout 1.0, and Keycloak's logout with a refresh token."""

from typing import Any

from authlib.common.urls import add_params_to_uri
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidGrantError
from flask import Blueprint, make_response, redirect, request
from werkzeug.wrappers import Response

from dev_idp import errors
from dev_idp.endpoints import OIDC
from dev_idp.endpoints.answers import refusal
from dev_idp.pages import SORRY, Pages
from dev_idp.realm import uri_matches
from dev_idp.server import OAuthServer

_METHODS = ("client_secret_basic", "client_secret_post", "none")


def blueprint(server: OAuthServer, pages: Pages) -> Blueprint:
    """The endpoint, below the realm's address."""
    routes = Blueprint("logout", __name__)
    routes.register_error_handler(OAuth2Error, refusal)
    state = server.state

    @routes.route(f"{OIDC}/logout", methods=["GET", "POST"])
    def log_out() -> Any:
        if request.method == "POST" and "refresh_token" in request.form:
            return _by_refresh_token(server)
        hint = _hint(server, request.values.get("id_token_hint", ""))
        client_id = hint.get("azp") or request.values.get("client_id", "")
        target = request.values.get("post_logout_redirect_uri")
        if target and not _is_registered(server, client_id, target):
            return pages.show("message.html", 400, title=SORRY, message="Invalid redirect uri")
        login = state.logins.of_browser(pages.login_cookie())
        if not hint and request.method == "GET" and login:
            return pages.show("logout.html", title="Do you want to log out?")
        if not hint and request.method == "POST":
            pages.demand_own_form()
        for sid in {login.sid if login else None, hint.get("sid")} - {None}:
            state.grants.log_out(str(sid))
        response = _goodbye(pages, target)
        pages.forget_login(response)
        return response

    return routes


def _by_refresh_token(server: OAuthServer) -> Response:
    """Ends the grant, and for an online grant the login too. Raises OAuth2Error."""
    client = server.authenticate_client(server.create_oauth2_request(None), _METHODS)
    token = request.form["refresh_token"]
    claims = server.state.keys.read_secret(token)
    if claims is None or not server.state.grants.revoke(token, client.client_id):
        raise InvalidGrantError(errors.REFRESH_INVALID)
    if claims["typ"] == "Refresh":
        server.state.grants.log_out(claims["sid"])
    return make_response("", 204)


def _hint(server: OAuthServer, id_token: str) -> dict[str, Any]:
    """The claims of an ID token of this server, expired or not (section 2); empty for other tokens."""
    claims = server.state.keys.read(id_token) or {}
    return claims if claims.get("typ") == "ID" and claims.get("iss") == server.state.tokens.issuer else {}


def _is_registered(server: OAuthServer, client_id: str, target: str) -> bool:
    client = server.state.realm.clients.get(client_id)
    return client is not None and uri_matches(target, client.post_logout_uris)


def _goodbye(pages: Pages, target: str | None) -> Response:
    if not target:
        return pages.show("message.html", title="You are logged out", message="You can close this page.")
    state = request.values.get("state")
    return redirect(add_params_to_uri(target, [("state", state)]) if state else target)
