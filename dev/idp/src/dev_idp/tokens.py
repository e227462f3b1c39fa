"""Tokens with Keycloak's claims: access tokens, ID tokens and refresh tokens."""

import base64
import hashlib
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dev_idp.keys import Keys
from dev_idp.realm import ClientRecord, Realm, User


@dataclass(frozen=True, slots=True)
class IssuedGrant:
    """A grant that has not ended.

    sid: that of the login for an online grant, its own for an offline grant. auth_time: seconds.
    """

    id: int
    sid: str
    client_id: str
    user_id: str
    scope: str
    offline: bool
    auth_time: int


class TokenMint:
    """Makes tokens of one realm. `now` gives seconds since the epoch."""

    def __init__(self, keys: Keys, realm: Realm, issuer: str, now: Callable[[], int]) -> None:
        self._keys = keys
        self._realm = realm
        self._now = now
        self.issuer = issuer

    def access_token(
        self, client: ClientRecord, user: User, scope: str, grant: IssuedGrant | None, key: str = ""
    ) -> str:
        """An access token for a person's grant, or without a grant for the client itself. Only mappers add `aud`.

        key: thumbprint of the key that it is bound to.
        """
        claims = {
            **self._about("DPoP" if key else "Bearer", client, user, scope),
            "realm_access": {"roles": list(user.realm_roles)} if user.realm_roles else None,
            "resource_access": {name: {"roles": list(roles)} for name, roles in user.client_roles.items()},
            "allowed-origins": list(client.web_origins),
            "aud": client.audiences[0] if len(client.audiences) == 1 else list(client.audiences),
            "scope": scope,
            "sid": grant.sid if grant else None,
            "auth_time": grant.auth_time if grant else None,
            "cnf": {"jkt": key} if key else None,
        }
        return self._keys.sign({name: value for name, value in claims.items() if value not in (None, [], {})})

    def id_token(self, client: ClientRecord, user: User, grant: IssuedGrant, access_token: str, nonce: str) -> str:
        """OpenID Connect Core 1.0 section 2; `at_hash` as in section 3.1.3.6."""
        claims = {
            **self._about("ID", client, user, grant.scope),
            "aud": client.client_id,
            "sid": grant.sid,
            "auth_time": grant.auth_time,
            "at_hash": _half_hash(access_token),
            **({"nonce": nonce} if nonce else {}),
        }
        return self._keys.sign(claims)

    def refresh_token(self, grant: IssuedGrant, lifetime: int, key: str) -> tuple[str, str]:
        """A refresh token and its `jti`. lifetime: seconds; 0 for an offline token, which has no `exp`.

        key: thumbprint of the key that it is bound to, empty for none.
        """
        jti = str(uuid.uuid4())
        now = self._now()
        claims = {
            **({"exp": now + lifetime} if lifetime else {}),
            **({"cnf": {"jkt": key}} if key else {}),
            "iat": now,
            "jti": jti,
            "iss": self.issuer,
            "aud": self.issuer,
            "sub": grant.user_id,
            "typ": "Offline" if grant.offline else "Refresh",
            "azp": grant.client_id,
            "sid": grant.sid,
            "scope": grant.scope,
        }
        return self._keys.sign_secretly(claims), jti

    def _about(self, typ: str, client: ClientRecord, user: User, scope: str) -> dict[str, Any]:
        now = self._now()
        return {
            "exp": now + self._realm.lifetimes.access_token,
            "iat": now,
            "jti": str(uuid.uuid4()),
            "iss": self.issuer,
            "typ": typ,
            "azp": client.client_id,
            "acr": "1",
            **profile(user, scope),
        }


def profile(user: User, scope: str) -> dict[str, Any]:
    """Claims about a person, by scope (OpenID Connect Core 1.0 section 5.4)."""
    scopes = scope.split()
    claims: dict[str, Any] = {"sub": user.id}
    if "profile" in scopes:
        claims |= {
            "preferred_username": user.username,
            "name": user.name,
            "given_name": user.first_name,
            "family_name": user.last_name,
        }
    if "email" in scopes:
        claims |= {"email": user.email, "email_verified": user.email_verified}
    return {name: value for name, value in claims.items() if value != ""}


def _half_hash(token: str) -> str:
    half = hashlib.sha256(token.encode()).digest()[:16]
    return base64.urlsafe_b64encode(half).rstrip(b"=").decode()
