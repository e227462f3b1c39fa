"""Authlib's authorization server for this realm: client authentication, token answers, RFC 7009 and RFC 7662."""

from dataclasses import dataclass
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidClientError, InvalidRequestError
from authlib.oauth2.rfc6749.util import extract_basic_authorization
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from flask import Flask, g

from dev_idp.clients import Client
from dev_idp.dpop import Proofs
from dev_idp.errors import (
    IN_KEYCLOAKS_WORDS,
    AskerRefusedError,
    ClientNotAllowedError,
    ClientRefusedError,
    ProofRefusedError,
    RevocationNotAllowedError,
    UnknownClientError,
)
from dev_idp.flows import AuthorizationCode, ClientCredentialsFlow, DeviceCode, Password, Pkce, RefreshTokenFlow
from dev_idp.realm import User
from dev_idp.state import State
from dev_idp.tokens import IssuedGrant


class OAuthServer(AuthorizationServer):  # type: ignore[misc]  # Authlib has no types
    """The authorization server of one realm."""

    def __init__(self, app: Flask, state: State) -> None:
        super().__init__(app)
        self.state = state
        self.proofs = Proofs(state.now)
        self.register_grant(AuthorizationCode, [Pkce(required=True)])
        for flow in (RefreshTokenFlow, Password, ClientCredentialsFlow, DeviceCode):
            self.register_grant(flow)
        for endpoint in (_Revocation, _Introspection):
            self.register_endpoint(endpoint)

    def query_client(self, client_id: str) -> Client | None:
        """A client of the realm, with its current secret."""
        record = self.state.realm.clients.get(client_id)
        row = self.state.store.one("client_secret", client_id=client_id)
        return Client(record, row["secret"] if row else record.secret) if record else None

    def authenticate_client(self, request: Any, methods: Any, endpoint: str = "token") -> Any:
        """Raises UnknownClientError, also when header and body name different ones, or ClientRefusedError."""
        in_header, in_body = extract_basic_authorization(request.headers)[0], request.form.get("client_id")
        if in_header and in_body and in_header != in_body:
            raise UnknownClientError
        try:
            return super().authenticate_client(request, methods, endpoint)
        except InvalidClientError as error:
            named = in_header or in_body or ""
            raise ClientRefusedError if self.query_client(named) else UnknownClientError from error

    def handle_error_response(self, request: Any, error: OAuth2Error) -> Any:
        """Replace Authlib's texts with Keycloak's."""
        error.description = IN_KEYCLOAKS_WORDS.get(error.description, error.description)
        return super().handle_error_response(request, error)

    def save_token(self, token: dict[str, Any], request: Any) -> None:
        """Nothing to do: the flow has stored the token."""

    def answer(
        self,
        client: Client,
        user: User,
        grant: IssuedGrant,
        refresh_token: str,
        *,
        asked: str | None = None,
        nonce: str = "",
    ) -> dict[str, Any]:
        """Keycloak's token answer for a person's grant. asked: the scopes to which the access token is narrowed.

        The answer's `scope` still names all scopes of the grant; only the claim of the access token is narrowed.
        """
        state = self.state
        scope = client.record.narrowed_scopes(grant.scope, asked)
        access_token = state.tokens.access_token(client.record, user, scope, grant, self.key(client))
        answer = {
            **self._common(access_token),
            "refresh_expires_in": state.grants.refresh_lifetime(grant),
            "refresh_token": refresh_token,
            "session_state": grant.sid,
            "scope": grant.scope,
        }
        if "openid" in scope.split():
            answer["id_token"] = state.tokens.id_token(client.record, user, grant, access_token, nonce)
        return answer

    def answer_client(self, client: Client, asked: str | None) -> dict[str, Any]:
        """Keycloak's token answer for a client's service account. Raises ClientRefusedError if it has none."""
        account = self.state.realm.service_account(client.client_id)
        if account is None:
            raise ClientRefusedError
        scope = client.get_allowed_scope(asked)
        access_token = self.state.tokens.access_token(client.record, account, scope, None, self.key(client))
        return {**self._common(access_token), "refresh_expires_in": 0, "scope": scope}

    def key(self, client: Client) -> str:
        """The thumbprint of the key that this request's tokens are bound to, or empty. Raises ProofRefusedError."""
        key: str = g.get("dpop_key", "")
        if client.record.dpop_required and not key:
            raise ProofRefusedError("it is missing")
        return key

    def _common(self, access_token: str) -> dict[str, Any]:
        return {
            "access_token": access_token,
            "token_type": "DPoP" if g.get("dpop_key") else "Bearer",
            "expires_in": self.state.realm.lifetimes.access_token,
            "not-before-policy": self.state.logins.not_before(),
        }


