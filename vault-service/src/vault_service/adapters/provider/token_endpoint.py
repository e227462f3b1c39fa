"""Posts to an authorization server's back channel, and reads its answers (RFC 6749 sections 5.1 and 5.2).

Each failure is sorted by what it means for the token that was sent: refused, certainly not used, or unknown. A request
is never repeated here. It leaves within `LEAVE_WITHIN` seconds or not at all, and has ended after `TOTAL_TIMEOUT`.
"""

import ssl
from collections.abc import Mapping
from math import inf
from time import monotonic
from urllib.parse import quote

import msgspec
import requests
import urllib3
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from service_kit.outbound.session import bounded_body
from vault_service.adapters.provider.time_limits import LimitedSession, TooLateError, Watch
from vault_service.application.provider_errors import (
    GrantRefusedError,
    LateError,
    NotSentError,
    ProviderError,
    ScopeRefusedError,
    UncertainError,
    VaultClientRefusedError,
)
from vault_service.domain.grant import Failure

CONNECT_TIMEOUT = 2.0
LEAVE_WITHIN = 2.4
READ_TIMEOUT = 12.5
TOTAL_TIMEOUT = 14.5
"""A request that leaves at the last moment gives the server 12 seconds to answer, which Keycloak can need."""
MAX_ANSWER_BYTES = 256 * 1024
NUL = rb"\u0000"
"""NUL as JSON writes it. PostgreSQL stores no text that contains it."""
LONGEST_LIFE = 10 * 365 * 86400.0
"""Seconds. A longer life counts as ten years, because dates have an end."""
CLIENT_REFUSED_PAUSE = 30.0


class TokenResponse(msgspec.Struct, frozen=True):
    """A successful answer. It contains tokens and prints as `***`."""

    access_token: str
    token_type: str
    expires_in: float = 60.0
    refresh_token: str | None = None
    refresh_expires_in: float | None = None
    scope: str | None = None
    id_token: str | None = None
    session_state: str | None = None

    def __repr__(self) -> str:
        return "***"


class _ErrorResponse(msgspec.Struct, frozen=True):
    error: str
    error_description: str = ""


# Error descriptions of Keycloak 26 for a refresh token; RFC 6749 has only `invalid_grant`.
_FAILURES = {
    "Offline user session not found": Failure.TOKEN_REVOKED,
    "Session not active": Failure.TOKEN_EXPIRED,
    "Token is not active": Failure.TOKEN_EXPIRED,
    "Offline session not active": Failure.TOKEN_EXPIRED,
    "Stale token": Failure.TOKEN_REVOKED,
}
_NO_CONSENT = "no longer has requested consent from user"


class TokenEndpoint:
    """Posts forms as one client, authenticated by `client_secret_basic`."""

    def __init__(self, session: LimitedSession, client_id: str, client_secret: str) -> None:
        self._session = session
        self._watch = Watch()
        # RFC 6749 section 2.3.1: both are form-encoded before they are used as user name and password.
        self._credentials = (quote(client_id, safe=""), quote(client_secret, safe=""))

    def tokens(self, url: str, form: Mapping[str, str], begun: float | None = None) -> tuple[TokenResponse, float]:
        """Request tokens. Returns the answer and the seconds that it took. Raises ProviderError.

        begun: monotonic time from which the request's deadlines count; the default is now.
        """
        started = monotonic()
        body = self.post(url, form, begun)
        try:
            answer = msgspec.json.decode(body, type=TokenResponse)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise UncertainError("the answer is not that of a token endpoint") from error
        is_bearer = answer.token_type.lower() == "bearer" and answer.access_token
        if NUL in body or not is_bearer or not 0 < answer.expires_in < inf:
            raise UncertainError("the answer holds no usable bearer token")
        return _within_reason(answer), monotonic() - started

    def post(self, url: str, form: Mapping[str, str], begun: float | None = None) -> bytes:
        """Post the form and return the body of a 200. Raises ProviderError."""
        try:
            status, headers, body = self._send(url, form, monotonic() if begun is None else begun)
        except TooLateError:
            raise LateError("it would have left too late", 1.0) from None
        except requests.RequestException as error:
            if _nothing_left(error):
                raise NotSentError(f"no connection: {type(error).__name__}") from None
            raise UncertainError(f"no whole answer: {type(error).__name__}") from None
        if status == requests.codes.ok:
            return body
        raise _error(status, headers, body, asked_for_scope="scope" in form)

    def _send(self, url: str, form: Mapping[str, str], begun: float) -> tuple[int, Mapping[str, str], bytes]:
        with (
            self._watch.limited(leave_by=begun + LEAVE_WITHIN, end_by=begun + TOTAL_TIMEOUT),
            self._session.post(
                url,
                data=dict(form),
                auth=self._credentials,
                headers={"Accept": "application/json"},
                timeout=(CONNECT_TIMEOUT, READ_TIMEOUT),
                stream=True,
            ) as answer,
        ):
            return answer.status_code, answer.headers, bounded_body(answer, MAX_ANSWER_BYTES)


def _within_reason(answer: TokenResponse) -> TokenResponse:
    """The answer with lives that fit a date. A refresh token with a life of 0 (Keycloak) or less has no end."""
    refresh = answer.refresh_expires_in
    return msgspec.structs.replace(
        answer,
        expires_in=min(answer.expires_in, LONGEST_LIFE),
        refresh_expires_in=None if refresh is None or not refresh > 0 else min(refresh, LONGEST_LIFE),
    )


def _nothing_left(error: requests.RequestException) -> bool:
    """True when certainly no byte of the request has left this machine.

    Of the TLS errors only a refused certificate proves it: others can also come after the request was sent.
    """
    if isinstance(error, (requests.ConnectTimeout, requests.exceptions.InvalidURL)):
        return True
    cause = getattr(error.args[0], "reason", None) if error.args else None
    if isinstance(cause, urllib3.exceptions.SSLError):
        return bool(cause.args) and isinstance(cause.args[0], ssl.SSLCertVerificationError)
    return isinstance(cause, (NewConnectionError, ConnectTimeoutError))


def _error(status: int, headers: Mapping[str, str], body: bytes, *, asked_for_scope: bool) -> ProviderError:
    if status in {429, 503}:
        return NotSentError(f"the server answered {status}", _retry_after(headers))
    try:
        answer = msgspec.json.decode(body, type=_ErrorResponse)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return UncertainError(f"the server answered {status}")
    return _refusal(answer, asked_for_scope=asked_for_scope) or UncertainError(
        f"the server answered {status} {answer.error}"
    )


def _refusal(answer: _ErrorResponse, *, asked_for_scope: bool) -> ProviderError | None:
    match answer.error:
        case "invalid_grant":
            return GrantRefusedError(_FAILURES.get(answer.error_description, Failure.REAUTHORIZATION_REQUIRED))
        case "invalid_scope" if not asked_for_scope or answer.error_description.endswith(_NO_CONSENT):
            return GrantRefusedError(Failure.REAUTHORIZATION_REQUIRED)
        case "invalid_scope":
            return ScopeRefusedError(answer.error_description)
        case "invalid_client" | "unauthorized_client" | "unsupported_grant_type":
            return VaultClientRefusedError(answer.error, CLIENT_REFUSED_PAUSE)
        case _:
            return None


def _retry_after(headers: Mapping[str, str]) -> float:
    """Seconds from a Retry-After header (RFC 9110 section 10.2.3); 5 for a date or for nonsense."""
    value = headers.get("Retry-After", "")
    return min(max(float(value), 1.0), 300.0) if value.isdecimal() else 5.0
