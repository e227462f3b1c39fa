"""The API for programs: token, revocation, introspection, userinfo, keys and discovery."""

from collections.abc import Callable
from typing import Any

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidRequestError
from flask import Blueprint, Response, g, request

from dev_idp import dpop
from dev_idp.dpop import ProvenRequest
from dev_idp.endpoints import OIDC
from dev_idp.endpoints.answers import as_json, refusal
from dev_idp.errors import ProofRefusedError, UnknownFlowError
from dev_idp.flows import AuthorizationCode, ClientCredentialsFlow, DeviceCode, Password, RefreshTokenFlow
from dev_idp.realm import SCOPE_TITLES
from dev_idp.server import OAuthServer
from dev_idp.tokens import profile

GRANT_TYPES = tuple(
    flow.GRANT_TYPE for flow in (AuthorizationCode, RefreshTokenFlow, Password, ClientCredentialsFlow, DeviceCode)
)


def blueprint(server: OAuthServer) -> Blueprint:
    """The endpoints, below the realm's address."""
    routes = Blueprint("api", __name__)
    state = server.state

    routes.register_error_handler(OAuth2Error, refusal)

    @routes.post(f"{OIDC}/token")
    def token() -> Any:
        if any(len(values) > 1 for values in request.form.listvalues()):
            raise InvalidRequestError("duplicated parameter")
        if "grant_type" not in request.form:
            raise InvalidRequestError("Missing form parameter: grant_type")
        if request.form["grant_type"] not in GRANT_TYPES:
            raise UnknownFlowError
        g.dpop_key = server.proofs.thumbprint(request.headers.getlist("DPoP"), _proven(server, "token"))
        return server.create_token_response()

    @routes.post(f"{OIDC}/revoke")
    def revoke() -> Any:
        return server.create_endpoint_response("revocation")

    @routes.post(f"{OIDC}/token/introspect")
    def introspect() -> Any:
        return server.create_endpoint_response("introspection")

    @routes.route(f"{OIDC}/userinfo", methods=["GET", "POST"])
    def userinfo() -> Response:
        return _userinfo(server)

    _add_public_documents(routes, lambda: state.keys.jwks, lambda: _discovery(state.tokens.issuer))
    return routes


def _proven(server: OAuthServer, endpoint: str, token: str = "") -> ProvenRequest:
    """The request as a DPoP proof may name it: by the issuer's address, or by the address that was called."""
    urls = (f"{server.state.tokens.issuer}{OIDC}/{endpoint}", request.base_url)
    return ProvenRequest(request.method, urls, token)


def _userinfo(server: OAuthServer) -> Response:
    """OpenID Connect Core 1.0 section 5.3; errors by RFC 6750 section 3."""
    state = server.state
    scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() not in {"bearer", "dpop"} or not bearer:
        return _challenge(state.realm.name, 401)
    claims = state.verify(bearer)
    key = (claims or {}).get("cnf", {}).get("jkt", "")
    if key:
        proven_key = server.proofs.thumbprint(request.headers.getlist("DPoP"), _proven(server, "userinfo", bearer))
        if scheme.lower() != "dpop" or proven_key != key:
            raise ProofRefusedError("it does not prove the key of the token")
    user = state.realm.user(claims["sub"]) if claims else None
    if claims is None or user is None:
        return _challenge(state.realm.name, 401, "invalid_token", "Token verification failed")
    if "openid" not in claims.get("scope", "").split():
        return _challenge(state.realm.name, 403, "insufficient_scope", "Missing openid scope")
    return as_json(profile(user, claims["scope"]))


def _add_public_documents(
    routes: Blueprint, keys: Callable[[], dict[str, Any]], discovery: Callable[[], dict[str, Any]]
) -> None:
    routes.add_url_rule(f"{OIDC}/certs", "certs", lambda: as_json(keys()))
    routes.add_url_rule("/.well-known/openid-configuration", "discovery", lambda: as_json(discovery()))


def _challenge(realm: str, status: int, error: str = "", description: str = "") -> Response:
    """RFC 6750 section 3: no body, and no error when no token was sent."""
    challenge = f'Bearer realm="{realm}"'
    if error:
        challenge += f', error="{error}", error_description="{description}"'
    return Response(status=status, headers={"WWW-Authenticate": challenge, "Cache-Control": "no-store"})


def _discovery(issuer: str) -> dict[str, Any]:
    """OpenID Connect Discovery 1.0 section 3."""
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}{OIDC}/auth",
        "token_endpoint": f"{issuer}{OIDC}/token",
        "device_authorization_endpoint": f"{issuer}{OIDC}/auth/device",
        "jwks_uri": f"{issuer}{OIDC}/certs",
        "userinfo_endpoint": f"{issuer}{OIDC}/userinfo",
        "revocation_endpoint": f"{issuer}{OIDC}/revoke",
        "introspection_endpoint": f"{issuer}{OIDC}/token/introspect",
        "end_session_endpoint": f"{issuer}{OIDC}/logout",
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": list(GRANT_TYPES),
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": ["openid", *SCOPE_TITLES],
        "prompt_values_supported": ["none", "login", "consent"],
        "code_challenge_methods_supported": ["S256"],
        "dpop_signing_alg_values_supported": dpop.ALGORITHMS,
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "authorization_response_iss_parameter_supported": True,
    }
