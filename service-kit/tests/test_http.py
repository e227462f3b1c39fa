"""The application both services start from: request ids, methods, crashes, bearer tokens."""

from collections.abc import Iterator

import pytest
import structlog
from flask import Flask, Response
from flask.testing import FlaskClient
from structlog.typing import EventDict
from stub_issuer import NOW, StubIssuer

from service_kit.http import app as http
from service_kit.http.app import create_app, respond
from service_kit.http.inputs import Output
from service_kit.http.problems import ProblemType
from service_kit.process import logs
from service_kit.tokens.bearer import Verifier


class Answer(Output, frozen=True, kw_only=True):
    """The answer of the test application."""

    name: str
    token: str | None = None


class DomainError(Exception):
    """An error that the table knows."""


class NarrowerError(DomainError):
    """One of its kinds."""


@pytest.fixture
def app(verifier: Verifier) -> Flask:
    """An application with a few routes."""
    app = create_app("test", {DomainError: ProblemType(409, "domain", retry_after=1.0)})

    @app.get("/fine")
    def fine() -> Response:
        return respond(Answer(name=str(logs.request_id.get())), 200, {"X-More": "1"})

    @app.delete("/fine")
    def delete() -> Response:
        return respond(Answer(name="gone"))

    @app.get("/crash")
    def crash() -> Response:
        password = "hunter2"  # noqa: F841 - a local variable that must not be logged
        raise ValueError("boom at /secret/path")

    @app.get("/domain")
    def domain() -> Response:
        raise NarrowerError("two of them")

    @app.get("/mine")
    def mine() -> Response:
        claims = http.authenticate(verifier)
        return respond(Answer(name=claims.subject, token=http.bearer_token()))

    return app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """Talks to it."""
    return app.test_client()


@pytest.fixture
def logged() -> Iterator[list[EventDict]]:
    """The logged lines."""
    with structlog.testing.capture_logs() as events:
        yield events


@pytest.mark.parametrize("given", ["abcdefgh", "0" * 64, "A.b_c-9Z", "d1f0c1ce-0b0a-4c5e-9e0e-111111111111"])
def test_a_request_id_of_the_right_shape_is_taken_and_echoed(client: FlaskClient, given: str) -> None:
    """So a caller finds its request in the logs."""
    answer = client.get("/fine", headers={"X-Request-ID": given})
    assert answer.headers["X-Request-ID"] == given
    assert answer.get_json()["name"] == given


@pytest.mark.parametrize(
    "given", ["", "short77", "x" * 65, "with blank", 'quote"quote', "{json}{}", "ümlaut-ü", "a;b;c;d;e"]
)
def test_any_other_request_id_is_replaced(client: FlaskClient, given: str) -> None:
    """Callers cannot write into the log."""
    ids = {client.get("/fine", headers={"X-Request-ID": given}).headers["X-Request-ID"] for _ in range(3)}
    assert len(ids) == 3
    assert given not in ids
    assert all(len(made) == 32 for made in ids)


def test_answers_are_json_that_nobody_keeps_or_sniffs(client: FlaskClient) -> None:
    """And carry the route's own headers."""
    answer = client.get("/fine")
    assert answer.content_type == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-More"] == "1"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "OPTIONS", "TRACE", "BREW"])
def test_another_method_is_405_and_says_which_are_allowed(client: FlaskClient, method: str) -> None:
    """OPTIONS too: there is no CORS here, everything comes from one origin."""
    answer = client.open("/fine", method=method)
    assert (answer.status_code, answer.get_json()["code"]) == (405, "method_not_allowed")
    assert {name.strip() for name in answer.headers["Allow"].split(",")} == {"GET", "HEAD", "DELETE"}


def test_head_is_get_without_a_body(client: FlaskClient) -> None:
    """Same headers."""
    head, get = client.head("/fine"), client.get("/fine")
    assert (head.status_code, head.data) == (200, b"")
    assert head.content_length == get.content_length


@pytest.mark.parametrize(
    "path", ["/", "/nothing", "/fine/", "//fine", "/fine%00", "/%ff", "/FINE", "/fine;x=1", "/a/../fine"]
)
def test_other_addresses_are_404(client: FlaskClient, path: str) -> None:
    """No redirect to a tidier spelling."""
    answer = client.get(path)
    assert (answer.status_code, answer.content_type) == (404, "application/problem+json")
    assert answer.get_json()["code"] == "not_found"


def test_a_crash_is_a_bare_500(client: FlaskClient, logged: list[EventDict]) -> None:
    """The answer quotes the request id and nothing of the error; the log has the error."""
    answer = client.get("/crash", headers={"X-Request-ID": "crash-0001"})
    assert answer.status_code == 500
    assert answer.content_type == "application/problem+json"
    assert answer.get_json() == {
        "type": "about:blank",
        "title": "Internal Server Error",
        "status": 500,
        "code": "internal_error",
        "detail": "The service failed unexpectedly. Quote the request id when you report it.",
        "requestId": "crash-0001",
    }
    [error] = [event for event in logged if event["log_level"] == "error"]
    assert isinstance(error["exc_info"], ValueError)


