"""Sorts refusals of a token endpoint (RFC 6749 section 5.2) by what they mean for the token that was sent.

The error word decides, with the status where there is no word. Members beside it never decide: a description that is
null, in an odd encoding or an object changes nothing.
"""

import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from vault_service.adapters.provider.answers import Members
from vault_service.adapters.provider.dialect import Dialect
from vault_service.application.provider_errors import (
    BusyError,
    GrantRefusedError,
    ProviderError,
    RefusedForNowError,
    ScopeRefusedError,
    UncertainError,
    VaultClientRefusedError,
)
from vault_service.domain.grant import Failure, FailureDetail

CLIENT_REFUSED_PAUSE: Final = 30.0
UNREADABLE_WORD: Final = "unreadable"
_WORD: Final = re.compile(r"[a-z0-9_.:-]{1,64}")
_SHORTEST_SECRET: Final = 8
_ERROR_NAMES: Final = ("error", "errorCode", "error_code", "errorcode", "errcode", "errors")
_INNER_NAMES: Final = ("error", "errorCode", "error_code", "status", "type", "code", "reason")
_NO_ERROR: Final = frozenset({"", "0", "none", "ok", "success", "false", "null"})
_FINAL: Final = {
    "invalid_grant": Failure.REAUTHORIZATION_REQUIRED,
    "bad_refresh_token": Failure.REAUTHORIZATION_REQUIRED,  # GitHub, in a 200
    "invalid_refresh_token": Failure.REAUTHORIZATION_REQUIRED,  # Slack, in a 200
    "bad_verification_code": Failure.REAUTHORIZATION_REQUIRED,  # GitHub, for a code
    "token_revoked": Failure.TOKEN_REVOKED,
    "refresh_token_revoked": Failure.TOKEN_REVOKED,
    "token_expired": Failure.TOKEN_EXPIRED,
    "expired_token": Failure.TOKEN_EXPIRED,
    "refresh_token_expired": Failure.TOKEN_EXPIRED,
}
_CLIENT: Final = frozenset(
    {"invalid_client", "unauthorized_client", "unsupported_grant_type", "invalid_client_id", "bad_client_secret"}
    | {"incorrect_client_credentials"}
)
_LATER: Final = frozenset(
    {"temporarily_unavailable", "slow_down", "authorization_pending", "too_many_requests", "toomanyrequests"}
    | {
        "rate_limit",
        "rate_limited",
        "ratelimited",
        "rate_limit_exceeded",
        "ratelimit_exceeded",
        "request_limit_exceeded",
    }
    | {"throttled", "quota_exceeded", "service_unavailable", "resource_exhausted", "unavailable", "try_again_later"}
)
"""The server has not handled the request."""
_TROUBLE: Final = frozenset(
    {"server_error", "internal_error", "internal_server_error", "internal_failure", "backend_error", "internal"}
    | {"timeout", "gateway_timeout", "bad_gateway", "fatal_error"}
)
"""It is unknown whether the server has handled the request."""
# Error descriptions of Keycloak 26 for a refresh token; RFC 6749 has only `invalid_grant`.
_DESCRIBED: Final = {
    "Offline user session not found": Failure.TOKEN_REVOKED,
    "Session not active": Failure.TOKEN_EXPIRED,
    "Token is not active": Failure.TOKEN_EXPIRED,
    "Offline session not active": Failure.TOKEN_EXPIRED,
    "Stale token": Failure.TOKEN_REVOKED,
}
_NO_CONSENT: Final = "no longer has requested consent from user"
_WORDLESS_REFUSALS: Final = frozenset({400, 403, 422})
REVOKED_ALREADY: Final = frozenset({"invalid_token", "invalid_grant", "token_revoked", "token_expired"})
"""What a revocation endpoint says of a token that it does not know any more."""
_BUSY, _UNAUTHORIZED, _SERVER_FAULT = frozenset({429, 503}), 401, 500


def error_word(members: Members | None, sent: Collection[str]) -> str | None:
    """The error word of an answer, None when it has none.

    sent: the values of the request; a word that repeats one of them is not told.
    """
    word = _first_word(members or {}, _ERROR_NAMES)
    if word is None:
        return "not_ok" if members is not None and members.get("ok") is False else None
    secrets = [value.lower() for value in sent if len(value) >= _SHORTEST_SECRET]
    is_telling = _WORD.fullmatch(word) and not any(secret in word or word in secret for secret in secrets)
    return word if is_telling or word in _FINAL else UNREADABLE_WORD


def refusal(  # noqa: PLR0911 - a table in the order of what decides
    status: int,
    headers: Mapping[str, str],
    members: Members | None,
    form: Mapping[str, str],
    dialect: Dialect,
) -> ProviderError:
    """The error for an answer that is no success. form: the request."""
    word = error_word(members, form.values())
    detail = FailureDetail(status, word)
    description = (members or {}).get("error_description")
    description = description if isinstance(description, str) else ""
    if word in _FINAL or word in dialect.refusals:
        failure = _DESCRIBED.get(description) or _FINAL.get(word or "", Failure.REAUTHORIZATION_REQUIRED)
        return GrantRefusedError(failure, detail)
    if word == "invalid_scope":
        is_the_grants = "scope" not in form or description.endswith(_NO_CONSENT)
        return (
            GrantRefusedError(Failure.REAUTHORIZATION_REQUIRED, detail) if is_the_grants else ScopeRefusedError(detail)
        )
    if word in _CLIENT or (word is None and status == _UNAUTHORIZED):
        return VaultClientRefusedError(word or f"http_{status}", CLIENT_REFUSED_PAUSE, detail)
    if status in _BUSY or word in _LATER or word in dialect.later:
        return BusyError(f"the server answered {status}", retry_after(headers), detail)
    if word in _TROUBLE or status >= _SERVER_FAULT:
        return UncertainError(f"the server answered {status}", detail)
    if word is not None or status in _WORDLESS_REFUSALS:
        return RefusedForNowError(word or f"http_{status}", detail)
    return UncertainError(f"the server answered {status}", detail)


def retry_after(headers: Mapping[str, str]) -> float:
    """Seconds from a Retry-After header (RFC 9110 section 10.2.3), from 1 to 300; 5 for nonsense."""
    value = headers.get("Retry-After", "").strip()
    try:
        seconds = float(value) if value.isascii() and value.isdecimal() else _seconds_until(value, headers.get("Date"))
    except (ValueError, TypeError, OverflowError):
        return 5.0
    return min(max(seconds, 1.0), 300.0)


def _seconds_until(date: str, since: str | None) -> float:
    """since: when the answer was sent, by the same clock; a machine's own clock may differ from it."""
    return (_moment(date) - (_moment(since) if since else datetime.now(UTC))).total_seconds()


def _moment(date: str) -> datetime:
    moment = parsedate_to_datetime(date)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _first_word(members: Members, names: Collection[str]) -> str | None:
    return next(filter(None, (_word(members.get(name)) for name in names)), None)


def _word(value: Any) -> str | None:
    """The word in an error member: its text or number, or that of the object or list that it is."""
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, dict):
        return next(filter(None, (_plain(value.get(name)) for name in _INNER_NAMES)), None)
    return _plain(value)


def _plain(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    word = str(value).strip().lower()
    return None if word in _NO_ERROR else word
