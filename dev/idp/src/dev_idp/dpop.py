"""DPoP (RFC 9449): proofs at the token endpoint and at userinfo; the tokens are bound to the proof's key.

A nonce is never asked for.
"""

import base64
import hashlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import urlsplit

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import import_key
from joserfc.jwt import decode

from dev_idp.errors import ProofRefusedError

ALGORITHMS = ["ES256", "ES384", "ES512", "PS256", "RS256", "EdDSA"]
_MAX_AGE_SECONDS = 60
_LEEWAY_SECONDS = 10
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


@dataclass(frozen=True, slots=True)
class ProvenRequest:
    """A request with a proof. urls: its address in all forms that a client may know; token: sent along, or empty."""

    method: str
    urls: Sequence[str]
    token: str = ""


class Proofs:
    """Checks proofs, and accepts each once. `now` gives seconds since the epoch."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._seen: dict[tuple[str, str], int] = {}

    def thumbprint(self, headers: Sequence[str], request: ProvenRequest) -> str:
        """The thumbprint of the proof's key; empty when there is no proof. Raises ProofRefusedError."""
        if not headers:
            return ""
        if len(headers) > 1:
            _refuse("there is more than one proof")
        thumbprint, claims = _verified(headers[0])
        self._check(claims, request)
        with self._lock:
            now = self._now()
            self._seen = {proof: end for proof, end in self._seen.items() if end > now}
            if (thumbprint, claims["jti"]) in self._seen:
                _refuse("the proof was used before")
            self._seen[thumbprint, claims["jti"]] = now + _MAX_AGE_SECONDS + _LEEWAY_SECONDS + 1
        return thumbprint

    def _check(self, claims: dict[str, Any], request: ProvenRequest) -> None:
        now, issued = self._now(), claims.get("iat")
        if not isinstance(claims.get("jti"), str) or not claims["jti"]:
            _refuse("jti")
        if claims.get("htm") != request.method:
            _refuse("htm")
        if _address(claims.get("htu")) not in {_address(url) for url in request.urls}:
            _refuse("htu")
        if not isinstance(issued, int) or not now - _MAX_AGE_SECONDS <= issued <= now + _LEEWAY_SECONDS:
            _refuse("iat")
        if request.token and claims.get("ath") != _hash(request.token):
            _refuse("ath")


def _verified(proof: str) -> tuple[str, dict[str, Any]]:
    try:
        header = jws.extract_compact(proof.encode()).headers()
        jwk = header.get("jwk")
        if header.get("typ") != "dpop+jwt" or header.get("alg") not in ALGORITHMS or not isinstance(jwk, dict):
            _refuse("header")
        if _PRIVATE & jwk.keys():
            _refuse("the key is private")
        key = import_key(jwk)
        return key.thumbprint(), dict(decode(proof, key, ALGORITHMS).claims)
    except (JoseError, ValueError, TypeError) as error:
        raise ProofRefusedError("the proof is not signed by its key") from error


def _refuse(reason: str) -> NoReturn:
    raise ProofRefusedError(reason)


def _address(url: object) -> str:
    parts = urlsplit(url if isinstance(url, str) else "")
    return f"{parts.scheme.lower()}://{parts.netloc.lower()}{parts.path}"


def _hash(token: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode()