def test_a_domain_error_is_the_problem_that_the_table_says(client: FlaskClient, logged: list[EventDict]) -> None:
    """Kinds of it included; nothing is logged as an error."""
    answer = client.get("/domain")
    assert (answer.status_code, answer.get_json()["code"], answer.headers["Retry-After"]) == (409, "domain", "1")
    assert [event["event"] for event in logged] == ["http.request"]


def test_each_request_is_one_line_in_the_log(client: FlaskClient, server: StubIssuer, logged: list[EventDict]) -> None:
    """Method, path without query, status, duration, client; no header, no token."""
    token = server.token()
    client.get("/mine?code=hidden", headers={"Authorization": f"Bearer {token}"})
    [line] = logged
    assert (line["method"], line["path"], line["status"], line["client"]) == ("GET", "/mine", 200, "task-ui")
    assert line["ms"] >= 0
    assert token not in repr(logged)
    assert "hidden" not in repr(logged)


def test_a_bearer_token_tells_who_calls(client: FlaskClient, server: StubIssuer) -> None:
    """The scheme's name is case-insensitive (RFC 9110 section 11.1)."""
    token = server.token()
    for scheme in ("Bearer", "bearer", "BEARER"):
        answer = client.get("/mine", headers={"Authorization": f"{scheme} {token}"})
        assert answer.get_json() == {"name": "alice-id", "token": token}


@pytest.mark.parametrize(
    "given", [None, "", "Bearer", "Bearer ", "Basic YTpi", "Bearer a b", "Bearer é", "Token x", "Bearer a,b"]
)
def test_without_a_bearer_token_it_is_401_with_a_plain_challenge(client: FlaskClient, given: str | None) -> None:
    """RFC 6750 section 3.1: no error code when there was no token."""
    answer = client.get("/mine", headers={} if given is None else {"Authorization": given})
    assert (answer.status_code, answer.get_json()["code"]) == (401, "unauthorized")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="offline-token-vault"'


@pytest.mark.parametrize("given", ["x", "a.b.c", "x=", "-", "A" * 9000])
def test_a_bad_token_is_401_and_is_not_quoted(client: FlaskClient, given: str, server: StubIssuer) -> None:
    """`invalid_token`, and not a word about why where it is not the issuer's for this service."""
    for token in (given, server.token(payload=server.claims(exp=1, aud="another"))):
        answer = client.get("/mine", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="offline-token-vault", error="invalid_token"'
        assert answer.get_json()["detail"] == "The bearer access token is not accepted."


@pytest.mark.parametrize(
    ("times", "said"),
    [
        ({"exp": NOW - 70}, "The access token expired 70 s ago by our database's clock."),
        (
            {"iat": NOW + 37, "exp": NOW + 337},
            "The access token is not valid yet: our database's clock is 37 s or more behind its issuer's.",
        ),
        ({"nbf": NOW + 90, "exp": NOW + 390}, "The access token is not valid yet; it will be in 90 s."),
        ({"nbf": 1e300}, "The bearer access token is not accepted."),
        ({"exp": -1e300}, "The bearer access token is not accepted."),
    ],
)
def test_the_time_of_a_token_is_told_with_the_clock_that_judged_it(
    client: FlaskClient, server: StubIssuer, times: dict[str, float], said: str
) -> None:
    """Which of two clocks is wrong is known only when a token was made in the future."""
    answer = client.get("/mine", headers={"Authorization": f"Bearer {server.token(payload=server.claims(**times))}"})
    assert (answer.status_code, answer.get_json()["code"]) == (401, "unauthorized")
    assert answer.get_json()["detail"] == said


def test_a_token_in_the_query_or_the_body_is_none(client: FlaskClient, server: StubIssuer) -> None:
    """RFC 6750 sections 2.2 and 2.3 are not for us: addresses get logged."""
    token = server.token()
    assert client.get(f"/mine?access_token={token}").status_code == 401


def test_two_authorization_headers_are_none(client: FlaskClient, server: StubIssuer) -> None:
    """Servers join repeated headers with a comma, so that neither can be trusted."""
    token = server.token()
    given = f"Bearer {token},Bearer {token}"
    assert client.get("/mine", headers={"Authorization": given}).status_code == 401


@pytest.mark.parametrize("issuer_name", [None, "http://another.example/realms/demo"])
def test_without_the_issuer_s_keys_it_is_503_and_nobody_is_logged_out(
    client: FlaskClient, server: StubIssuer, issuer_name: str | None
) -> None:
    """The issuer is unavailable, or its document names another issuer."""
    server.status = 200 if issuer_name else 503
    server.describe(issuer=issuer_name or server.url)
    answer = client.get("/mine", headers={"Authorization": f"Bearer {server.token()}"})
    assert (answer.status_code, answer.get_json()["code"]) == (503, "provider_unavailable")
    assert answer.headers["Retry-After"] == "5"


def test_a_body_that_says_to_be_too_large_is_not_read(client: FlaskClient) -> None:
    """Even where no route would read it."""
    answer = client.post("/nothing", environ_overrides={"CONTENT_LENGTH": "65537"})
    assert (answer.status_code, answer.get_json()["code"]) == (413, "body_too_large")
