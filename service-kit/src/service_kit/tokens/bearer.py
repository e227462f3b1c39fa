"""Bearer access tokens (RFC 6750): the verified claims of a caller.

`service_kit.tokens.jwt` checks the signature and the common claims. This module checks that the token is an access
token and not another token of the same issuer. A token may be bound to a key of the caller's (`cnf`, RFC 7800):
`service_kit.tokens.dpop` checks that the caller has it.
"""

import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from msgspec import UnsetType

from service_kit.tokens import dpop, jwt
from service_kit.tokens.dpop import ProofChecker
from service_kit.tokens.issuer import Issuer
from service_kit.tokens.jwt import InvalidTokenError

MEMO_SECONDS: Final = 60
MEMO_SIZE: Final = 4096
KEYCLOAK_KIND: Final = "kc-jkt-type"
"""Keycloak says in `cnf` what `jkt` was made of: a DPoP key."""
_UNKNOWN: Final = (float("-inf"), None)


class UnsupportedConfirmationError(InvalidTokenError):
    """The access token is bound in a way that this service cannot check."""


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims of a verified access token. `subject` is unique within `issuer` only; `client` is the `azp`.

    key: thumbprint of the key that the token is bound to, for which the caller must send a proof; empty for none.
    """

    issuer: str
    subject: str
    client: str
    scopes: frozenset[str]
    roles: frozenset[str]
    expires_at: float
    key: str = ""


class Verifier:
    """Verifies access tokens of one issuer for one audience; remembers verified tokens by hash for at most a minute."""

    def __init__(
        self,
        issuer: Issuer,
        audience: str,
        *,
        clock: Callable[[], float] = time.time,
        proofs: ProofChecker | None = None,
        must_be_bound: Callable[[Claims], bool] = lambda _: False,
    ) -> None:
        """audience: the `aud` that tokens must carry; clock: seconds since the epoch.

        proofs: checks DPoP proofs; without it bound tokens are refused. must_be_bound: true for callers that are
        served with a bound token only.
        """
        self._issuer = issuer
        self._audience = audience
        self._clock = clock
        self.proofs = proofs
        self.must_be_bound = must_be_bound
        self._memo: dict[bytes, tuple[float, Claims]] = {}
        self._memo_lock = threading.Lock()

    def verify(self, token: str) -> Claims:
        """The claims of a valid token. Raises InvalidTokenError, or IssuerUnavailableError if no keys are known.

        UnsupportedConfirmationError: it is valid, but bound in a way that this service cannot check.
        """
        now = self._clock()
        digest = _digest(token)
        remembered = self._remembered(digest, now)
        if remembered is not None:
            return remembered
        claims = self._verify(token, now)
        self._remember(digest, min(now + MEMO_SECONDS, claims.expires_at), claims)
        return claims

    def remembered(self, token: str) -> Claims | None:
        """The claims of a token that was verified a moment ago and that is enough by itself, or None.

        Never blocks, if the clock does not.
        """
        digest = _digest(token)
        claims = self._remembered(digest, self._clock()) if digest in self._memo else None
        return None if claims is None or claims.key or self.must_be_bound(claims) else claims

    def _remembered(self, digest: bytes, now: float) -> Claims | None:
        until, claims = self._memo.get(digest, _UNKNOWN)
        return claims if now < until else None

    def _verify(self, token: str, now: float) -> Claims:
        header, payload = jwt.verify(token, self._issuer, self._audience, now)
        kind = header.typ.lower().removeprefix("application/")
        # Keycloak gives the type in a claim, RFC 9068 section 2.1 in the header. ID and refresh tokens have neither.
        key = self._key(payload.cnf)
        typ = "Bearer" if key and payload.typ == "DPoP" else payload.typ  # Keycloak, of a bound token
        if (kind, typ) not in {("jwt", "Bearer"), ("at+jwt", "Bearer"), ("at+jwt", "")}:
            raise InvalidTokenError("not an access token")
        return Claims(
            issuer=payload.iss,
            subject=payload.sub,
            client=payload.azp or payload.client_id,
            scopes=frozenset(payload.scope.split()),
            roles=payload.resource_access.get(self._audience, jwt.Roles()).roles,
            expires_at=payload.exp,
            key=key,
        )

    def _key(self, confirmation: dict[str, Any] | UnsetType) -> str:
        """RFC 9449 section 6.1. A second method beside `jkt` could not be checked, so there must be none."""
        if isinstance(confirmation, UnsetType):
            return ""
        named = {method for method, value in confirmation.items() if value is not None}
        if confirmation.get(KEYCLOAK_KIND) == "DPoP":
            named.discard(KEYCLOAK_KIND)
        key = confirmation.get("jkt")
        if self.proofs is None or named != {"jkt"} or not isinstance(key, str):
            raise UnsupportedConfirmationError("cnf")
        if not dpop.THUMBPRINT.fullmatch(key):
            raise InvalidTokenError("cnf.jkt")
        return key

    def _remember(self, digest: bytes, until: float, claims: Claims) -> None:
        with self._memo_lock:
            if len(self._memo) >= MEMO_SIZE:
                for oldest in list(self._memo)[: MEMO_SIZE // 4]:
                    del self._memo[oldest]
            self._memo[digest] = (until, claims)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
