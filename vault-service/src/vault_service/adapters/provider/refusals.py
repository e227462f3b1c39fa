"""Sorts refusals of a token endpoint (RFC 6749 section 5.2) by what they mean for the token that was sent.

A known error word decides, with the status where there is no word. A text beside it counts only where the word is not
known: some servers tell in a sentence alone that the refresh token, or the client, is refused.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from vault_service.adapters.provider.answers import Members
from vault_service.adapters.provider.dialect import Dialect
from vault_service.adapters.provider.error_words import Blamed, blamed, error_word
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
    | {"incorrect_client_credentials", "deleted_client", "disabled_client"}
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
    | {"timeout", "gateway_timeout", "bad_gateway", "fatal_error", "unknown_error"}
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


def refusal(  # noqa: PLR0911 - a table in the order of what decides
    status: int,
    headers: Mapping[str, str],
    members: Members | None,
    form: Mapping[str, str],
    dialect: Dialect,
) -> ProviderError:
    """The error for an answer that is no success. form: the request."""
    word = error_word(members, form.values(), status)
    detail = FailureDetail(status, word)
    if word in _FINAL or word in dialect.refusals:
        failure = _DESCRIBED.get(_description(members)) or _FINAL.get(word or "", Failure.REAUTHORIZATION_REQUIRED)
        return GrantRefusedError(failure, detail)
    if word == "invalid_scope":
        is_the_grants = "scope" not in form or _description(members).endswith(_NO_CONSENT)
        return (
            GrantRefusedError(Failure.REAUTHORIZATION_REQUIRED, detail) if is_the_grants else ScopeRefusedError(detail)
        )
    blame = _blame(status, members, word, dialect)
    if blame is Blamed.TOKEN:
        return GrantRefusedError(Failure.REAUTHORIZATION_REQUIRED, FailureDetail(status, word, "error_text"))
    if word in _CLIENT or blame is Blamed.CLIENT or (word is None and status == _UNAUTHORIZED):
        return VaultClientRefusedError(word or f"http_{status}", CLIENT_REFUSED_PAUSE, detail)
    if status in _BUSY or word in _LATER or word in dialect.later:
        return BusyError(f"the server answered {status}", retry_after(headers), detail)
    if word in _TROUBLE or status >= _SERVER_FAULT:
        return UncertainError(f"the server answered {status}", detail)
    if word is not None or status in _WORDLESS_REFUSALS:
        return RefusedForNowError(word or f"http_{status}", detail)
    return UncertainError(f"the server answered {status}", detail)


def _blame(status: int, members: Members | None, word: str | None, dialect: Dialect) -> Blamed | None:
    """Whom the answer's texts blame, where no known word and no status says more.

    `unauthorized_client` is both: Atlassian writes "refresh_token is invalid" beside it.
    """
    is_known = word in _CLIENT - {"unauthorized_client"} or word in _LATER or word in _TROUBLE or word in dialect.later
    return None if is_known or status in _BUSY or status >= _SERVER_FAULT else blamed(members)


def _description(members: Members | None) -> str:
    description = (members or {}).get("error_description")
    return description if isinstance(description, str) else ""


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
