"""DPoP (RFC 9449): access tokens that are worth nothing without a key, and the proofs that show it. No I/O.

The key is made in the process and never leaves it. A server's nonce (sections 8 and 9) is kept and sent from then on.
"""

import hashlib
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from token_vault_client.extras import extra
from token_vault_client.flow import Flow, HttpAnswer, Outcome, Request, Send

USE_NONCE = "use_dpop_nonce"
_CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}


class DPoPKey:
    """A key that access tokens are bound to; safe to share by threads. Needs the extra `dpop`."""

    def __init__(self, algorithm: str = "ES256") -> None:
        """algorithm: ES256, ES384 or ES512. Raises ValueError for another one."""
        with extra("dpop"):
            from joserfc import jwk  # noqa: PLC0415 - an extra

        if algorithm not in _CURVES:
            raise ValueError(f"the algorithm of a DPoP key is one of {', '.join(_CURVES)}, not {algorithm!r}")
        self._algorithm = algorithm
        self._key = jwk.ECKey.generate_key(_CURVES[algorithm])
        self._public: dict[str, Any] = {
            name: self._key.as_dict(private=False)[name] for name in ("kty", "crv", "x", "y")
        }
        self._nonces: dict[str, str] = {}
        self.thumbprint = self._key.thumbprint()

    def proof(self, method: str, url: str, token: str = "") -> str:
        """A proof for one request (section 4.2). token: the access token that is sent along, empty for none."""
        from joserfc import jwt  # noqa: PLC0415 - an extra

        nonce = self._nonces.get(_origin(url))
        claims = {
            "jti": str(uuid4()),
            "htm": method,
            "htu": urlsplit(url)._replace(query="", fragment="").geturl(),
            "iat": int(time.time()),
            **({"ath": _hash(token)} if token else {}),
            **({"nonce": nonce} if nonce else {}),
        }
        header = {"typ": "dpop+jwt", "alg": self._algorithm, "jwk": self._public}
        return jwt.encode(header, claims, self._key, algorithms=[self._algorithm])

    def signed(self, request: Request, token: str = "") -> Request:
        """The request with a proof, and with the token by the scheme DPoP (section 7.1), if there is one."""
        more = {"Authorization": f"DPoP {token}"} if token else {}
        proof = self.proof(request.method, request.url, token)
        return replace(request, headers={**request.headers, **more, "DPoP": proof})

    def wants_nonce(self, url: str, answer: HttpAnswer) -> bool:
        """Keep the answer's nonce; true if the server refuses the request because it had none, or an old one."""
        nonce = answer.headers.get("dpop-nonce")
        if not nonce:
            return False
        self._nonces[_origin(url)] = nonce
        challenge = answer.headers.get("www-authenticate", "")
        return answer.status in {400, 401} and (USE_NONCE in challenge or USE_NONCE.encode() in answer.body)


def exchange(build: Callable[[], Request], key: DPoPKey | None, token: str = "") -> Flow[Outcome]:
    """Send a request, with a proof if there is a key. Send it a second time when the server demands a nonce."""
    if key is None:
        unproven: Outcome = yield Send(build())
        return unproven
    request = build()
    outcome: Outcome = yield Send(key.signed(request, token))
    if isinstance(outcome, HttpAnswer) and key.wants_nonce(request.url, outcome):
        outcome = yield Send(key.signed(build(), token))
        if isinstance(outcome, HttpAnswer):
            key.wants_nonce(request.url, outcome)
    return outcome


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def _hash(token: str) -> str:
    return urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode()
