"""Verification of signed tokens: JWS (RFC 7515), JWT (RFC 7519), the advice of RFC 8725.

This is the only module in which python-jose verifies a token. By itself python-jose accepts tokens without `aud` or
`exp`, unknown `crit` members and lax base64, and confuses algorithms if several are allowed. This module prevents that:
one algorithm from configuration, strict base64url, no header members with keys, no duplicate members, the key chosen by
`kid` among the issuer's keys. Every failure is an `InvalidTokenError`.
"""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any, Final, Protocol, TypeVar

import msgspec
from jose import jws
from msgspec import UNSET, UnsetType

from service_kit.tokens.issuer import Issuer

MAX_TOKEN_BYTES: Final = 8192
LEEWAY_SECONDS: Final = 10
_ALL_TIMES: Final = 1 << 40
"""Seconds since the epoch that no clock shows: a time in milliseconds, or nonsense."""
_FORBIDDEN_HEADERS: Final = frozenset({"crit", "jwk", "jku", "x5u", "x5c", "b64", "zip", "enc"})
_SEGMENT: Final = re.compile(r"[A-Za-z0-9_-]+")

T = TypeVar("T")


class InvalidTokenError(Exception):
    """This service does not accept the token."""


class NotYetValidError(InvalidTokenError):
    """The token's time has not come. begins_in: seconds; is_dated_ahead: it was made in the future by our clock."""

    def __init__(self, begins_in: float, *, is_dated_ahead: bool) -> None:
        clock = ", and it was made in the future: its issuer's clock is ahead" if is_dated_ahead else ""
        super().__init__(f"not yet valid for {begins_in:.0f} s{clock}")
        self.begins_in, self.is_dated_ahead = begins_in, is_dated_ahead


class ExpiredTokenError(InvalidTokenError):
    """The token has expired. since: how many seconds ago, by this service's clock."""

    def __init__(self, since: float) -> None:
        super().__init__(f"expired {since:.0f} s ago")
        self.since = since


class UnknownKeyError(InvalidTokenError):
    """None of the issuer's known keys has the token's `kid`."""


class JoseHeader(msgspec.Struct, frozen=True):
    alg: str
    kid: str
    typ: str = "JWT"


class Roles(msgspec.Struct, frozen=True):
    roles: frozenset[str] = frozenset()


class Times(Protocol):
    """The claims about time, in seconds since the epoch."""

    @property
    def exp(self) -> float: ...

    @property
    def iat(self) -> float: ...

    @property
    def nbf(self) -> float: ...


class Payload(msgspec.Struct, frozen=True):
    """The claims that are used; msgspec refuses other types, NaN and infinities."""

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
    nonce: str = ""
    resource_access: dict[str, Roles] = {}
    cnf: dict[str, Any] | UnsetType = UNSET


def verify(token: str, issuer: Issuer, audience: str, now: float) -> tuple[JoseHeader, Payload]:
    """Header and claims of a token that `issuer` signed for `audience` and that is valid at `now` (epoch seconds).

    The caller must check the type of the token. Raises InvalidTokenError, or IssuerUnavailableError if the issuer's
    keys were never fetched.
    """
    header, document = verify_signature(token, issuer)
    payload = parsed(document, Payload)
    _check(payload, issuer.url, audience, now)
    return header, payload


def verify_signature(token: str, issuer: Issuer) -> tuple[JoseHeader, bytes]:
    """Header and payload of a compact JWS that `issuer` signed, with any payload (RFC 7515 section 5.2).

    Raises the same errors as `verify`.
    """
    unverified_header, payload, _signature = segments(token, MAX_TOKEN_BYTES)
    header = _header(unverified_header)
    if header.alg != issuer.algorithm:
        raise InvalidTokenError("algorithm")
    key = issuer.key(header.kid)
    if key is None:
        raise UnknownKeyError("unknown key")
    try:
        jws.verify(token, key, algorithms=[issuer.algorithm])
    except Exception as error:  # a hostile token can make the library raise any error
        raise InvalidTokenError("signature") from error
    return header, payload


def segments(token: str, limit: int) -> tuple[bytes, bytes, bytes]:
    """Header, payload and signature of a compact JWS of at most `limit` bytes, decoded. Raises InvalidTokenError."""
    if len(token) > limit:
        raise InvalidTokenError("too long")
    encoded = token.split(".")
    if len(encoded) != 3:
        raise InvalidTokenError("not a compact JWS")
    header, payload, signature = (_strict_base64url(segment) for segment in encoded)
    return header, payload, signature


def _check(payload: Payload, issuer: str, audience: str, now: float) -> None:
    audiences = [payload.aud] if isinstance(payload.aud, str) else payload.aud
    faults = {
        "issuer": payload.iss != issuer,
        "audience": audience not in audiences,
        "subject": not payload.sub
        or "\0" in f"{payload.sub}{payload.azp}{payload.client_id}",  # no text of PostgreSQL's
    }
    for name, wrong in faults.items():
        if wrong:
            raise InvalidTokenError(name)
    check_times(payload, now, LEEWAY_SECONDS)


def check_times(payload: Times, now: float, leeway: float) -> None:
    """RFC 7519 sections 4.1.4 to 4.1.6. now: epoch seconds; leeway: by how much the issuer's clock may differ.

    Raises NotYetValidError, ExpiredTokenError; InvalidTokenError for times that no clock shows.
    """
    begins = max(payload.nbf, payload.iat)
    if not all(abs(time) < _ALL_TIMES for time in (begins, payload.exp)):
        raise InvalidTokenError("beyond all times")
    if begins > now + leeway:
        raise NotYetValidError(begins - now, is_dated_ahead=payload.iat > now + leeway)
    if payload.exp <= now - leeway:
        raise ExpiredTokenError(now - payload.exp)


def header_members(unverified: bytes) -> dict[str, Any]:
    """The members of a header. Raises InvalidTokenError when one brings keys or changes how the token is read."""
    members = parsed(unverified, dict[str, Any])
    if _FORBIDDEN_HEADERS & members.keys():
        raise InvalidTokenError("header")
    return members


def _header(unverified: bytes) -> JoseHeader:
    try:
        return msgspec.convert(header_members(unverified), JoseHeader)
    except msgspec.ValidationError as error:
        raise InvalidTokenError("header") from error


def parsed(document: bytes, shape: type[T]) -> T:
    """A JSON object in the shape. Raises InvalidTokenError, also when a member is there twice."""
    try:
        value = msgspec.json.decode(document, type=shape)
        json.loads(document, object_pairs_hook=_unique)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise InvalidTokenError("not a JWT") from error
    return value


def _unique(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object's members. Duplicates are refused, because parsers read them differently (RFC 7515 section 4)."""
    named = dict(members)
    if len(named) != len(members):
        raise InvalidTokenError("duplicate member")
    return named


def _strict_base64url(segment: str) -> bytes:
    """Decode base64url without padding; every other encoding of the same bytes is refused (RFC 7515 section 2)."""
    if not _SEGMENT.fullmatch(segment):
        raise InvalidTokenError("not base64url")
    try:
        decoded = urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except ValueError as error:
        raise InvalidTokenError("not base64url") from error
    if urlsafe_b64encode(decoded).rstrip(b"=").decode() != segment:
        raise InvalidTokenError("not canonical base64url")
    return decoded
