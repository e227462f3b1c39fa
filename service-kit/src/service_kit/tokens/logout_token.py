"""Logout tokens (OpenID Connect Back-Channel Logout 1.0 section 2.4): whose login has ended, or which.

The rules are those of section 2.6. Whether a token was received before is for the caller to know. Anybody may send one:
unlike an ID token, it makes this service fetch the issuer's keys at most once in 30 s.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from service_kit.tokens.id_token import USUAL_SKEW_SECONDS, signed
from service_kit.tokens.issuer import Issuer
from service_kit.tokens.jwt import MAX_TOKEN_BYTES, InvalidTokenError, check_times

EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"
REVOKE_OFFLINE: Final = "revoke_offline_access"
"""Keycloak's event beside it: offline tokens end, too."""
MAX_AGE_SECONDS: Final = 600.0
"""How long ago a token may have been made: its sender has no reason to keep it."""
_TYPES: Final = frozenset({"JWT", "LOGOUT+JWT", "APPLICATION/LOGOUT+JWT"})


@dataclass(frozen=True, slots=True)
class ExpectedLogout:
    """The expected values of a logout token. algorithms: those allowed, None: by the server's metadata; clock_skew:
    seconds; clock: seconds since the epoch.
    """

    client_id: str
    algorithms: frozenset[str] | None = None
    clock_skew: float = USUAL_SKEW_SECONDS
    clock: Callable[[], float] = time.time


@dataclass(frozen=True, slots=True)
class Logout:
    """A logout. subject, session: at least one; both together mean this session of this person.

    token_id: its `jti`; ends_offline: True when offline tokens end, too; expires_at: epoch seconds, after which a
    repetition is refused by its age.
    """

    token_id: str
    subject: str | None
    session: str | None
    ends_offline: bool
    expires_at: float


class _LogoutPayload(msgspec.Struct, frozen=True):
    """The claims that are used; msgspec refuses other types, NaN and infinities."""

    iss: str
    aud: str | list[str]
    iat: float
    exp: float
    jti: str
    events: dict[str, Any]
    sub: str | None = None
    sid: str | None = None
    nbf: float = 0.0
    typ: str = ""
    nonce: Any = msgspec.UNSET


def verify(token: str, issuer: Issuer, expected: ExpectedLogout) -> Logout:
    """The logout that a token tells of.

    Raises InvalidTokenError, whose text names the check that failed, or IssuerUnavailableError if the issuer's keys
    were never fetched.
    """
    if len(token) > MAX_TOKEN_BYTES:
        raise InvalidTokenError("too long")
    header, payload = signed(token, issuer, expected.algorithms, _LogoutPayload, is_direct=False)
    if header.typ.upper() not in _TYPES or payload.typ not in {"", "Logout"}:
        raise InvalidTokenError("not a logout token")
    _check(payload, issuer.url, expected, expected.clock())
    return Logout(
        token_id=payload.jti,
        subject=payload.sub,
        session=payload.sid,
        ends_offline=payload.events.get(REVOKE_OFFLINE, False) is not False,
        expires_at=min(payload.exp, payload.iat + MAX_AGE_SECONDS) + expected.clock_skew,
    )


def _check(payload: _LogoutPayload, issuer: str, expected: ExpectedLogout, now: float) -> None:
    """Section 2.6, steps 4 to 7."""
    audiences = [payload.aud] if isinstance(payload.aud, str) else payload.aud
    named = [name for name in (payload.sub, payload.sid) if name is not None]
    skew = expected.clock_skew
    faults = {
        "issuer": payload.iss != issuer,
        "audience": expected.client_id not in audiences,
        "too old": payload.iat < now - MAX_AGE_SECONDS - skew,
        "neither sub nor sid": not named or not all(named),
        "zero byte": "\0" in "".join((*named, payload.jti)),
        "jti": not payload.jti,
        "events": not isinstance(payload.events.get(EVENT), dict),
        "nonce": payload.nonce is not msgspec.UNSET,
    }
    for name, wrong in faults.items():
        if wrong:
            raise InvalidTokenError(name)
    check_times(payload, now, skew)
