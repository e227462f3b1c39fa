"""Reads the answers of token endpoints (RFC 6749 sections 5.1 and 5.2), member by member.

Nothing that was obtained is thrown away: an odd member is passed over and the rest is read, because a rotated refresh
token cannot be had again. Numbers may be strings or floats, text may be in another encoding, and the answer may be a
form, as GitHub's is.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any, Final
from urllib.parse import parse_qsl

from vault_service.adapters.provider.dialect import Dialect, at_pointer, is_text
from vault_service.application.provider_errors import UnusableAnswerError
from vault_service.domain.grant import ObtainedToken, RefreshToken

LONGEST_LIFE: Final = 10 * 365 * 86400.0
"""Seconds. A longer life counts as ten years, because dates have an end."""
_LONGEST_INTEGER: Final = 18
_NO_END: Final = (None, 0.0, -1.0)
_REFRESH_LIVES: Final = ("refresh_expires_in", "refresh_token_expires_in", "x_refresh_token_expires_in")
_NO_TOKENS: Final = frozenset({"null", "none", "undefined", "nil"})
"""What careless servers write for a token that they do not give."""
_SENDABLE: Final = re.compile(r"[\x21-\x7e]+")
_REFRESH_TOKEN: Final = re.compile(r'"refresh_token"\s*:\s*("(?:[^"\\]|\\.)+")')

Members = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TokenResponse:
    """A successful answer. It contains tokens and prints as `***`. None: absent, or not readable."""

    access_token: str
    expires_in: float | None
    refresh_token: str | None
    refresh_expires_in: float | None
    scopes: frozenset[str] | None
    id_token: str | None
    session_state: str | None

    def __repr__(self) -> str:
        return "***"

    @property
    def obtained(self) -> ObtainedToken | None:
        """The refresh token with what is known of it."""
        if self.refresh_token is None:
            return None
        return ObtainedToken(RefreshToken(self.refresh_token), self.refresh_expires_in, self.session_state)


def members_of(body: bytes) -> Members | None:
    """The members of a JSON object or of a form; None when the body is neither.

    The object may be the only entry of a list, or stand as JSON in a JSON string.
    """
    document = _json(body)
    if isinstance(document, str):
        document = _json(document.encode("utf-8", "replace"))
    if isinstance(document, list) and len(document) == 1:
        document = document[0]
    if isinstance(document, dict):
        return document
    if document is None and b"=" in body and not body.lstrip().startswith((b"<", b"{", b"[")):
        form = dict(parse_qsl(_text(body).strip()))
        return form if form.keys() & {"access_token", "refresh_token", "error"} else None
    return None


def read_tokens(body: bytes, members: Members | None, dialect: Dialect) -> TokenResponse | None:
    """The tokens in a success; None when it holds none at all.

    Raises UnusableAnswerError when it holds tokens of which the access token cannot be used.
    """
    found = _found(body, members, dialect)
    response = TokenResponse(
        access_token=found.get("access_token") if is_text(found.get("access_token")) else "",  # type: ignore[arg-type]
        expires_in=_life(found.get("expires_in")),
        refresh_token=_stored_text(found.get("refresh_token")),
        refresh_expires_in=_refresh_life(found),
        scopes=dialect.read(found.get("scope")),
        id_token=found.get("id_token") if is_text(found.get("id_token")) else None,
        session_state=found.get("session_state") if is_text(found.get("session_state")) else None,
    )
    if not response.access_token and response.refresh_token is None:
        return None
    if not _SENDABLE.fullmatch(response.access_token) or response.access_token.lower() in _NO_TOKENS:
        raise UnusableAnswerError("access_token", response.obtained)
    if not _is_bearer(found.get("token_type"), dialect):
        raise UnusableAnswerError("token_type", response.obtained)
    return response


def _found(body: bytes, members: Members | None, dialect: Dialect) -> Members:
    if members is None:  # broken JSON can hold the whole refresh token
        text = _text(body).lstrip()
        rescued = _REFRESH_TOKEN.search(text) if text.startswith("{") else None
        return {} if rescued is None else {"refresh_token": _decoded(rescued[1])}
    nested = at_pointer(members, dialect.tokens_at) if dialect.tokens_at else None
    return {**members, **nested} if isinstance(nested, dict) else members


def _is_bearer(token_type: Any, dialect: Dialect) -> bool:
    """True for Bearer in any case, and for a type that is absent or no text."""
    if not isinstance(token_type, str) or not token_type.strip():
        return True
    word = token_type.strip().lower()
    return word == "bearer" or word in dialect.bearer_words


def _stored_text(value: Any) -> str | None:
    """A refresh token: any text that can be sealed and says something."""
    if not isinstance(value, str) or not value.strip() or value.strip().lower() in _NO_TOKENS:
        return None
    return value if is_text(value.replace("\0", "-")) else None


def _refresh_life(found: Members) -> float | None:
    """Seconds that the refresh token lives; 0.0 for less than nothing: its end has passed.

    None for 0 (Keycloak) and -1 (a usual word for "never"), which mean no end, and where nothing readable is told.
    """
    told = (_seconds(found.get(name)) for name in _REFRESH_LIVES)
    seconds = next((each for each in told if each not in _NO_END), None)
    return None if seconds is None else max(seconds, 0.0)


def _life(value: Any) -> float | None:
    """Seconds of a life, at most ten years; None for 0, less, and what is no number."""
    seconds = _seconds(value)
    return seconds if seconds is not None and seconds > 0 else None


def _seconds(value: Any) -> float | None:
    """A number of seconds, at most ten years; None for what is no number."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return None
    return min(seconds, LONGEST_LIFE) if -inf <= seconds <= inf else None


def _json(body: bytes) -> Any:
    """The JSON value of a body in UTF-8, UTF-16, UTF-32 or Latin-1; None when there is none."""
    for content in (body, _text(body)):
        try:
            return json.loads(
                content,
                object_pairs_hook=_members,
                parse_int=_integer,
                parse_constant=lambda _: None,
                strict=False,
            )
        except (ValueError, RecursionError):
            continue
    return None


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object's members. Of one that is there twice the last counts, but null and an empty text replace nothing."""
    members: dict[str, Any] = {}
    for name, value in pairs:
        if name not in members or value not in (None, ""):
            members[name] = value
    return members


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _LONGEST_INTEGER else float(digits)


def _decoded(literal: str) -> Any:
    try:
        return json.loads(literal, strict=False)
    except ValueError:
        return None


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return body.decode("latin-1")
