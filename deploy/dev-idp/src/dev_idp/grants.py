"""The grants of RFC 6749 on Authlib, each with Keycloak's answers."""

import hashlib
import hmac
import json
from typing import Any

from authlib.oauth2.rfc6749 import ClientMixin, InvalidGrantError, OAuth2Error, grants, scope_to_list
from authlib.oauth2.rfc6749.errors import InvalidRequestError
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core import OpenIDCode
from flask import g

from dev_idp.realm import DEFAULT_SCOPES, ClientRecord, Realm, User, uri_matches
from dev_idp.sessions import Session, Sessions
from dev_idp.store import Store, now
from dev_idp.tokens import Tokens

CODE_SECONDS = 60


class ClientRefusedError(OAuth2Error):  # type: ignore[misc]  # Authlib has no types
    """Keycloak answers a wrong secret with its own word."""

    error = "unauthorized_client"
    description = "Invalid client or Invalid client credentials"
    status_code = 401


class Client(ClientMixin):  # type: ignore[misc]
    """A client of the realm, as Authlib asks for it."""

    def __init__(self, record: ClientRecord, secret: str | None) -> None:
        self.record = record
        self.client_id = record.client_id
        self.client_metadata = {"post_logout_redirect_uris": list(record.post_logout_uris)}
        self._secret = secret

    def get_client_id(self) -> str:
        """Its id."""
        return self.client_id

    def get_default_redirect_uri(self) -> None:
        """There is none: a request has to name it."""

    def get_allowed_scope(self, scope: str | None) -> str:
        """The scopes that it gets: those asked for, and the realm's default ones (Keycloak adds them always)."""
        wanted = [*(scope_to_list(scope) or []), *DEFAULT_SCOPES]
        return " ".join(name for name in self.record.scopes if name in wanted)

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Whether it is registered."""
        return uri_matches(redirect_uri, self.record.redirect_uris)

    def check_client_secret(self, client_secret: str) -> bool:
        """Whether it is right. Raises ClientRefusedError when not."""
        if self._secret is None or not hmac.compare_digest(self._secret, client_secret):
            raise ClientRefusedError
        return True

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:  # noqa: ARG002 - Authlib's signature
        """Public clients prove nothing; confidential ones send their secret."""
        return (
            method == "none" if self.record.secret is None else method in {"client_secret_basic", "client_secret_post"}
        )

    def check_response_type(self, response_type: str) -> bool:
        """Only the code flow."""
        return response_type == "code" and "authorization_code" in self.record.grant_types

    def check_grant_type(self, grant_type: str) -> bool:
        """Whether the realm allows it that grant."""
        return grant_type in self.record.grant_types


class Code(dict[str, Any]):
    """An authorization code's details, as Authlib asks for them."""

    redirect_uri = property(lambda self: self["redirect_uri"])
    scope = property(lambda self: self["scope"])
    code_challenge = property(lambda self: self["code_challenge"])
    code_challenge_method = property(lambda self: self["code_challenge_method"])

    def get_redirect_uri(self) -> str:
        """The address that it was made for."""
        return str(self["redirect_uri"])

    def get_scope(self) -> str:
        """What was consented to."""
        return str(self["scope"])

    def get_nonce(self) -> str | None:
        """For the ID token."""
        return self["nonce"] or None

    def get_auth_time(self) -> int:
        """When the person logged in."""
        return int(self["auth_time"])

    def get_acr(self) -> str:
        """How well."""
        return "1"

    def get_amr(self) -> None:
        """Not told."""


