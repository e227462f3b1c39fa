"""Authlib's authorization server with this realm behind it: what a token answer holds, and what it does not."""

from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6750 import BearerTokenGenerator
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from flask import Flask, g

from dev_idp.grants import Client, ClientCredentials, Grants, IdTokens, Pkce, narrowed
from dev_idp.realm import User

_ALL_METHODS = ("client_secret_basic", "client_secret_post", "none")


def create_server(app: Flask, state: Grants) -> AuthorizationServer:
    """Wire the grants and endpoints."""

    def find_client(client_id: str) -> Client | None:
        record = state.realm.clients.get(client_id)
        return (
            None
            if record is None
            else Client(record, state.store.remembered(f"secret:{client_id}", str) or record.secret)
        )

    def access_token(client: Client, grant_type: str, user: User | None, scope: str | None) -> str:
        if grant_type == "password" and user is not None:
            g.session = state.sessions.begin(client.client_id, user.id, client.get_allowed_scope(scope), None)
        session = g.get("session")
        person = user or state.realm.service_account(client.client_id)
        granted = client.get_allowed_scope(scope) if session is None else session.scope
        if grant_type == "refresh_token":
            granted = narrowed(session, scope)
        return state.tokens.access_token(client.record, person, granted, session.sid if session else None)

    def complete(token: dict[str, Any], _request: Any) -> None:
        """What Keycloak adds: the refresh token with its lifetime, the session, and all scopes of the grant."""
        session = g.get("session")
        token["expires_in"] = state.realm.lifetimes.access_token
        token["not-before-policy"] = state.store.remembered("not_before", int)
        if session is None:
            token["refresh_expires_in"] = 0
            token["scope"] = " ".join(("profile", "email"))
            return
        token["refresh_token"] = g.get("next_refresh_token") or state.sessions.new_refresh_token(session)
        token["refresh_expires_in"] = 0 if session.offline else state.realm.lifetimes.sso_idle
        token["session_state"] = session.sid
        token["scope"] = session.scope

    class Revocation(RevocationEndpoint):  # type: ignore[misc]
        """RFC 7009; ends the session that the token belongs to."""

        CLIENT_AUTH_METHODS = _ALL_METHODS

        def query_token(self, token_string: str, token_type_hint: str | None) -> Any:  # noqa: ARG002
            claims = state.tokens.read_refresh_token(token_string) or state.tokens.read_access_token(token_string)
            return _Owned(claims) if claims else None

        def revoke_token(self, token: "_Owned", request: Any) -> None:  # noqa: ARG002
            if token["typ"] == "Bearer":
                state.store.run("insert or ignore into revoked_access_tokens values (?, ?)", token["jti"], token["exp"])
            else:
                state.sessions.end(token["sid"])

    class Introspection(IntrospectionEndpoint):  # type: ignore[misc]
        """RFC 7662."""

        CLIENT_AUTH_METHODS = ("client_secret_basic", "client_secret_post")

        def query_token(self, token_string: str, token_type_hint: str | None) -> Any:  # noqa: ARG002
            claims = state.tokens.read_access_token(token_string) or _live_refresh(state, token_string)
            return _Owned(claims) if claims else None

        def check_permission(self, token: Any, client: Client, request: Any) -> bool:  # noqa: ARG002
            return True

        def introspect_token(self, token: "_Owned") -> dict[str, Any]:
            return {**token, "client_id": token["azp"], "token_type": token["typ"], "active": True}

    server = AuthorizationServer(app, query_client=find_client, save_token=complete)
    generator = BearerTokenGenerator(access_token, lambda **_: "replaced in complete()", lambda *_: 0)
    server.register_token_generator("default", generator)
    server.register_grant(state.code(), [Pkce(required=False), IdTokens(state.tokens)])
    server.register_grant(state.refresh())
    server.register_grant(state.password())
    server.register_grant(ClientCredentials)
    server.register_endpoint(Revocation)
    server.register_endpoint(Introspection)
    return server


class _Owned(dict[str, Any]):
    """Claims of a token, as Authlib asks whose it is."""

    def check_client(self, client: Client) -> bool:
        return bool(self["azp"] == client.client_id)


def _live_refresh(state: Grants, token: str) -> dict[str, Any] | None:
    claims = state.tokens.read_refresh_token(token)
    live = claims and state.store.one("select 1 from sessions where sid = ? and ended = ''", claims["sid"])
    return claims if live else None
