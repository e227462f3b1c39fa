"""Bearer access tokens (RFC 6750): the verified claims of a caller.

`service_kit.tokens.jwt` checks the signature and the common claims. This module checks that the token is an access
token and not another token of the same issuer.
"""

import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from service_kit.tokens import jwt
from service_kit.tokens.issuer import Issuer
from service_kit.tokens.jwt import InvalidTokenError

MEMO_SECONDS: Final = 60
MEMO_SIZE: Final = 4096
_UNKNOWN: Final = (float("-inf"), None)


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims of a verified access token. `subject` is unique within `issuer` only; `client` is the `azp`."""

    issuer: str
    subject: str
    client: str
    scopes: frozenset[str]
    roles: frozenset[str]
    expires_at: float


class Verifier:
    """Verifies access tokens of one issuer for one audience; remembers verified tokens by hash for at most a minute."""

    def __init__(self, issuer: Issuer, audience: str, *, clock: Callable[[], float] = time.time) -> None:
        """audience: the `aud` that tokens must carry; clock: seconds since the epoch."""
        self._issuer = issuer
        self._audience = audience
        self._clock = clock
        self._memo: dict[bytes, tuple[float, Claims]] = {}
        self._memo_lock = threading.Lock()

    def verify(self, token: str) -> Claims:
        """The claims of a valid token. Raises InvalidTokenError, or IssuerUnavailableError if no keys are known."""
        now = self._clock()
        digest = _digest(token)
        remembered = self._remembered(digest, now)
        if remembered is not None:
            return remembered
        claims = self._verify(token, now)
        self._remember(digest, min(now + MEMO_SECONDS, claims.expires_at), claims)
        return claims

    def remembered(self, token: str) -> Claims | None:
        """The claims of a token that was verified a moment ago, or None. Never blocks, if the clock does not."""
        digest = _digest(token)
        return self._remembered(digest, self._clock()) if digest in self._memo else None

    def _remembered(self, digest: bytes, now: float) -> Claims | None:
        until, claims = self._memo.get(digest, _UNKNOWN)
        return claims if now < until else None

    def _verify(self, token: str, now: float) -> Claims:
        header, payload = jwt.verify(token, self._issuer, self._audience, now)
        kind = header.typ.lower().removeprefix("application/")
        # Keycloak gives the type in a claim, RFC 9068 section 2.1 in the header. ID and refresh tokens have neither.
        if (kind, payload.typ) not in {("jwt", "Bearer"), ("at+jwt", "Bearer"), ("at+jwt", "")}:
            raise InvalidTokenError("not an access token")
        return Claims(
            issuer=payload.iss,
            subject=payload.sub,
            client=payload.azp or payload.client_id,
            scopes=frozenset(payload.scope.split()),
            roles=payload.resource_access.get(self._audience, jwt.Roles()).roles,
            expires_at=payload.exp,
        )

    def _remember(self, digest: bytes, until: float, claims: Claims) -> None:
        with self._memo_lock:
            if len(self._memo) >= MEMO_SIZE:
                for oldest in list(self._memo)[: MEMO_SIZE // 4]:
                    del self._memo[oldest]
            self._memo[digest] = (until, claims)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
