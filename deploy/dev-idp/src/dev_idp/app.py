"""The application: Keycloak's addresses over the realm."""

import hashlib
import hmac
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749.errors import AccessDeniedError, InvalidGrantError
from authlib.oidc.core.errors import ConsentRequiredError, LoginRequiredError
from flask import Blueprint, Flask, Response, abort, g, jsonify, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from dev_idp.grants import Grants, userinfo
from dev_idp.realm import SCOPE_TITLES, Realm, User, uri_matches
from dev_idp.server import create_server
from dev_idp.sessions import Sessions
from dev_idp.store import Store, now
from dev_idp.tokens import Tokens

LOGIN_COOKIE = "DEV_IDP_SESSION"
CSRF_COOKIE = "DEV_IDP_CSRF"
OIDC = "/protocol/openid-connect"
_CSP = "default-src 'none'; style-src 'nonce-{nonce}'; frame-ancestors 'none'; base-uri 'none'"


def create_app(realm: Realm, state_dir: Path, origin: str) -> Flask:
    """The server of one realm. origin: scheme, host and port under which it is reached."""
    app = Flask(__name__)
    store = Store(state_dir / "idp.sqlite")
    tokens = Tokens(store, realm, f"{origin}/realms/{realm.name}")
    state = Grants(realm, store, tokens, Sessions(store, tokens))
    app.extensions["dev_idp"] = state
    pages = Blueprint("realm", __name__, url_prefix=f"/realms/{realm.name}")
    _interactive(pages, state, create_server(app, state))
    _back_channel(pages, state)
    app.register_blueprint(pages)
    app.get("/health/ready")(lambda: {"status": "UP"})
    return app


def _interactive(pages: Blueprint, state: Grants, server: Any) -> None:
    @pages.before_request
    def know_the_login() -> None:
        cookie = request.cookies.get(LOGIN_COOKIE, "")
        g.sso = state.store.one("select * from sso_sessions where cookie = ? and expires_at > ?", _hash(cookie), now())

    @pages.errorhandler(OAuth2Error)
    def refuse(error: OAuth2Error) -> Any:
        if getattr(error, "redirect_uri", None):
            return _with_issuer(server.handle_error_response(None, error), state)
        if request.path.endswith("/auth"):
            return _page("error.html", state, 400, title="We are sorry…", message=error.description or error.error)
        return _json({"error": error.error, "error_description": error.description}, error.status_code)

    @pages.route(f"{OIDC}/auth", methods=["GET", "POST"])
    def authorize() -> AnyResponse:
        if request.method == "POST":
            _check_csrf()
        grant = server.get_consent_grant(end_user=g.sso and state.realm.user(g.sso["user_id"]))
        if "password" in request.form:
            return _log_in(state)
        prompts = request.args.get("prompt", "").split()
        answered = "accept" in request.form or "cancel" in request.form
        if not g.sso or ("login" in prompts and not answered and not _just_logged_in()):
            if "none" in prompts:
                raise LoginRequiredError(**_back())
            return _page("login.html", state, title="Sign in to your account")
        user = state.realm.user(g.sso["user_id"])
        if user is None or not state.sessions.is_enabled(user):
            return _page("login.html", state, title="Sign in to your account", error="Account is disabled.")
        page = _consent(state, grant.client, user, prompts)
        return page or _with_issuer(server.create_authorization_response(grant=grant, grant_user=user), state)

    @pages.post(f"{OIDC}/token")
    def token() -> Any:
        return server.create_token_response()

    @pages.post(f"{OIDC}/revoke")
    def revoke() -> Any:
        return server.create_endpoint_response("revocation")

    @pages.post(f"{OIDC}/token/introspect")
    def introspect() -> Any:
        return server.create_endpoint_response("introspection")


def _consent(state: Grants, client: Any, user: User, prompts: list[str]) -> AnyResponse | None:
    """The consent page, or None when nothing is left to ask."""
    wanted = set(client.get_allowed_scope(request.args.get("scope")).split())
    row = state.store.one("select scopes from consents where user_id = ? and client_id = ?", user.id, client.client_id)
    given = set(row["scopes"].split()) if row else set()
    if "cancel" in request.form:
        raise AccessDeniedError(**_back())
    if "accept" in request.form:
        scopes = " ".join(sorted(given | wanted))
        state.store.run("insert or replace into consents values (?, ?, ?)", user.id, client.client_id, scopes)
        return None
    if not client.record.consent_required or (wanted <= given and "consent" not in prompts):
        return None
    if "none" in prompts:
        raise ConsentRequiredError(**_back())
    titles = [title for name, title in SCOPE_TITLES.items() if name in wanted]
    return _page(
        "consent.html",
        state,
        title=f"Grant access to {client.record.name}",
        client=client.record.name,
        user=user,
        scopes=titles,
    )


def _log_in(state: Grants) -> AnyResponse:
    user = state.authenticate(request.form.get("username", ""), request.form.get("password", ""))
    if user is None:
        return _page("login.html", state, title="Sign in to your account", error="Invalid username or password.")
    cookie = secrets.token_urlsafe(32)
    lifetime = state.realm.lifetimes.sso_max
    state.store.run(
        "insert into sso_sessions values (?, ?, ?, ?, ?)",
        *(secrets.token_hex(16), _hash(cookie), user.id, now(), now() + lifetime),
    )
    response = redirect(request.full_path, 303)
    response.set_cookie(
        LOGIN_COOKIE, cookie, max_age=lifetime, httponly=True, samesite="Lax", path=f"/realms/{state.realm.name}"
    )
    return response


