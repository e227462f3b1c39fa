"""HTTP/1.1 byte by byte at a service itself: what is refused, what is understood, and that no wait is endless.

A refusal is a problem document that shows nothing of what was sent; the log does not show it either.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from served import Service, eventually, received, served

pytestmark = pytest.mark.process

APPLICATION = """
import os, threading, time
from pathlib import Path
from flask import request, Response
from service_kit.http import app as http, inputs
from service_kit.process import logs
from service_kit.server import connections, http_protocol, wsgi
logs.configure("test")
http_protocol.ARRIVAL_SECONDS = http_protocol.LINGER_SECONDS = 1.0
connections.UNREAD_SECONDS = 1
wsgi.SEND_SECONDS = 3.0

class Note(inputs.Input, frozen=True, kw_only=True):
    text: str = ""

class Seen(inputs.Output, frozen=True, kw_only=True):
    text: str = ""
    query: str = ""
    path: str = ""
    names: tuple[str, ...] = ()
    scheme: str = ""
    peer: str = ""

app = http.create_app("test", {})

@app.post("/notes")
def notes():
    return http.respond(Seen(text=inputs.optional_body(request, Note).text))

@app.get("/seen")
@app.get("/seen/<name>")
def seen(name=""):
    query = request.query_string.decode()
    names = tuple(sorted(name for name in request.environ if name.startswith("HTTP_")))
    return http.respond(Seen(query=query, path=name, names=names, scheme=request.scheme, peer=request.remote_addr))

@app.get("/held")
def held():
    while not Path("go").exists():
        time.sleep(0.01)
    return http.respond(Seen(text="held"))

def large():
    for _ in range(1000):
        yield bytes(65536)
    Path("all-sent").touch()

@app.get("/large")
def streamed():
    return Response(large())

@app.get("/cut-off")
def cut_off():
    def parts():
        yield bytes(200000)
        raise ValueError
    return Response(parts(), headers={"Content-Length": "400000"})

app.get("/broken", endpoint="broken")(lambda: ("", 200, {"X-Broken": "a\\x00b"}))
app.get("/empty", endpoint="empty")(lambda: ("", 204))
"""
HEAD = b"POST /notes HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n"
SEEN = b"GET /seen?%d HTTP/1.1\r\nHost: x\r\n\r\n"
CLOSE = b"Connection: close\r\n\r\n"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service of one process, for all tests."""
    with served(tmp_path_factory.mktemp("http"), APPLICATION, workers=1) as running:
        yield running
    log = (running.folder / "log").read_text()
    assert "hidden" not in log
    assert '"event":"http.refused"' in log


def answers(data: bytes) -> list[tuple[int, str, bytes]]:
    """Status, head and body of each answer in the bytes that a service has sent."""
    found = []
    while data:
        head, _, rest = data.partition(b"\r\n\r\n")
        status, text = int(head.split(b" ", 2)[1]), head.decode().lower()
        length = re.search(r"\r\ncontent-length: (\d+)", text)
        size = int(length[1]) if length else 0
        found.append((status, text, rest[:size]))
        data = rest[size:]
    return found


