"""ID tokens (OpenID Connect Core 1.0 section 3.1.3.7): the subject that logged in and consented.

An ID token comes over our own TLS connection to the token endpoint, in answer to our own request. The rules are
therefore wider than for a bearer token: an ID token may be long, its clock may differ by a configured skew, it needs no
`kid` where one key fits, and its algorithm is any asymmetric one that the server's metadata names. Unused claims are
not checked.
"""

import hmac
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import msgspec

from service_kit.tokens import jwt, signatures
from service_kit.tokens.issuer import Issuer
from service_kit.tokens.jwt import InvalidTokenError, UnknownKeyError
from service_kit.tokens.signatures import PublicKey

T = TypeVar("T")
MAX_BYTES: Final = 256 * 1024
USUAL_SKEW_SECONDS: Final = 60.0
_DEFAULT_ALGORITHM: Final = "RS256"
"""Of a server whose metadata names none (OpenID Connect Registration 1.0 section 2)."""


@dataclass(frozen=True, slots=True)
class Expected:
    """The expected values of an ID token. algorithms: those allowed, None: by the server's metadata; clock_skew:
    seconds; clock: seconds since the epoch.
    """

    client_id: str
    nonce: str
    algorithms: frozenset[str] | None = None
    clock_skew: float = USUAL_SKEW_SECONDS
    clock: Callable[[], float] = time.time


class IdTokenHeader(msgspec.Struct, frozen=True):
    alg: str
    kid: str | None = None
    typ: str = "JWT"


class _IdTokenPayload(msgspec.Struct, frozen=True):
    """The claims that are used; msgspec refuses other types, NaN and infinities."""

    iss: str
    sub: str
    aud: str | list[str]
    exp: float
    iat: float = 0.0
    nbf: float = 0.0
    azp: str = ""
    typ: str = ""
    nonce: str = ""


def verify(id_token: str, issuer: Issuer, expected: Expected) -> str:
    """The `sub` of an ID token for this client and this nonce.

    Raises InvalidTokenError, whose text names the check that failed, or IssuerUnavailableError if the issuer's keys
    were never fetched.
    """
    header, payload = signed(id_token, issuer, expected.algorithms, _IdTokenPayload, is_direct=True)
    if header.typ.upper() != "JWT" or payload.typ not in {"", "ID"} or payload.azp not in {"", expected.client_id}:
        raise InvalidTokenError("not an ID token of this client")
    _check(payload, issuer.url, expected, expected.clock())
    if not hmac.compare_digest(payload.nonce.encode(), expected.nonce.encode()):
        raise InvalidTokenError("nonce")
    return payload.sub


def signed(
    token: str, issuer: Issuer, algorithms: frozenset[str] | None, shape: type[T], *, is_direct: bool
) -> tuple[IdTokenHeader, T]:
    """Header and payload of a token that the issuer has signed for its clients by one of these algorithms.

    algorithms: None for those of the server's metadata; is_direct: True when the token came from the issuer itself, in
    answer to our request. Raises InvalidTokenError, IssuerUnavailableError.
    """
    unverified_header, document, signature = jwt.segments(token, MAX_BYTES)
    header = _converted(jwt.header_members(unverified_header), IdTokenHeader, "header")
    if header.alg not in _allowed(issuer, algorithms):
        raise InvalidTokenError("algorithm")
    content = token.rpartition(".")[0].encode()
    keys = _keys(issuer, header, is_direct=is_direct)
    if not any(signatures.is_valid(header.alg, key, content, signature) for key in keys):
        raise InvalidTokenError("signature")
    return header, jwt.parsed(document, shape)


def _allowed(issuer: Issuer, algorithms: frozenset[str] | None) -> frozenset[str]:
    """The asymmetric algorithms that this server may use."""
    named = algorithms or frozenset(issuer.metadata().id_token_algorithms) or {_DEFAULT_ALGORITHM}
    return signatures.ALGORITHMS & named


def _keys(issuer: Issuer, header: IdTokenHeader, *, is_direct: bool) -> Sequence[PublicKey]:
    """The keys that may have signed the token. Without `kid` there must be exactly one that fits.

    Several keys can have one id. When no key fits a token that came directly from the issuer, the issuer has a new one.
    """
    found = issuer.signing_keys(header.alg, header.kid)
    if not found:
        issuer.look_again(at_once=is_direct)
        found = issuer.signing_keys(header.alg, header.kid)
    if not found:
        raise UnknownKeyError("unknown key")
    if header.kid is None and len(found) > 1:
        raise InvalidTokenError("no key id, and several keys fit")
    return found


def _check(payload: _IdTokenPayload, issuer: str, expected: Expected, now: float) -> None:
    audiences = [payload.aud] if isinstance(payload.aud, str) else payload.aud
    faults = {
        "issuer": payload.iss != issuer,
        "audience": expected.client_id not in audiences,
        "subject": not payload.sub or "\0" in payload.sub,
    }
    for name, wrong in faults.items():
        if wrong:
            raise InvalidTokenError(name)
    jwt.check_times(payload, now, expected.clock_skew)


def _converted(members: dict[str, Any], shape: type[IdTokenHeader], fault: str) -> IdTokenHeader:
    try:
        return msgspec.convert(members, shape)
    except msgspec.ValidationError as error:
        raise InvalidTokenError(fault) from error
