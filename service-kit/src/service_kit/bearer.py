"""Verification of bearer access tokens: JWS (RFC 7515), JWT (RFC 7519), the advice of RFC 8725.

The one place where python-jose decodes a token. By itself it accepts tokens without `aud` or `exp`, unknown `crit`
members and lax base64, and confuses algorithms when several are allowed; so all of that is settled here, before and
around it: one algorithm from configuration, strict base64url, no header members that carry keys, the key chosen by
`kid` among the issuer's own. Whatever goes wrong, the answer is one `InvalidTokenError`.
"""

import hashlib
import re
import threading
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from jose import jws

from service_kit.issuer import Issuer

MAX_TOKEN_BYTES: Final = 8192
LEEWAY_SECONDS: Final = 10
MEMO_SECONDS: Final = 60
MEMO_SIZE: Final = 4096
_FORBIDDEN_HEADERS: Final = frozenset({"crit", "jwk", "jku", "x5u", "x5c", "b64", "zip", "enc"})
_SEGMENT: Final = re.compile(r"[A-Za-z0-9_-]+")


class InvalidTokenError(Exception):
    """The bearer token is not one that this service accepts."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified access token says. `subject` is unique within `issuer` only; `client` is the `azp`."""

    issuer: str
    subject: str
    client: str
    scopes: frozenset[str]
    roles: frozenset[str]
    expires_at: float


class _Header(msgspec.Struct, frozen=True):
    alg: str
    kid: str
    typ: str = "JWT"


class _Roles(msgspec.Struct, frozen=True):
    roles: frozenset[str] = frozenset()


class _Payload(msgspec.Struct, frozen=True):
    """The claims that are looked at; msgspec refuses duplicates of the wrong type, NaN and infinities."""

    iss: str
    sub: str
    aud: str | list[str]
    exp: float
    iat: float = 0.0
    nbf: float = 0.0
    azp: str = ""
    client_id: str = ""
    typ: str = ""
    scope: str = ""
    resource_access: dict[str, _Roles] = {}


class Verifier:
    """Verifies access tokens of one issuer for one audience; remembers them by hash for at most a minute."""

    def __init__(self, issuer: Issuer, audience: str, *, clock: Callable[[], float] = time.time) -> None:
        """audience: the `aud` that tokens must carry; clock: seconds since the epoch."""
        self._issuer = issuer
        self._audience = audience
        self._clock = clock
        self._memo: dict[bytes, tuple[float, Claims]] = {}
        self._memo_lock = threading.Lock()

    def verify(self, token: str) -> Claims:
        """The claims of a good token. Raises InvalidTokenError, or IssuerUnavailableError when no keys are known."""
        now = self._clock()
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        remembered = self._memo.get(digest)
        if remembered is not None and now < remembered[0]:
            return remembered[1]
        claims = self._verify(token, now)
        self._remember(digest, min(now + MEMO_SECONDS, claims.expires_at), claims)
        return claims

    def _verify(self, token: str, now: float) -> Claims:
        header, payload = _parse(token)
        if header.alg != self._issuer.algorithm or header.typ.lower() not in {"jwt", "at+jwt"}:
            raise InvalidTokenError("algorithm or type")
        key = self._issuer.key(header.kid)
        if key is None:
            raise InvalidTokenError("unknown key")
        try:
            jws.verify(token, key, algorithms=[self._issuer.algorithm])
        except Exception as error:  # whatever a hostile token makes the library raise, it is not verified
            raise InvalidTokenError("signature") from error
        return self._check(header, payload, now)

    def _check(self, header: _Header, payload: _Payload, now: float) -> Claims:
        audiences = [payload.aud] if isinstance(payload.aud, str) else payload.aud
        faults = {
            "issuer": payload.iss != self._issuer.url,
            "audience": self._audience not in audiences,
            "expired": not now - LEEWAY_SECONDS < payload.exp < 1 << 40,
            "not yet valid": max(payload.nbf, payload.iat) > now + LEEWAY_SECONDS,
            # Keycloak says it in a claim; RFC 9068 section 2.1 in the header. ID and refresh tokens say neither.
            "type": payload.typ != "Bearer" and not (payload.typ == "" and header.typ.lower() == "at+jwt"),
            "subject": not payload.sub,
        }
        for name, wrong in faults.items():
            if wrong:
                raise InvalidTokenError(name)
        return Claims(
            issuer=payload.iss,
            subject=payload.sub,
            client=payload.azp or payload.client_id,
            scopes=frozenset(payload.scope.split()),
            roles=payload.resource_access.get(self._audience, _Roles()).roles,
            expires_at=payload.exp,
        )

    def _remember(self, digest: bytes, until: float, claims: Claims) -> None:
        with self._memo_lock:
            if len(self._memo) >= MEMO_SIZE:
                for oldest in list(self._memo)[: MEMO_SIZE // 4]:
                    del self._memo[oldest]
            self._memo[digest] = (until, claims)


def _parse(token: str) -> tuple[_Header, _Payload]:
    if len(token) > MAX_TOKEN_BYTES:
        raise InvalidTokenError("too long")
    segments = token.split(".")
    if len(segments) != 3:
        raise InvalidTokenError("not a compact JWS")
    unverified_header, unverified_payload, _signature = (_strict_base64url(segment) for segment in segments)
    try:
        members = msgspec.json.decode(unverified_header, type=dict[str, Any])
        header = msgspec.convert(members, _Header)
        payload = msgspec.json.decode(unverified_payload, type=_Payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise InvalidTokenError("not a JWT") from error
    if _FORBIDDEN_HEADERS & members.keys():
        raise InvalidTokenError("header")
    return header, payload


def _strict_base64url(segment: str) -> bytes:
    """Decode base64url without padding, refusing every other spelling of the same bytes (RFC 7515 section 2)."""
    if not _SEGMENT.fullmatch(segment):
        raise InvalidTokenError("not base64url")
    try:
        decoded = urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except ValueError as error:
        raise InvalidTokenError("not base64url") from error
    if urlsafe_b64encode(decoded).rstrip(b"=").decode() != segment:
        raise InvalidTokenError("not canonical base64url")
    return decoded
