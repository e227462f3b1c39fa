"""Asymmetric signatures of JWS (RFC 7518 section 3, RFC 8037), for tokens that came over our own TLS connection and for
assertions of our own clients. `cryptography` does the work.

The algorithm fixes the kind of key and the curve, so that a key never verifies what it was not made for. There are no
shared secrets here and there is no `none`.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_private_key

MIN_RSA_BITS: Final = 2048
MAX_RSA_BITS: Final = 16384
_HASHES: Final[Mapping[str, hashes.HashAlgorithm]] = {
    "256": hashes.SHA256(),
    "384": hashes.SHA384(),
    "512": hashes.SHA512(),
}
_CURVES: Final[Mapping[str, ec.EllipticCurve]] = {
    "P-256": ec.SECP256R1(),
    "P-384": ec.SECP384R1(),
    "P-521": ec.SECP521R1(),
}
_CURVE_OF: Final = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
_EDWARDS: Final[Mapping[str, type[ed25519.Ed25519PublicKey] | type[ed448.Ed448PublicKey]]] = {
    "Ed25519": ed25519.Ed25519PublicKey,
    "Ed448": ed448.Ed448PublicKey,
}
ALGORITHMS: Final = frozenset(
    {f"{family}{bits}" for family in ("RS", "PS", "ES") for bits in _HASHES} | {"EdDSA", *_EDWARDS}
)

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | ed448.Ed448PublicKey
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey


def public_key(jwk: Mapping[str, Any], algorithm: str) -> PublicKey | None:
    """The key of a JWK (RFC 7517) if it verifies that algorithm, or None. Only public members are read."""
    try:
        return _public_key(jwk, algorithm)
    except (ValueError, TypeError, KeyError, UnsupportedAlgorithm):
        return None


def is_valid(algorithm: str, key: PublicKey, signed: bytes, signature: bytes) -> bool:
    """True when the signature is that of `signed` by the key. key: from `public_key` for the same algorithm."""
    try:
        _verify(algorithm, key, signed, signature)
    except (InvalidSignature, ValueError):
        return False
    return True


@dataclass(frozen=True, slots=True)
class ClientKey:
    """A private key of a client, for `private_key_jwt`. key_id: the `kid` under which the server knows it."""

    algorithm: str
    key_id: str | None
    private: PrivateKey = field(repr=False)

    @classmethod
    def of_pem(cls, pem: bytes, algorithm: str, key_id: str | None) -> "ClientKey":
        """From PEM without a password. Raises ValueError when the key does not fit the algorithm."""
        try:
            private = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise ValueError("is not a private key in PEM without a password") from None
        if not isinstance(private, PrivateKey) or not _fits(private.public_key(), algorithm):
            raise ValueError(f"is not a key for {algorithm}")
        return cls(algorithm, key_id, private)

    def jwt(self, claims: Mapping[str, Any]) -> str:
        """A signed JWT of these claims."""
        header = {"alg": self.algorithm, "typ": "JWT", **({"kid": self.key_id} if self.key_id else {})}
        signed = f"{encoded(json.dumps(header).encode())}.{encoded(json.dumps(claims).encode())}"
        return f"{signed}.{encoded(self._signature(signed.encode()))}"

    def _signature(self, signed: bytes) -> bytes:
        match self.private:
            case rsa.RSAPrivateKey():
                return self.private.sign(signed, _padding(self.algorithm), _HASHES[self.algorithm[2:]])
            case ec.EllipticCurvePrivateKey():
                size = _bytes_of(self.private.curve)
                r, s = decode_dss_signature(self.private.sign(signed, ec.ECDSA(_HASHES[self.algorithm[2:]])))
                return r.to_bytes(size) + s.to_bytes(size)
            case _:
                return self.private.sign(signed)


def _public_key(jwk: Mapping[str, Any], algorithm: str) -> PublicKey | None:
    if jwk["kty"] == "RSA":
        key: PublicKey = rsa.RSAPublicNumbers(_integer(jwk["e"]), _integer(jwk["n"])).public_key()
    elif jwk["kty"] == "EC":
        curve = _CURVES[jwk["crv"]]
        key = ec.EllipticCurvePublicNumbers(_integer(jwk["x"]), _integer(jwk["y"]), curve).public_key()
    elif jwk["kty"] == "OKP":
        key = _EDWARDS[jwk["crv"]].from_public_bytes(_decoded(jwk["x"]))
    else:
        return None
    return key if _fits(key, algorithm) else None


def _fits(key: Any, algorithm: str) -> bool:
    match key:
        case rsa.RSAPublicKey():
            return algorithm[:2] in {"RS", "PS"} and MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS
        case ec.EllipticCurvePublicKey():
            curve = _CURVES.get(_CURVE_OF.get(algorithm, ""))
            return curve is not None and key.curve.name == curve.name
        case ed25519.Ed25519PublicKey():
            return algorithm in {"EdDSA", "Ed25519"}
        case ed448.Ed448PublicKey():
            return algorithm in {"EdDSA", "Ed448"}
        case _:
            return False


def _verify(algorithm: str, key: PublicKey, signed: bytes, signature: bytes) -> None:
    match key:
        case rsa.RSAPublicKey():
            key.verify(signature, signed, _padding(algorithm), _HASHES[algorithm[2:]])
        case ec.EllipticCurvePublicKey():
            size = _bytes_of(key.curve)
            if len(signature) != 2 * size:  # RFC 7518 section 3.4: R and S, each of the curve's size
                raise InvalidSignature
            r, s = int.from_bytes(signature[:size]), int.from_bytes(signature[size:])
            key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(_HASHES[algorithm[2:]]))
        case _:
            key.verify(signature, signed)


def _padding(algorithm: str) -> padding.AsymmetricPadding:
    """PKCS #1 v1.5, or PSS with a salt as long as the hash (RFC 7518 section 3.5)."""
    if algorithm.startswith("RS"):
        return padding.PKCS1v15()
    digest = _HASHES[algorithm[2:]]
    return padding.PSS(padding.MGF1(digest), digest.digest_size)


def _bytes_of(curve: ec.EllipticCurve) -> int:
    return (curve.key_size + 7) // 8


def _integer(value: Any) -> int:
    return int.from_bytes(_decoded(value))


def _decoded(value: Any) -> bytes:
    if not isinstance(value, str):
        raise TypeError
    return urlsafe_b64decode(value + "=" * (-len(value) % 4))


def encoded(data: bytes) -> str:
    """Base64url without padding (RFC 7515 section 2)."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()