def _just_logged_in() -> bool:
    return bool(g.sso) and g.sso["auth_time"] >= now() - 5


def _back_channel(pages: Blueprint, state: Grants) -> None:
    @pages.get("/.well-known/openid-configuration")
    def discovery() -> Response:
        return _json(_discovery(state.tokens.issuer))

    @pages.get(f"{OIDC}/certs")
    def certs() -> Response:
        return _json(state.tokens.jwks())

    @pages.route(f"{OIDC}/userinfo", methods=["GET", "POST"])
    def show_userinfo() -> Response:
        claims = state.tokens.read_access_token(request.headers.get("Authorization", "").removeprefix("Bearer "))
        user = claims and state.realm.user(claims["sub"])
        if not claims or not user:
            response = _json({"error": "invalid_token", "error_description": "Token verification failed"}, 401)
            response.headers["WWW-Authenticate"] = f'Bearer realm="{state.realm.name}", error="invalid_token"'
            return response
        return _json(userinfo(user, claims["scope"]))

    @pages.route(f"{OIDC}/logout", methods=["GET", "POST"])
    def log_out() -> AnyResponse:
        if request.method == "POST" and "refresh_token" in request.form:
            return _log_out_by_token(state)
        target = request.values.get("post_logout_redirect_uri")
        hint = _unexpired_hint(state, request.values.get("id_token_hint", ""))
        client = state.realm.clients.get(hint or request.values.get("client_id", ""))
        if target and (client is None or not uri_matches(target, client.post_logout_uris)):
            return _page("error.html", state, 400, title="We are sorry…", message="Invalid redirect uri")
        if g.sso and not hint and request.method == "GET":
            return _page("logout.html", state, title="Do you want to log out?")
        if request.method == "POST" and not hint:
            _check_csrf()
        if g.sso:
            state.sessions.end_login(g.sso["sid"])
        if not target:
            return _page("error.html", state, title="You are logged out", message="You can close this page.")
        given = request.values.get("state")
        return redirect(f"{target}{'&' if '?' in target else '?'}{urlencode({'state': given})}" if given else target)

    @pages.after_request
    def allow_browsers(response: AnyResponse) -> AnyResponse:
        """CORS for the pages of public clients (Keycloak's web origins)."""
        origin = request.headers.get("Origin")
        known = {o for client in state.realm.clients.values() for o in client.web_origins}
        if origin in known and request.path.rsplit("/", 1)[-1] not in {"auth", "logout"}:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type"
            response.headers["Access-Control-Allow-Methods"] = "GET, POST, OPTIONS"
            response.headers["Vary"] = "Origin"
        return response


def _log_out_by_token(state: Grants) -> AnyResponse:
    """Keycloak's back-channel logout with a refresh token."""
    claims = state.tokens.read_refresh_token(request.form["refresh_token"])
    if claims is None or claims["azp"] != request.form.get("client_id"):
        raise InvalidGrantError("Invalid refresh token")
    state.sessions.end(claims["sid"])
    return make_response("", 204)


def _unexpired_hint(state: Grants, id_token: str) -> str | None:
    """The client of an ID token hint; expired ones count too (OpenID Connect RP-Initiated Logout 1.0 section 4)."""
    claims = state.tokens.read_id_token(id_token)
    return str(claims["azp"]) if claims else None


def _page(template: str, state: Grants, status: int = 200, **values: Any) -> AnyResponse:
    csrf = request.cookies.get(CSRF_COOKIE) or secrets.token_urlsafe(24)
    nonce = secrets.token_urlsafe(16)
    response = make_response(render_template(template, csrf=csrf, nonce=nonce, **values), status)
    response.set_cookie(CSRF_COOKIE, csrf, httponly=True, samesite="Lax", path=f"/realms/{state.realm.name}")
    response.headers.update(
        {
            "Cache-Control": "no-store",
            "Content-Security-Policy": _CSP.format(nonce=nonce),
            "X-Frame-Options": "DENY",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
        }
    )
    return response


def _check_csrf() -> None:
    if not hmac.compare_digest(request.form.get("csrf", ""), request.cookies.get(CSRF_COOKIE) or "-"):
        abort(403)


def _back() -> dict[str, Any]:
    return {"redirect_uri": request.args.get("redirect_uri"), "state": request.args.get("state")}


def _with_issuer(response: AnyResponse, state: Grants) -> AnyResponse:
    """RFC 9207: the answer names its issuer, errors too."""
    location = response.headers.get("Location")
    if location:
        separator = "&" if "?" in location else "?"
        response.headers["Location"] = f"{location}{separator}{urlencode({'iss': state.tokens.issuer})}"
    return response


def _json(body: dict[str, Any], status: int = 200) -> Response:
    response = jsonify(body)
    response.status_code = status
    response.headers["Cache-Control"] = "no-store"
    return response


def _hash(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()


def _discovery(issuer: str) -> dict[str, Any]:
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}{OIDC}/auth",
        "token_endpoint": f"{issuer}{OIDC}/token",
        "jwks_uri": f"{issuer}{OIDC}/certs",
        "userinfo_endpoint": f"{issuer}{OIDC}/userinfo",
        "revocation_endpoint": f"{issuer}{OIDC}/revoke",
        "introspection_endpoint": f"{issuer}{OIDC}/token/introspect",
        "end_session_endpoint": f"{issuer}{OIDC}/logout",
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token", "password", "client_credentials"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": ["openid", *SCOPE_TITLES],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "authorization_response_iss_parameter_supported": True,
    }
