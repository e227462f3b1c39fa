"""Posts to an authorization server's back channel, and reads its answers (RFC 6749 sections 5.1 and 5.2).

Each failure is sorted by what it means for the token that was sent: refused, certainly not used, or unknown. A request
is never repeated here. It leaves within `LEAVE_WITHIN` seconds or not at all, and has ended after `TOTAL_TIMEOUT`.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from time import monotonic
from typing import Final
from urllib.parse import urlencode

from urllib3 import Timeout
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationValueError,
    NewConnectionError,
    ProxyError,
    SSLError,
)
from urllib3.util import make_headers

from service_kit.outbound.bounded import read_body
from service_kit.outbound.time_limits import TooLateError, Watch
from vault_service.adapters.provider.answers import TokenResponse, members_of, read_tokens
from vault_service.adapters.provider.client_authentication import ClientAuthentication
from vault_service.adapters.provider.dialect import Dialect
from vault_service.adapters.provider.error_words import blamed, error_word
from vault_service.adapters.provider.limited_session import LimitedSession
from vault_service.adapters.provider.refusals import REVOKED_ALREADY, refusal, retry_after
from vault_service.application.provider_errors import (
    BusyError,
    GrantRefusedError,
    LateError,
    NotSentError,
    ProviderError,
    RevocationRefusedError,
    UncertainError,
    UnusableAnswerError,
    VaultClientRefusedError,
)
from vault_service.domain.grant import Failure, FailureDetail

CONNECT_TIMEOUT: Final = 2.0
LEAVE_WITHIN: Final = 2.4
READ_TIMEOUT: Final = 12.5
TOTAL_TIMEOUT: Final = 14.5
"""A request that leaves at the last moment gives the server 12 seconds to answer, which Keycloak can need."""
MAX_ANSWER_BYTES: Final = 256 * 1024
_TIMEOUT: Final = Timeout(connect=CONNECT_TIMEOUT, read=READ_TIMEOUT)
_BODILESS: Final = frozenset({204, 304})
_COMES_LATER: Final = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class EndpointReply:
    """An answer that was read whole."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def is_success(self) -> bool:
        """True for every 2xx."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES


class TokenEndpoint:
    """Sends requests as one client of one server."""

    def __init__(
        self, session: LimitedSession, authentication: ClientAuthentication, dialect: Dialect | None = None
    ) -> None:
        """dialect: how the server's answers differ from the standard; None: they do not."""
        self._session = session
        self._watch = Watch()
        self._authentication = authentication
        self._dialect = dialect or Dialect()

    def tokens(self, url: str, form: Mapping[str, str], begun: float | None = None) -> tuple[TokenResponse, float]:
        """Request tokens. Returns the answer and the seconds that it took. Raises ProviderError.

        begun: monotonic time from which the request's deadlines count; the default is now.
        """
        started = monotonic()
        reply = self._post(url, form, begun)
        members = members_of(reply.body)
        if not reply.is_success:
            raise refusal(reply.status, reply.headers, members, form, self._dialect)
        answer = read_tokens(reply.body, members, self._dialect)
        word = error_word(members, form.values())
        if answer is None and (word is not None or blamed(members) is not None):
            raise refusal(reply.status, reply.headers, members, form, self._dialect)
        if answer is None:
            raise UncertainError("no_tokens", FailureDetail(reply.status, check="no_tokens"))
        if word is not None:
            raise UnusableAnswerError("error_beside_tokens", answer.obtained)
        return answer, monotonic() - started

    def revoke(self, url: str, form: Mapping[str, str]) -> None:
        """Revoke a token (RFC 7009 section 2). Every 2xx is a success.

        Raises GrantRefusedError when the server does not know the token, RevocationRefusedError when it will not revoke
        it, and another ProviderError when it may revoke it later.
        """
        reply = self._post(url, form, None)
        members = members_of(reply.body)
        word = error_word(members, form.values(), reply.status)
        detail = FailureDetail(reply.status, word)
        if word in REVOKED_ALREADY:
            raise GrantRefusedError(Failure.TOKEN_REVOKED, detail)
        if reply.is_success:
            return
        if reply.status in _COMES_LATER:
            raise BusyError(f"the server answered {reply.status}", retry_after(reply.headers), detail)
        failure = refusal(reply.status, reply.headers, members, form, self._dialect)
        if isinstance(failure, (VaultClientRefusedError, GrantRefusedError)):  # a secret can be mended; a token is gone
            raise failure
        if HTTPStatus.BAD_REQUEST <= reply.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            raise RevocationRefusedError(detail)
        raise UncertainError(f"the server answered {reply.status}", detail)

    def fetch(self, url: str, access_token: str) -> bytes:
        """The body of a resource that the access token opens (RFC 6750 section 2.1). Raises ProviderError."""
        headers = {"Authorization": f"Bearer {access_token}", "Accept": "application/json"}
        try:
            reply = self._send("GET", url, headers, monotonic())
        except (HTTPError, OSError, TooLateError) as error:
            raise UncertainError(f"no whole answer: {type(error).__name__}") from None
        if reply.status != HTTPStatus.OK:
            raise UncertainError(f"the server answered {reply.status}", FailureDetail(reply.status, check="account"))
        return reply.body

    def _post(self, url: str, form: Mapping[str, str], begun: float | None) -> EndpointReply:
        proof = self._authentication.proof(url)
        headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
        if proof.basic is not None:
            headers |= make_headers(basic_auth=":".join(proof.basic))
        body = urlencode({**form, **proof.form})
        try:
            return self._send("POST", url, headers, monotonic() if begun is None else begun, body)
        except TooLateError:
            raise LateError("it would have left too late", 1.0) from None
        except (HTTPError, OSError) as error:
            raise _unanswered(error) from None

    def _send(
        self, method: str, url: str, headers: Mapping[str, str], begun: float, body: str | None = None
    ) -> EndpointReply:
        with self._watch.limited(leave_by=begun + LEAVE_WITHIN, end_by=begun + TOTAL_TIMEOUT):
            answer = self._session.send(method, url, headers, _TIMEOUT, body)
            if answer.status < HTTPStatus.OK or answer.status in _BODILESS:
                answer.close()  # the connection with it: what may still come is not the answer to the next request
                return EndpointReply(answer.status, answer.headers, b"")
            try:
                return EndpointReply(answer.status, answer.headers, read_body(answer, MAX_ANSWER_BYTES))
            except BaseException:
                answer.close()  # the connection with it: the rest of the answer is not for the next request
                raise


def _unanswered(error: HTTPError | OSError) -> ProviderError:
    name = type(error).__name__
    if _nothing_left(error):
        return NotSentError(f"no connection: {name}", detail=FailureDetail(check=f"no_connection:{name}"))
    return UncertainError(f"no whole answer: {name}", FailureDetail(check=f"no_whole_answer:{name}"))


def _nothing_left(error: HTTPError | OSError) -> bool:
    """True when certainly no byte of the request has left this machine.

    Of the TLS errors only a refused certificate proves it: others can also come after the request was sent. A proxy
    that cannot be used was sent none of it either.
    """
    if isinstance(error, SSLError):
        return bool(error.args) and isinstance(error.args[0], ssl.SSLCertVerificationError)
    return isinstance(error, (NewConnectionError, ConnectTimeoutError, ProxyError, LocationValueError))
