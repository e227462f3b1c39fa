"""Tokens with Keycloak's claims: RS256 access and ID tokens, refresh tokens as JWTs that only this server can read."""

import json
import secrets
import uuid
from collections.abc import Mapping
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OctKey, RSAKey

from dev_idp.realm import ClientRecord, Realm, User
from dev_idp.store import Store, now


def _new_key() -> dict[str, Any]:
    key = RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256"})
    key.ensure_kid()
    return dict(key.as_dict(private=True))


class Tokens:
    """Signs and reads tokens of one realm."""

    def __init__(self, store: Store, realm: Realm, issuer: str) -> None:
        self._store = store
        self.realm = realm
        self.issuer = issuer
        self._secret = OctKey.import_key(store.remembered("refresh_secret", lambda: secrets.token_hex(32)))

    def signing_key(self) -> RSAKey:
        """The key that signs now."""
        return self._keys()[0]

    def jwks(self) -> dict[str, Any]:
        """The public keys: the one that signs, and those that signed before."""
        return dict(KeySet(list(self._keys())).as_dict(private=False))

    def rotate_key(self, *, forget_old: bool) -> str:
        """Sign with a new key from now on; its id."""
        old = [] if forget_old else self._store.remembered("signing_keys", list)
        self._store.remember("signing_keys", [_new_key(), *old])
        return str(self.signing_key().kid)

    def access_token(self, client: ClientRecord, user: User, scope: str, sid: str | None) -> str:
        """A signed access token with Keycloak's claims."""
        identity = {
            "preferred_username": user.username,
            "name": f"{user.first_name} {user.last_name}".strip(),
            "email": user.email,
            "email_verified": True,
        }
        claims = {
            "exp": now() + self.realm.lifetimes.access_token,
            "iat": now(),
            "jti": str(uuid.uuid4()),
            "iss": self.issuer,
            "sub": user.id,
            "typ": "Bearer",
            "azp": client.client_id,
            "acr": "1",
            "realm_access": {"roles": list(user.realm_roles)},
            "resource_access": {name: {"roles": list(roles)} for name, roles in user.client_roles.items()},
            "scope": scope,
            **{name: value for name, value in identity.items() if value},
        }
        if client.audiences:
            claims["aud"] = list(client.audiences) if len(client.audiences) > 1 else client.audiences[0]
        claims |= {"sid": sid} if sid else {"client_id": client.client_id}
        return self.sign(claims)

    def sign(self, claims: Mapping[str, Any], header: Mapping[str, Any] | None = None) -> str:
        """Any claims, signed with the key that signs now."""
        key = self.signing_key()
        return jwt.encode({"alg": "RS256", "typ": "JWT", "kid": key.kid, **(header or {})}, dict(claims), key)

    def read_access_token(self, token: str) -> dict[str, Any] | None:
        """The claims of an access token that is still good here, or None."""
        try:
            claims = dict(jwt.decode(token, KeySet(list(self._keys())), ["RS256"]).claims)
        except (JoseError, ValueError):
            return None
        live = claims.get("typ") == "Bearer" and claims.get("iss") == self.issuer and claims["exp"] > now()
        if not live or self._store.one("select 1 from revoked_access_tokens where jti = ?", claims["jti"]):
            return None
        sid = claims.get("sid")
        ended = sid and not self._store.one("select 1 from sessions where sid = ? and ended = ''", sid)
        return None if ended else claims

    def read_id_token(self, token: str) -> dict[str, Any] | None:
        """The claims of an ID token that this server made, expired or not, or None."""
        try:
            claims = dict(jwt.decode(token, KeySet(list(self._keys())), ["RS256"]).claims)
        except (JoseError, ValueError):
            return None
        return claims if claims.get("typ") == "ID" and claims.get("iss") == self.issuer else None

    def refresh_token(self, client_id: str, user_id: str, sid: str, scope: str, *, offline: bool) -> tuple[str, str]:
        """A refresh token and its `jti`."""
        jti = str(uuid.uuid4())
        claims: dict[str, Any] = {
            "iat": now(),
            "jti": jti,
            "iss": self.issuer,
            "aud": self.issuer,
            "sub": user_id,
            "typ": "Offline" if offline else "Refresh",
            "azp": client_id,
            "sid": sid,
            "scope": scope,
        }
        if not offline:
            claims["exp"] = now() + self.realm.lifetimes.sso_idle
        return jwt.encode({"alg": "HS256", "typ": "JWT"}, claims, self._secret), jti

    def read_refresh_token(self, token: str) -> dict[str, Any] | None:
        """The claims of a token that this server made, or None."""
        try:
            return dict(jwt.decode(token, self._secret, ["HS256"]).claims)
        except (JoseError, ValueError):
            return None

    def _keys(self) -> tuple[RSAKey, ...]:
        stored = self._store.remembered("signing_keys", lambda: [_new_key()])
        return tuple(_imported(json.dumps(key, sort_keys=True)) for key in stored)


_cache: dict[str, RSAKey] = {}


def _imported(document: str) -> RSAKey:
    if document not in _cache:
        _cache[document] = RSAKey.import_key(json.loads(document))
    return _cache[document]
