"""A caller's key for DPoP (RFC 9449), and proofs of any shape, made without the code under test."""

import base64
import hashlib
import json
import uuid
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from stub_issuer import b64, jws

LEFT_OUT = object()
"""Leaves a member out."""


class ProofKey:
    """A P-256 key."""

    def __init__(self) -> None:
        self._private = ec.generate_private_key(ec.SECP256R1())
        numbers = self._private.public_key().public_numbers()
        x, y = (b64(number.to_bytes(32)) for number in (numbers.x, numbers.y))
        self.jwk: dict[str, Any] = {"kty": "EC", "crv": "P-256", "x": x, "y": y}
        self.private_jwk = {**self.jwk, "d": b64(self._private.private_numbers().private_value.to_bytes(32))}
        members = json.dumps({name: self.jwk[name] for name in ("crv", "kty", "x", "y")}, separators=(",", ":"))
        self.thumbprint = b64(hashlib.sha256(members.encode()).digest())

    def es256(self, data: bytes) -> bytes:
        """R and S, each of 32 bytes (RFC 7518 section 3.4)."""
        r, s = decode_dss_signature(self._private.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32) + s.to_bytes(32)

    def proof(
        self,
        method: str,
        url: str,
        token: str,
        at: float,
        *,
        header: dict[str, Any] | None = None,
        claims: dict[str, Any] | None = None,
        sign: Callable[[bytes], bytes] | None = None,
    ) -> str:
        """A good proof, with these members instead; at: its `iat`."""
        usual_header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk}
        hashed = base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode()
        usual = {"jti": str(uuid.uuid4()), "htm": method, "htu": url, "iat": at, "ath": hashed}
        return jws(_kept(usual_header, header), _kept(usual, claims), sign or self.es256)


def _kept(usual: dict[str, Any], other: dict[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in {**usual, **(other or {})}.items() if value is not LEFT_OUT}
