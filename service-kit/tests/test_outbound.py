"""Calls to other servers."""

from pathlib import Path

import pytest
from stub_issuer import StubIssuer

from service_kit.outbound.session import AnswerTooLargeError, Session, bounded_body
from service_kit.process import logs


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer_like_any_other(server: StubIssuer, status: int) -> None:
    """Even when the caller asks to follow: a token would be sent along."""
    for target in ("/elsewhere", "http://127.0.0.1:9/", "http://[::1", "file:///etc/passwd", ""):
        server.status, server.headers = status, {"Location": target}
        answer = Session().get(f"{server.url}/certs", timeout=5, allow_redirects=True)
        assert (answer.status_code, answer.history) == (status, [])
    assert set(server.requests) == {"/realms/demo/certs"}


def test_a_cookie_is_not_kept(server: StubIssuer) -> None:
    """The session serves many people; what a server remembers of one must not go along with another."""
    server.headers = {"Set-Cookie": "AUTH_SESSION_ID=alice; Path=/"}
    session = Session()
    answers = [session.get(f"{server.url}/certs", timeout=5) for _ in range(2)]
    assert [answer.headers["Set-Cookie"] for answer in answers] == ["AUTH_SESSION_ID=alice; Path=/"] * 2
    assert "Cookie" not in answers[1].request.headers


def test_the_environment_has_no_say(server: StubIssuer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither a proxy nor a .netrc."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password hunter2")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    answer = Session().get(f"{server.url}/certs", timeout=5)
    assert answer.status_code == 200
    assert "Authorization" not in answer.request.headers


def test_the_request_id_goes_along(server: StubIssuer) -> None:
    """With the caller's own headers, which stay; without a request there is none."""
    token = logs.request_id.set("request-1")
    try:
        answer = Session().get(f"{server.url}/certs", timeout=5, headers={"Accept": "x/y"})
        assert (answer.request.headers["X-Request-ID"], answer.request.headers["Accept"]) == ("request-1", "x/y")
        logs.request_id.set(None)
        assert "X-Request-ID" not in Session().get(f"{server.url}/certs", timeout=5).request.headers
    finally:
        logs.request_id.reset(token)


def test_an_answer_is_read_up_to_a_limit(server: StubIssuer) -> None:
    """The limit is inclusive; past it the connection is given up."""
    server.documents["/data"] = b"x" * 100_000
    place = server.url.replace("/realms/demo", "/data")
    assert len(bounded_body(Session().get(place, timeout=5, stream=True), 100_000)) == 100_000
    with pytest.raises(AnswerTooLargeError):
        bounded_body(Session().get(place, timeout=5, stream=True), 99_999)
