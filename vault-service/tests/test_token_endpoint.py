"""The meaning of a token endpoint's answer for the token that was sent: refused, not used, or unknown."""

import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from vault_service.adapters.provider.answers import LONGEST_LIFE
from vault_service.adapters.provider.client_authentication import BasicSecret
from vault_service.adapters.provider.limited_session import LimitedSession
from vault_service.adapters.provider.refusals import retry_after
from vault_service.adapters.provider.token_endpoint import TokenEndpoint
from vault_service.application.provider_errors import (
    GrantRefusedError,
    NotSentError,
    ProviderError,
    ScopeRefusedError,
    UncertainError,
    VaultClientRefusedError,
)
from vault_service.domain.grant import Failure


@dataclass
class StubTokenServer:
    """A token endpoint that gives one prepared answer."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    promised: int | None = None
    hang_up: bool = False
    seen: list[str] = field(default_factory=list)
    url: str = ""

    def says(self, status: int, body: object, **headers: str) -> None:
        """Prepare an answer."""
        self.status, self.headers = status, headers
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()


@pytest.fixture
def server() -> Iterator[StubTokenServer]:
    """Listens on loopback."""
    prepared = StubTokenServer()

    class HttpHandler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            prepared.seen.append(self.headers["Authorization"])
            if prepared.hang_up:
                self.close_connection = True
                return
            self.send_response(prepared.status)
            for name, value in prepared.headers.items():
                self.send_header(name.replace("_", "-"), value)
            length = len(prepared.body) if prepared.promised is None else prepared.promised
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(prepared.body)
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    listening = ThreadingHTTPServer(("127.0.0.1", 0), HttpHandler)
    prepared.url = f"http://127.0.0.1:{listening.server_port}/token"
    thread = threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield prepared
    listening.shutdown()
    listening.server_close()


@pytest.fixture
def endpoint() -> Iterator[TokenEndpoint]:
    """The client."""
    with LimitedSession() as session:
        yield TokenEndpoint(session, BasicSecret("token vault", "s:ecret/"))


GOOD = {"access_token": "a", "token_type": "Bearer", "expires_in": 300, "refresh_token": "r", "not-before-policy": 0}


def test_a_good_answer(server: StubTokenServer, endpoint: TokenEndpoint) -> None:
    """A good answer is read, with its duration. Credentials are form-encoded (RFC 6749 section 2.3.1)."""
    server.says(200, GOOD)
    answer, seconds = endpoint.tokens(server.url, {"grant_type": "refresh_token"})
    assert (answer.access_token, answer.refresh_token, answer.expires_in) == ("a", "r", 300)
    assert 0 <= seconds < 10
    assert server.seen == ["Basic dG9rZW4lMjB2YXVsdDpzJTNBZWNyZXQlMkY="]


@pytest.mark.parametrize(
    ("error", "description", "kind"),
    [
        ("invalid_grant", "Offline user session not found", GrantRefusedError),
        ("invalid_grant", "User disabled", GrantRefusedError),
        ("invalid_scope", "Client no longer has requested consent from user", GrantRefusedError),
        ("invalid_scope", "Invalid scopes: phone consents", ScopeRefusedError),
        ("unauthorized_client", "Invalid client or Invalid client credentials", VaultClientRefusedError),
        ("invalid_client", "", VaultClientRefusedError),
        ("server_error", "", UncertainError),
    ],
)
def test_refusals(
    server: StubTokenServer, endpoint: TokenEndpoint, error: str, description: str, kind: type[ProviderError]
) -> None:
    """By the error codes of RFC 6749 and the descriptions of Keycloak."""
    server.says(400, {"error": error, "error_description": description})
    with pytest.raises(kind):
        endpoint.tokens(server.url, {"scope": "phone"})


def test_a_scope_that_nobody_asked_for_is_the_grants_own(server: StubTokenServer, endpoint: TokenEndpoint) -> None:
    """The server no longer gives the granted scopes, so the grant is refused."""
    server.says(400, {"error": "invalid_scope", "error_description": "Invalid scopes: openid phone"})
    with pytest.raises(GrantRefusedError):
        endpoint.tokens(server.url, {})


def test_the_reason_of_a_refusal_is_kept(server: StubTokenServer, endpoint: TokenEndpoint) -> None:
    """The owner is shown the reason."""
    server.says(400, {"error": "invalid_grant", "error_description": "Offline user session not found"})
    with pytest.raises(GrantRefusedError) as refused:
        endpoint.tokens(server.url, {})
    assert refused.value.failure is Failure.TOKEN_REVOKED


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("soon", 5.0), ("99999", 300.0)])
def test_busy_servers_are_not_sent(
    server: StubTokenServer, endpoint: TokenEndpoint, status: int, header: str, seconds: float
) -> None:
    """The token was not used; Retry-After counts within bounds."""
    server.says(status, b"busy", Retry_After=header)
    with pytest.raises(NotSentError) as refused:
        endpoint.tokens(server.url, {})
    assert refused.value.retry_after == seconds


@pytest.mark.parametrize(
    ("date", "seconds"),
    [("Thu, 01 Jan 2026 00:00:00 GMT", 60.0), ("Thu, 01 Jan 2026 00:00:50 GMT", 10.0), (None, 1.0), ("soon", 5.0)],
)
def test_a_date_in_retry_after_counts_from_the_answer_s_own(date: str | None, seconds: float) -> None:
    """The server's clock may differ from ours. Without one, a date that has passed is the least pause."""
    dated = {} if date is None else {"Date": date}
    assert retry_after({"Retry-After": "Thu, 01 Jan 2026 00:01:00 GMT", **dated}) == seconds


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"\xff",
        {"token_type": "Bearer"},
    ],
    ids=str,
)
def test_nonsense_is_uncertain(server: StubTokenServer, endpoint: TokenEndpoint, body: object) -> None:
    """A 200 without a usable token: the refresh token may have been used."""
    server.says(200, body)
    with pytest.raises(UncertainError):
        endpoint.tokens(server.url, {})


