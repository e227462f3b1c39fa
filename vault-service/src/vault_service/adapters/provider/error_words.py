"""Finds what an answer of a token endpoint says has gone wrong: the error word, and whom its text blames.

RFC 6749 section 5.2 has `error` and `error_description`. Other servers name them otherwise, nest them in an object or
a list, or write the HTTP status there. Texts count only where no known word decides.
"""

import re
from collections.abc import Collection, Iterator
from enum import Enum, auto
from http import HTTPStatus
from typing import Any, Final

from vault_service.adapters.provider.answers import Members

UNREADABLE_WORD: Final = "unreadable"
_WORD: Final = re.compile(r"[a-z0-9_.:-]{1,64}")
_SHORTEST_SECRET: Final = 8
_NO_SECRETS: Final = frozenset({"refresh_token", "authorization_code"})
"""Values of the requests that a word may repeat."""
_ERROR_NAMES: Final = ("error", "errorcode", "error_code", "errcode", "errors")
_NAMES_IN_FAILURES: Final = (*_ERROR_NAMES, "errortype", "error_type", "__type", "code", "status")
"""In lower case. A success can have a `code` or a `status` that means no error."""
_INNER_NAMES: Final = (
    *("error", "errorcode", "error_code", "errortype", "status", "type", ".tag", "__type", "code", "reason"),
)
_NO_ERROR: Final = frozenset({"", "0", "none", "ok", "success", "error", "fail", "failed", "false", "null"})
_TEXT_NAMES: Final = (
    *("error_description", "message", "error_message", "errormessage", "errmsg", "msg", "description", "detail"),
    *("details", "reason", "error_summary", "errorsummary", "title", "error"),
)
_PLACE_NAMES: Final = ("resource", "field", "code")
_LONGEST_TEXT: Final = 400
_BAD: Final = (
    r"(?:invalid|incorrect|wrong|bad|unknown|expired|revoked|not valid|no longer valid|not found|not recogni[sz]ed"
    r"|does not exist|already used|not active|inactive|disabled|deleted|mismatch)"
)
_TOKEN: Final = re.compile(
    rf"\brefresh[ _-]?token\b\W+(?:\w+\W+){{0,3}}?{_BAD}\b"
    rf"|\b{_BAD}\W+(?:(?!request|parameter)\w+\W+){{0,2}}?refresh[ _-]?token\b"
)
_CLIENT_NAME: Final = r"(?:client|application|app)(?:[ _-]?(?:id|secret|credentials?|authentication))?"
_CLIENT: Final = re.compile(
    rf"\b{_CLIENT_NAME}\b\W+(?:\w+\W+){{0,3}}?(?:{_BAD}|failed)\b|\b{_BAD}\W+(?:\w+\W+){{0,1}}?{_CLIENT_NAME}\b"
)
_ABOUT_GRANT_TYPES: Final = re.compile(r"grant.?type|authorization grant '")


class Blamed(Enum):
    """Whom a text blames."""

    TOKEN = auto()
    CLIENT = auto()


def error_word(members: Members | None, sent: Collection[str], status: int = HTTPStatus.OK) -> str | None:
    """The error word of an answer, None when it has none.

    sent: the values of the request; a word that repeats one of them is not told. A word that only repeats the status,
    as a number or as its phrase, is none.
    """
    known = _lowered(members)
    is_success = HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES
    names = _ERROR_NAMES if is_success else _NAMES_IN_FAILURES
    words = (_word(known.get(name), status) for name in names)
    word = next(filter(None, words), None)
    if word is None:
        return "not_ok" if known.get("ok") is False else None
    secrets = [value.lower() for value in sent if len(value) >= _SHORTEST_SECRET and value not in _NO_SECRETS]
    is_long = len(word) >= _SHORTEST_SECRET
    repeats_one = any(secret in word or (is_long and word in secret) for secret in secrets)
    return word if _WORD.fullmatch(word) and not repeats_one else UNREADABLE_WORD


def blamed(members: Members | None) -> Blamed | None:
    """Whom the texts of an answer blame: "Invalid refresh token", "client secret expired". None: nobody, or unclear."""
    texts = list(_texts(members))
    if any(_TOKEN.search(text) for text in texts):
        return Blamed.TOKEN
    return Blamed.CLIENT if any(_CLIENT.search(text) for text in texts) else None


def _texts(members: Members | None) -> Iterator[str]:
    known = _lowered(members)
    nested = [_first(known.get("error")), _first(known.get("errors"))]
    inner = [_lowered(each) for each in nested if isinstance(each, dict)]
    values = [each.get(name) for each in (known, *inner) for name in _TEXT_NAMES]
    values += [" ".join(str(each.get(name) or "") for name in _PLACE_NAMES) for each in inner]
    for value in values:
        text = value[:_LONGEST_TEXT].lower() if isinstance(value, str) else ""
        if text and not _ABOUT_GRANT_TYPES.search(text):
            yield text


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value else value


def _lowered(members: Members | None) -> dict[str, Any]:
    """The members by their names in lower case; the first of several counts."""
    lowered: dict[str, Any] = {}
    for name, value in (members or {}).items():
        lowered.setdefault(name.lower(), value)
    return lowered


def _word(value: Any, status: int) -> str | None:
    """The word in an error member: its text or number, or that of the object or list that it is."""
    value = _first(value)
    if isinstance(value, dict):
        known = _lowered(value)
        return next(filter(None, (_plain(known.get(name), status) for name in _INNER_NAMES)), None)
    return _plain(value, status)


def _plain(value: Any, status: int) -> str | None:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    word = str(value).strip().lower()
    return None if word in _NO_ERROR or _repeats(word, status) else word


def _repeats(word: str, status: int) -> bool:
    """True for a word that says no more than the HTTP status."""
    if word == str(status):
        return True
    try:
        phrase = HTTPStatus(status).phrase.lower()
    except ValueError:
        return False
    return re.sub(r"[\s_-]+", " ", word) == phrase