def body(data: bytes) -> dict[str, Any]:
    """The JSON of the only answer, a 200."""
    ((status, _, document),) = answers(data)
    assert status == 200, data
    return dict(json.loads(document))


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"GET /?code=hidden\xff HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad_request"),
        (b"GET /hidden\xff HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad_request"),
        (b"GET /?code=hidden\r\n\r\n", 400, "bad_request"),
        (b"GET /hidden\x00 HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad_request"),
        (b"GET hidden HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad_request"),
        (b"GET * HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad_request"),
        (b"CONNECT hidden:443 HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad_request"),
        (b"get /hidden HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad_request"),
        (b"HIDDEN /hidden HTTP/1.1\r\nHost: x\r\n\r\n", 501, "not_implemented"),
        (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 400, "bad_request"),
        (b"GET / HTTP/0.9\r\nHost: x\r\n\r\n", 400, "bad_request"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "bad_request"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03hidden", 400, "bad_request"),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414, "uri_too_long"),
        (b"GET /" + b"a" * 300_000, 414, "uri_too_long"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: hidden\r\n" * 200 + b"\r\n", 431, "header_too_large"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: %s\r\n" % (b"y" * 9000) * 4 + b"\r\n", 431, "header_too_large"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"y" * 20000 + b"\r\n\r\n", 431, "header_too_large"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"y" * 600_000, 431, "header_too_large"),
        (b"GET / HTTP/1.1\r\n\r\n", 400, "bad_request"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nHost: hidden\r\n\r\n", 400, "bad_request"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization : Bearer hidden\r\n\r\n", 400, "bad_request"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer\r\n hidden\r\n\r\n", 400, "bad_request"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: hidden\x00\r\n\r\n", 400, "bad_request"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: hidden\rB: c\r\n\r\n", 400, "bad_request"),
        (b"GET / HTTP/1.1\nHost: x\n\n", 400, "bad_request"),
        (HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x", 400, "bad_request"),
        (HEAD + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", 400, "bad_request"),
        (HEAD + b"Content-Length: 2, 2\r\n\r\n{}", 400, "bad_request"),
        (HEAD + b"Content-Length: -1\r\n\r\n{}", 400, "bad_request"),
        (HEAD + b"Content-Length: +2\r\n\r\n{}", 400, "bad_request"),
        (HEAD + b"Content-Length: 99999999999999999999\r\n\r\n{}", 400, "bad_request"),
        (HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 400, "bad_request"),
        (HEAD + b"Transfer-Encoding: xchunked\r\n\r\n{}", 400, "bad_request"),
        (HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n{}", 400, "bad_request"),
        (CHUNKED + b"\r\nhidden\r\n{}\r\n0\r\n\r\n", 400, "bad_request"),
        (CHUNKED + b"\r\nfffffffffffffffff\r\n{}\r\n0\r\n\r\n", 400, "bad_request"),
        (CHUNKED + b"\r\n2\r\n{}hidden\r\n0\r\n\r\n", 400, "bad_request"),
        (HEAD + b"Expect: hidden\r\nContent-Length: 2\r\n\r\n{}", 417, "expectation_failed"),
    ],
    ids=lambda value: repr(value)[-40:] if isinstance(value, bytes) else None,
)
def test_refusals_are_problems(service: Service, data: bytes, status: int, code: str) -> None:
    """Exactly one answer, of the right status and code; then the service hangs up."""
    ((answered, head, document),) = answers(service.exchange(data))
    problem: dict[str, Any] = json.loads(document)
    assert (answered, problem["status"], problem["code"]) == (status, status, code)
    assert "content-type: application/problem+json" in head
    assert f"x-request-id: {problem['requestId']}" in head
    assert "\r\nconnection: close" in head
    assert "\r\ndate: " in head
    assert "hidden" not in head + document.decode()


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (HEAD + b"Content-Length: 12\r\n" + CLOSE + b'{"text":"a"}', "a"),
        (CHUNKED + CLOSE + b'6\r\n{"text\r\n6;x=y\r\n":"a"}\r\n0\r\nTrailer: x\r\n\r\n', "a"),
        (CHUNKED + CLOSE + b"0\r\n\r\n", ""),
        (HEAD + CLOSE, ""),
    ],
    ids=["length", "chunks", "no chunk", "no body"],
)
def test_bodies_arrive_whole(service: Service, data: bytes, text: str) -> None:
    """With a length or in chunks."""
    assert body(service.exchange(data)).get("text", "") == text


@pytest.mark.parametrize("size", [64 * 1024, 64 * 1024 + 1, 200_000])
@pytest.mark.parametrize("is_chunked", [False, True])
def test_the_largest_body(service: Service, size: int, is_chunked: bool) -> None:
    """64 KiB are taken; a byte more is refused, whole, by the application's own problem."""
    note = b'{"text":"' + b"a" * (size - 11) + b'"}'
    if is_chunked:
        data = CHUNKED + CLOSE + b"%x\r\n%s\r\n0\r\n\r\n" % (len(note), note)
    else:
        data = HEAD + b"Content-Length: %d\r\n" % len(note) + CLOSE + note
    ((status, _, document),) = answers(service.exchange(data))
    expected = (200, None) if size == 64 * 1024 else (413, "body_too_large")
    assert (status, json.loads(document).get("code")) == expected


def test_a_client_that_waits_for_100_continue(service: Service) -> None:
    """The client is told to continue, unless its body would be too large."""
    expecting = HEAD + b"Expect: 100-Continue\r\nConnection: close\r\n"
    with service.connect() as connection:
        connection.sendall(expecting + b"Content-Length: 12\r\n\r\n")
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b'{"text":"a"}')
        assert body(received(connection)) == {"text": "a"}
    with service.connect() as connection:
        connection.sendall(expecting + b"Content-Length: 70000\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_requests_in_one_piece_are_answered_in_their_order(service: Service) -> None:
    """A client need not wait for answers (RFC 9112, section 9.3.2)."""
    requests = b"".join(SEEN % number for number in range(10)) + b"GET /seen?last HTTP/1.1\r\nHost: x\r\n" + CLOSE
    queries = [json.loads(document)["query"] for _, _, document in answers(service.exchange(requests))]
    assert queries == [*map(str, range(10)), "last"]


def test_a_malformed_request_behind_a_good_one(service: Service) -> None:
    """Only the good one is answered: a second answer could be taken for the first one's."""
    ((status, head, document),) = answers(service.exchange(SEEN % 1 + b"get /hidden HTTP/1.1\r\n\r\n"))
    assert (status, json.loads(document)["query"]) == (200, "1")
    assert "connection: close" in head


def test_a_flood_of_requests_in_one_piece_is_cut_off(service: Service) -> None:
    """The requests within the limit are answered."""
    taken = answers(service.exchange(SEEN % 1 * 5000))
    assert {status for status, _, _ in taken} == {200}
    assert 1 <= len(taken) <= 40


def test_heads_and_bodies_in_single_bytes(service: Service) -> None:
    """Are put together."""
    with service.connect() as connection:
        for byte in HEAD + b"Content-Length: 12\r\n" + CLOSE + b'{"text":"a"}':
            connection.sendall(bytes([byte]))
        assert body(received(connection))["text"] == "a"


def test_a_client_that_sends_no_more_still_gets_its_answer(service: Service) -> None:
    """A connection may be closed in one direction only (RFC 9293, section 3.6)."""
    with service.connect() as connection:
        connection.sendall(SEEN % 1)
        connection.shutdown(1)
        assert body(received(connection))["query"] == "1"


@pytest.mark.parametrize("data", [HEAD + b"Content-Length: 9\r\n\r\n{", CHUNKED + b"\r\n5\r\n{"])
def test_a_body_that_ends_early(service: Service, data: bytes) -> None:
    """Is refused when the client sends no more, instead of being taken for the whole."""
    with service.connect() as connection:
        connection.sendall(data)
        connection.shutdown(1)
        ((status, _, document),) = answers(received(connection))
    assert (status, json.loads(document)["code"]) == (400, "bad_request")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", None),
        (b"GET / HT", 408),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: b", 408),
        (HEAD + b"Content-Length: 9\r\n\r\n{", 408),
        (CHUNKED + b"\r\n5\r\n{", 408),
    ],
)
def test_a_request_that_does_not_arrive_in_time(service: Service, data: bytes, status: int | None) -> None:
    """Is refused; a connection on which none begins is closed."""
    found = answers(service.exchange(data))
    assert [each[0] for each in found] == ([] if status is None else [status])