@dataclass(frozen=True, slots=True)
class _Found:
    """A token that a request names."""

    text: str
    claims: dict[str, Any]

    def is_expired(self) -> bool:
        """Expired tokens are not found."""
        return False

    def is_revoked(self) -> bool:
        """Revoked tokens are not found."""
        return False


class _Revocation(RevocationEndpoint):  # type: ignore[misc] # Authlib has no types
    """RFC 7009, with Keycloak's answers: 200 with an error in the body for an invalid or ended token."""

    CLIENT_AUTH_METHODS = ("client_secret_basic", "client_secret_post", "none")

    def authenticate_token(self, request: Any, client: Client) -> _Found:
        """Raises InvalidRequestError or RevocationRefusedError."""
        if "token" not in request.form:
            raise InvalidRequestError("Token not provided")
        text = request.form["token"]
        claims = self.server.state.keys.read_secret(text) or self.server.state.verify(text)
        if claims is None:
            raise RevocationNotAllowedError
        if claims["azp"] != client.client_id:
            raise InvalidRequestError("Unmatching clients")
        return _Found(text, claims)

    def create_endpoint_response(self, request: Any) -> tuple[int, str, list[tuple[str, str]]]:
        """An answer without a body."""
        status, _, _ = super().create_endpoint_response(request)
        return status, "", [("Cache-Control", "no-store")]

    def revoke_token(self, token: _Found, request: Any) -> None:
        """An access token alone; a refresh token with its grant. Raises RevocationRefusedError when that has ended."""
        state = self.server.state
        if token.claims["typ"] in {"Bearer", "DPoP"}:
            state.store.run("revoke_access_token", jti=token.claims["jti"], expires_at=token.claims["exp"])
        elif not state.grants.revoke(token.text, request.client.client_id):
            raise RevocationNotAllowedError


class _Introspection(IntrospectionEndpoint):  # type: ignore[misc] # Authlib has no types
    """RFC 7662, as in Keycloak: for clients with a secret, about access tokens for their audience."""

    CLIENT_AUTH_METHODS = ("client_secret_basic", "client_secret_post", "none")

    def authenticate_endpoint_client(self, request: Any) -> Client:
        """Raises AskerRefusedError, and ClientNotAllowedError for a public client."""
        try:
            client: Client = super().authenticate_endpoint_client(request)
        except (UnknownClientError, ClientRefusedError) as error:
            raise AskerRefusedError from error
        if client.record.secret is None:
            raise ClientNotAllowedError
        return client

    def check_params(self, request: Any, client: Client) -> None:  # noqa: ARG002 - Authlib's signature
        """Raises InvalidRequestError."""
        if "token" not in request.form:
            raise InvalidRequestError("Token not provided.")

    def query_token(self, token_string: str, token_type_hint: str | None) -> _Found | None:  # noqa: ARG002
        """The token; None if it has ended, or is a refresh token, which is never introspected."""
        claims = self.server.state.verify(token_string)
        return _Found(token_string, claims) if claims else None

    def check_permission(self, token: _Found, client: Client, request: Any) -> bool:  # noqa: ARG002
        """True if the client is an audience of the token."""
        audience = token.claims.get("aud", [])
        return client.client_id in ([audience] if isinstance(audience, str) else audience)

    def introspect_token(self, token: _Found) -> dict[str, Any]:
        """The claims, with the names of RFC 7662 section 2.2."""
        claims = token.claims
        user = self.server.state.realm.user(claims["sub"])
        named = {"username": user.username} if user else {}
        return {**claims, **named, "client_id": claims["azp"], "token_type": claims["typ"], "active": True}