class Grants:
    """Makes the grant classes, which share this server's state."""

    def __init__(self, realm: Realm, store: Store, tokens: Tokens, sessions: Sessions) -> None:
        self.realm = realm
        self.store = store
        self.tokens = tokens
        self.sessions = sessions

    def code(self) -> type[grants.AuthorizationCodeGrant]:
        """RFC 6749 section 4.1."""
        state = self

        class AuthorizationCode(grants.AuthorizationCodeGrant):  # type: ignore[misc]
            TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "client_secret_post", "none")

            def save_authorization_code(self, code: str, request: Any) -> None:
                asked = request.payload.data
                details = {
                    "redirect_uri": request.payload.redirect_uri,
                    "scope": request.client.get_allowed_scope(request.payload.scope),
                    "nonce": asked.get("nonce"),
                    "code_challenge": asked.get("code_challenge"),
                    "code_challenge_method": asked.get("code_challenge_method"),
                    "sso_sid": g.sso["sid"],
                    "auth_time": g.sso["auth_time"],
                }
                state.store.run(
                    "insert into codes (hash, client_id, user_id, details, expires_at) values (?, ?, ?, ?, ?)",
                    *(
                        _hash(code),
                        request.client.client_id,
                        request.user.id,
                        json.dumps(details),
                        now() + CODE_SECONDS,
                    ),
                )

            def query_authorization_code(self, code: str, client: Client) -> Code:
                row = state.store.one(
                    "select * from codes where hash = ? and client_id = ?", _hash(code), client.client_id
                )
                taken = row and state.store.run("update codes set used = 1 where hash = ? and used = 0", row["hash"])
                if row is None or not taken or row["expires_at"] < now():
                    raise InvalidGrantError("Code not valid")
                return Code(json.loads(row["details"]), user_id=row["user_id"])

            def authenticate_user(self, authorization_code: Code) -> User | None:
                user = state.realm.user(authorization_code["user_id"])
                if user is not None:
                    g.session = state.sessions.begin(
                        *(self.request.client.client_id, user.id, authorization_code.scope),
                        authorization_code["sso_sid"],
                    )
                return user

            def delete_authorization_code(self, authorization_code: Code) -> None:
                """It stays, marked as used, so that a replay is recognized."""

        return AuthorizationCode

    def refresh(self) -> type[grants.RefreshTokenGrant]:
        """RFC 6749 section 6."""
        state = self

        class RefreshToken(grants.RefreshTokenGrant):  # type: ignore[misc]
            TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "client_secret_post", "none")
            INCLUDE_NEW_REFRESH_TOKEN = True

            def authenticate_refresh_token(self, refresh_token: str) -> "RefreshCredential":
                session, jti = state.sessions.find(refresh_token, self.request.client.client_id)
                return RefreshCredential(session, jti)

            def _validate_token_scope(self, token: "RefreshCredential") -> None:
                """Keycloak refuses scopes that it does not know and passes over those that were not granted."""
                asked = scope_to_list(self.request.payload.scope) or []
                unknown = [name for name in asked if name not in token.client_scopes(self.request.client)]
                if unknown:
                    raise InvalidScopeError(f"Invalid scopes: {self.request.payload.scope}")

            def authenticate_user(self, refresh_token: "RefreshCredential") -> User | None:
                g.session = refresh_token.session
                g.next_refresh_token = state.sessions.spend(refresh_token.session, refresh_token.jti)
                return state.realm.user(refresh_token.session.user_id)

            def revoke_old_credential(self, refresh_token: "RefreshCredential") -> None:
                """Spending it has done that."""

        return RefreshToken

    def password(self) -> type[grants.ResourceOwnerPasswordCredentialsGrant]:
        """RFC 6749 section 4.3, for the command line in development."""
        state = self

        class Password(grants.ResourceOwnerPasswordCredentialsGrant):  # type: ignore[misc]
            TOKEN_ENDPOINT_AUTH_METHODS = ("none",)

            def authenticate_user(self, username: str, password: str) -> User:
                user = state.authenticate(username, password)
                if user is None:
                    raise PasswordRefusedError
                return user

        return Password

    def authenticate(self, username: str, password: str) -> User | None:
        """The person whose name and password these are."""
        user = self.realm.users.get(username)
        expected = user.password if user else "no such user"
        right = hmac.compare_digest(expected.encode(), password.encode())
        return user if user and expected and right and self.sessions.is_enabled(user) else None