def test_a_request_that_has_to_wait_for_an_earlier_one_is_not_late(service: Service) -> None:
    """A request's body is read, and its time begins, after the earlier answer was sent."""
    with service.connect() as connection:
        connection.sendall(b"GET /held HTTP/1.1\r\nHost: x\r\n\r\n" + HEAD + b"Content-Length: 9\r\n\r\n{")
        connection.settimeout(2.5)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        (service.folder / "go").touch()
        connection.settimeout(30)
        assert [status for status, _, _ in answers(received(connection))] == [200, 408]


def test_slow_clients_hold_no_thread(service: Service) -> None:
    """Far more of them than threads: the next client is answered at once."""
    slow = [service.connect() for _ in range(10)]
    try:
        for connection in slow:
            connection.sendall(HEAD + b"Content-Length: 9\r\n\r\n{")
        assert body(service.exchange(b"GET /seen?1 HTTP/1.1\r\nHost: x\r\n" + CLOSE))["query"] == "1"
    finally:
        for connection in slow:
            connection.close()


def test_a_client_that_does_not_read(service: Service) -> None:
    """A large answer to it is abandoned after the time limit, and its memory is freed."""
    with service.connect() as connection:
        connection.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        first = connection.recv(100)
        assert first.startswith(b"HTTP/1.1 200 ")
        with pytest.raises(OSError, match="reset"):
            eventually(lambda: _is_reset(connection))
    with service.connect() as connection:
        connection.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n" + CLOSE)
        assert len(received(connection)) > 1000 * 65536
    assert (service.folder / "all-sent").exists()


