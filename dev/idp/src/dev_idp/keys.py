"""The realm's keys: RS256 for tokens that others verify, an HMAC secret for refresh tokens."""

import base64
import json
import secrets
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OctKey, RSAKey

from dev_idp.store import Store

_BITS = 2048


class Keys:
    """Created at the first start and stored; the first key signs, all keys verify."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._use([RSAKey.import_key(key) for key in store.remembered("signing_keys", lambda: [_new_key()])])
        secret = store.remembered("refresh_secret", lambda: secrets.token_urlsafe(64))
        self._secret = OctKey.import_key(secret)

    @property
    def jwks(self) -> dict[str, Any]:
        """The public keys (RFC 7517 section 5)."""
        return dict(self._all.as_dict(private=False))

    def rotate(self, *, forget_old: bool) -> str:
        """Sign with a new key from now on; returns its `kid`. The old keys still verify, unless they are forgotten."""
        old = [] if forget_old else self._store.remembered("signing_keys", list)
        stored = [_new_key(), *old]
        self._store.remember("signing_keys", stored)
        self._use([RSAKey.import_key(key) for key in stored])
        return str(self._signing.kid)

    def sign(self, claims: Mapping[str, Any]) -> str:
        """Claims as a JWT that others can verify."""
        return jwt.encode(self._header(), dict(claims), self._signing)

    def sign_as_told(self, claims: Any, header: Mapping[str, Any]) -> str:
        """An RS256 signature over any claims; `header` overrides single members. For tests of hostile input."""
        parts = ({**self._header(), **header}, claims)
        signed = b".".join(_base64url(json.dumps(part).encode()) for part in parts)
        private = self._signing.private_key
        assert private is not None  # noqa: S101 - it is never stored without
        signature = private.sign(signed, PKCS1v15(), SHA256())
        return (signed + b"." + _base64url(signature)).decode()

    def read(self, token: str) -> dict[str, Any] | None:
        """The claims of a token that `sign` made, expired or not; None for other tokens."""
        return _claims(token, self._all, "RS256")

    def sign_secretly(self, claims: Mapping[str, Any]) -> str:
        """Claims as a JWT that only this server can verify."""
        return jwt.encode({"alg": "HS256", "typ": "JWT"}, dict(claims), self._secret)

    def read_secret(self, token: str) -> dict[str, Any] | None:
        """The claims of a token that `sign_secretly` made; None for other tokens."""
        return _claims(token, self._secret, "HS256")

    def _header(self) -> dict[str, Any]:
        return {"alg": "RS256", "typ": "JWT", "kid": self._signing.kid}

    def _use(self, keys: list[RSAKey]) -> None:
        self._signing = keys[0]
        self._all = KeySet(list(keys))


def _new_key() -> dict[str, Any]:
    key = RSAKey.generate_key(_BITS, {"use": "sig", "alg": "RS256"})
    key.ensure_kid()
    return dict(key.as_dict(private=True))


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _claims(token: str, key: KeySet | OctKey, algorithm: str) -> dict[str, Any] | None:
    try:
        return dict(jwt.decode(token, key, [algorithm]).claims)
    except (JoseError, ValueError):
        return None