class RefreshCredential:
    """A refresh token that was presented, as Authlib asks for it."""

    def __init__(self, session: Session, jti: str) -> None:
        self.session = session
        self.jti = jti

    def check_client(self, client: Client) -> bool:
        """Whether it was given to that client."""
        return self.session.client_id == client.client_id

    def get_scope(self) -> str:
        """All that was granted."""
        return self.session.scope

    def client_scopes(self, client: Client) -> tuple[str, ...]:
        """What may be named when it is used."""
        return client.record.scopes


class PasswordRefusedError(InvalidGrantError):  # type: ignore[misc]
    """Keycloak answers 401 here."""

    description = "Invalid user credentials"
    status_code = 401


class InvalidScopeError(OAuth2Error):  # type: ignore[misc]
    """A scope that the client does not have."""

    error = "invalid_scope"


class ClientCredentials(grants.ClientCredentialsGrant):  # type: ignore[misc]
    """RFC 6749 section 4.4."""

    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "client_secret_post")


class Pkce(CodeChallenge):  # type: ignore[misc]
    """RFC 7636 with S256; demanded of the clients whose realm entry says so."""

    SUPPORTED_CODE_CHALLENGE_METHOD = ("S256",)
    DEFAULT_CODE_CHALLENGE_METHOD = "S256"

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        """Authlib lets a request without any challenge pass; Keycloak does not."""
        asked = grant.request.payload.data
        client: Client = grant.request.client
        if client.record.pkce_required and (
            asked.get("code_challenge_method") != "S256" or not asked.get("code_challenge")
        ):
            raise InvalidRequestError("Missing parameter: code_challenge_method", redirect_uri=redirect_uri)
        super().validate_code_challenge(grant, redirect_uri)

    def get_authorization_code_challenge(self, authorization_code: Code) -> str | None:
        """What the request sent."""
        return authorization_code["code_challenge"] or None

    def get_authorization_code_challenge_method(self, authorization_code: Code) -> str | None:
        """How it was made."""
        return authorization_code["code_challenge_method"] or None


class IdTokens(OpenIDCode):  # type: ignore[misc]
    """OpenID Connect Core 1.0 section 3.1.3.3: an ID token beside the access token."""

    def __init__(self, tokens: Tokens) -> None:
        super().__init__()
        self._tokens = tokens

    def resolve_client_private_key(self, client: Client) -> Any:  # noqa: ARG002 - Authlib's signature
        """The realm's key."""
        return self._tokens.signing_key()

    def get_encode_header(self, client: Client) -> dict[str, Any]:  # noqa: ARG002
        """Names the key."""
        return {"alg": "RS256", "typ": "JWT", "kid": self._tokens.signing_key().kid}

    def get_client_claims(self, client: Client) -> dict[str, Any]:
        """The claims that do not depend on the person."""
        lifetime = self._tokens.realm.lifetimes.access_token
        return {
            "iss": self._tokens.issuer,
            "aud": client.client_id,
            "azp": client.client_id,
            "typ": "ID",
            "exp": now() + lifetime,
            "sid": g.session.sid,
        }

    def generate_user_info(self, user: User, scope: str) -> dict[str, Any]:
        """The claims about the person."""
        return userinfo(user, scope)

    def exists_nonce(self, nonce: str, request: Any) -> bool:  # noqa: ARG002
        """A nonce is the client's affair."""
        return False


def userinfo(user: User, scope: str) -> dict[str, Any]:
    """OpenID Connect Core 1.0 section 5.4."""
    granted = scope.split()
    claims: dict[str, Any] = {"sub": user.id}
    if "profile" in granted:
        claims |= {
            "preferred_username": user.username,
            "name": f"{user.first_name} {user.last_name}".strip(),
            "given_name": user.first_name,
            "family_name": user.last_name,
        }
    if "email" in granted:
        claims |= {"email": user.email, "email_verified": True}
    return claims


def narrowed(session: Session, asked: str | None) -> str:
    """The access token's own scope after a refresh: what was asked for and granted, and always the default ones."""
    wanted = {*(asked or session.scope).split(), *DEFAULT_SCOPES}
    return " ".join(name for name in session.scope.split() if name in wanted)


def _hash(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()
