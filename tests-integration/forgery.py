"""Tokens that an attacker can make of what all may see: a good token of their own, and the realm's public keys."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import requests
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwe
from joserfc.jwk import RSAKey
from stack import TIMEOUT, Stack

Sign = Callable[[bytes], bytes]


@dataclass(frozen=True)
class Forger:
    """An attacker who has a good token and a key pair."""

    good: str
    public: RSAKey
    own: rsa.RSAPrivateKey

    @classmethod
    def of(cls, stack: Stack, good: str) -> "Forger":
        """With the key that the good token was signed by, as the authorization server publishes it."""
        keys = requests.get(f"{stack['ISSUER']}/protocol/openid-connect/certs", timeout=TIMEOUT).json()["keys"]
        key_id = decoded(good, 0)["kid"]
        [jwk] = [key for key in keys if key["kid"] == key_id]
        public = RSAKey.import_key({name: jwk[name] for name in ("kty", "n", "e")})
        return cls(good, public, rsa.generate_private_key(65537, 2048))

    @cached_property
    def header(self) -> dict[str, Any]:
        """The good token's."""
        return decoded(self.good, 0)

    @cached_property
    def claims(self) -> dict[str, Any]:
        """The good token's."""
        return decoded(self.good, 1)

    @property
    def key_forms(self) -> dict[str, bytes]:
        """The realm's public key in the forms in which a library may hold it."""
        key = self.public.public_key
        return {
            "pem": key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            "der": key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
            "pkcs1-pem": key.public_bytes(Encoding.PEM, PublicFormat.PKCS1),
            "pkcs1-der": key.public_bytes(Encoding.DER, PublicFormat.PKCS1),
            "jwk": json.dumps(self.public.as_dict(private=False)).encode(),
            "nothing": b"",
        }

    @property
    def own_jwk(self) -> dict[str, Any]:
        """The attacker's own public key."""
        return dict(RSAKey.import_key(self.own.public_key()).as_dict(private=False))

    def rs256(self, data: bytes) -> bytes:
        """Signed with the attacker's own key."""
        return self.own.sign(data, padding.PKCS1v15(), hashes.SHA256())

    def token(self, sign: Sign | None = None, **header: Any) -> str:
        """The good token's claims under these header members, signed by the attacker."""
        signed = f"{encoded({**self.header, **header})}.{encoded(self.claims)}"
        return f"{signed}.{b64((sign or self.rs256)(signed.encode()))}"

    def encrypted(self, inside: str) -> str:
        """A JWE to the realm's key."""
        return jwe.encrypt_compact(
            {"alg": "RSA-OAEP", "enc": "A256GCM", "kid": self.header["kid"]}, inside, self.public
        )


def hs256(secret: bytes) -> Sign:
    """Sign with a shared secret."""

    def sign(data: bytes) -> bytes:
        mac = hmac.HMAC(secret, hashes.SHA256())
        mac.update(data)
        return mac.finalize()

    return sign


def b64(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def encoded(document: Any) -> str:
    """A segment of a token."""
    return b64(json.dumps(document).encode())


def decoded(token: str, segment: int) -> dict[str, Any]:
    """The content of a segment of a token."""
    text = token.split(".")[segment]
    return dict(json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))))