@pytest.mark.parametrize(
    ("given", "kept"),
    [(9223372036854775807, LONGEST_LIFE), (1e300, LONGEST_LIFE), (0, None), (-1, None), (-2, 0.0), (60, 60.0)],
)
def test_lives_stay_within_what_a_date_can_hold(
    server: StubTokenServer, endpoint: TokenEndpoint, given: float, kept: float | None
) -> None:
    """PostgreSQL would refuse the date of a very large number, and the token would be lost."""
    server.says(200, {**GOOD, "expires_in": 1e18, "refresh_expires_in": given})
    answer, _ = endpoint.tokens(server.url, {})
    assert answer.expires_in == LONGEST_LIFE
    assert answer.refresh_expires_in == kept


@pytest.mark.parametrize("status", [302, 404, 407, 408, 500, 502])
def test_errors_without_words_are_uncertain(server: StubTokenServer, endpoint: TokenEndpoint, status: int) -> None:
    """For example a proxy's page. Redirects are not followed."""
    server.says(status, b"<html>trouble</html>", Location="https://attacker.example")
    with pytest.raises(UncertainError):
        endpoint.tokens(server.url, {})


def test_half_an_answer_is_uncertain(server: StubTokenServer, endpoint: TokenEndpoint) -> None:
    """The connection breaks in the body."""
    server.says(200, GOOD)
    server.promised = 1000
    with pytest.raises(UncertainError):
        endpoint.tokens(server.url, {})


def test_hanging_up_is_uncertain_and_not_sent_again(server: StubTokenServer, endpoint: TokenEndpoint) -> None:
    """A request of which a byte was sent is not repeated."""
    server.hang_up = True
    with pytest.raises(UncertainError):
        endpoint.tokens(server.url, {})
    assert len(server.seen) == 1


def test_a_refused_connection_is_certainly_not_sent(endpoint: TokenEndpoint) -> None:
    """No server listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(NotSentError):
            endpoint.tokens(f"http://127.0.0.1:{port}/token", {})


def test_too_long_an_answer_is_not_read_to_its_end(server: StubTokenServer, endpoint: TokenEndpoint) -> None:
    """Memory is bounded."""
    server.says(200, b" " * (1 << 20))
    with pytest.raises(UncertainError):
        endpoint.tokens(server.url, {})
