"""The unverified claims of tokens that a token endpoint gave, read claim by claim.

A claim that cannot be read does not hide the others: each is compared by itself, and one that is there and cannot be
read equals nothing.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from vault_service.adapters.provider.dialect import is_text
from vault_service.domain.grant import UNREADABLE, TokenIdentity

_SEGMENTS: Final = 3
_CLIENT_NAMES: Final = ("azp", "client_id", "cid", "appid")
"""`azp` of OpenID Connect, `client_id` of RFC 9068, Okta's and Entra's names of it."""
_TWICE: Final = object()


@dataclass(frozen=True, slots=True)
class UnverifiedClaims:
    """Claims read from a token without verification.

    scope: as it stands there; issued_at, expires_at: Unix times; typ: Keycloak's kind of token.
    """

    identity: TokenIdentity
    scope: Any = None
    issued_at: float | None = None
    expires_at: float | None = None
    typ: str | None = None

    def life(self, now: float) -> float:
        """Seconds that the token lives from now on, 0 if it does not tell: never more than the server gave it.

        now: Unix time of this machine, whose clock may be behind the server's.
        """
        if self.expires_at is None:
            return 0.0
        return self.expires_at - max(now, self.issued_at or 0.0)


def read(token: str | None) -> UnverifiedClaims | None:
    """The claims of a JWT; None when the token is opaque."""
    segments = (token or "").split(".")
    if len(segments) != _SEGMENTS or not isinstance(_document(segments[0]), dict):
        return None
    payload = _document(segments[1])
    if not isinstance(payload, dict):
        return UnverifiedClaims(TokenIdentity(UNREADABLE, UNREADABLE, UNREADABLE))
    client = next((name for name in _CLIENT_NAMES if name in payload), "azp")
    typ = payload.get("typ")
    return UnverifiedClaims(
        identity=TokenIdentity(_text(payload, "iss"), _text(payload, "sub"), _text(payload, client)),
        scope=payload.get("scope", payload.get("scp")),
        issued_at=_moment(payload.get("iat")),
        expires_at=_moment(payload.get("exp")),
        typ=typ if isinstance(typ, str) else None,
    )


def _document(segment: str) -> Any:
    """The JSON value in a segment; None when there is none."""
    try:
        decoded = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
        return json.loads(decoded, object_pairs_hook=_members, parse_int=_number, strict=False)
    except (ValueError, RecursionError):
        return None


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object's members. One that is there twice, with different values, has no value that can be read."""
    members: dict[str, Any] = {}
    for name, value in pairs:
        members[name] = value if members.get(name, value) == value else _TWICE
    return members


def _text(payload: Mapping[str, Any], name: str) -> str:
    if name not in payload:
        return ""
    value = payload[name]
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if is_text(value) else UNREADABLE


def _number(digits: str) -> int | float:
    return int(digits) if len(digits) <= 18 else float(digits)


def _moment(value: Any) -> float | None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and 0 < value < 1 << 40 else None