def _is_reset(connection: Any) -> bool:
    """Sends a byte, which fails when the other side has given up."""
    connection.sendall(b"x")
    return False


def test_an_answer_that_breaks_off(service: Service) -> None:
    """Is not completed: the client sees that it is cut off."""
    data = service.exchange(b"GET /cut-off HTTP/1.1\r\nHost: x\r\n\r\n")
    assert data.startswith(b"HTTP/1.1 200 ")
    assert len(data) < 300_000


def test_an_application_s_fault_is_not_the_client_s(service: Service) -> None:
    """An answer that HTTP does not have becomes a 500."""
    ((status, _, document),) = answers(service.exchange(b"GET /broken HTTP/1.1\r\nHost: x\r\n" + CLOSE))
    assert (status, json.loads(document)["code"]) == (500, "internal_error")


def test_answers_without_a_body(service: Service) -> None:
    """Answers to HEAD and with 204 have no body; the connection stays open."""
    requests = b"HEAD /seen HTTP/1.1\r\nHost: x\r\n\r\n"
    with service.connect() as connection:
        connection.sendall(requests)
        head = connection.recv(65536)
        assert head.startswith(b"HTTP/1.1 200 ")
        assert head.endswith(b"\r\n\r\n")
        assert b"content-length: " in head.lower()
        connection.sendall(b"GET /empty HTTP/1.1\r\nHost: x\r\n" + CLOSE)
        data = received(connection)
    assert data.startswith(b"HTTP/1.1 204 ")
    assert data.endswith(b"\r\n\r\n")
    assert b"transfer-encoding" not in data.lower()


def test_http_1_0(service: Service) -> None:
    """Is answered without a host, and hung up."""
    assert body(service.exchange(b"GET /seen?1 HTTP/1.0\r\n\r\n"))["query"] == "1"


def test_an_upgrade_is_declined(service: Service) -> None:
    """The request is answered as it is; what follows is not taken for a request."""
    upgrade = b"GET /seen?1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n" + SEEN % 2
    assert body(service.exchange(upgrade % b"h2c"))["query"] == "1"
    ((status, _, _),) = answers(service.exchange(upgrade % b"websocket"))
    assert status == 400, "no route here is one for WebSockets"


def test_what_the_application_sees(service: Service) -> None:
    """No proxy is believed, no name with an underscore passes for another, and paths arrive decoded once."""
    fields = (
        b"X-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Proto: https\r\nForwarded: for=9.9.9.9\r\n"
        b"X_Request_ID: abcdefgh\r\nX-A: 1\r\nX-A: 2\r\n"
    )
    seen = body(service.exchange(b"GET /seen/%C3%A4%2541 HTTP/1.1\r\nHost: x\r\n" + fields + CLOSE))
    assert (seen["scheme"], seen["peer"], seen["path"]) == ("http", "127.0.0.1", "ä%41")
    assert "HTTP_X_A" in seen["names"]
    assert "HTTP_X_REQUEST_ID" not in seen["names"]


def test_an_absolute_address(service: Service) -> None:
    """Names a path of this service (RFC 9112, section 3.2.2)."""
    data = service.exchange(b"GET http://other.example/seen?1 HTTP/1.1\r\nHost: x\r\n" + CLOSE)
    assert body(data)["query"] == "1"
