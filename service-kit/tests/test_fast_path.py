"""The fast path: only what it is for takes it, and whatever happens there, each request is answered once."""

import json
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import BinaryIO

import pytest
from flask import Flask
from served import Service, served

from service_kit.http.problems import ProblemType
from service_kit.server import fast_path

pytestmark = pytest.mark.process

APPLICATION = """
import threading, time
from pathlib import Path
from service_kit.http import app as http, inputs
from service_kit.process import logs
from service_kit.server import fast_path
logs.configure("test")

class Said(inputs.Output, frozen=True, kw_only=True):
    way: str
    query: str

class Quick:
    path = "/quick"

    def begin(self, head):
        if head.query == "fails":
            raise ValueError
        return None if head.query == "declines" else head.query

    def wait(self, begun, done):
        if "cannot-wait" in begun:
            raise ValueError

        def run():
            for query in begun:
                Path(query).touch()
            while any(query.startswith("held") for query in begun) and not Path("go").exists():
                time.sleep(0.01)
            done([(query, len(begun)) for query in begun])
        threading.Thread(target=run).start()

    def finish(self, begun, outcome):
        assert begun == outcome[0]
        if begun == "breaks":
            raise ValueError
        if begun == "unanswered":
            return None
        return fast_path.json(Said(way=f"fast, {outcome[1]} together", query=begun), "request-1")

app = http.create_app("test", {})
ordinary = lambda: http.respond(Said(way="ordinary", query=__import__("flask").request.query_string.decode()))
app.route("/quick", methods=["GET", "POST"], endpoint="quick")(ordinary)
app.route("/other", endpoint="other")(ordinary)
fast_path.install(app, Quick())
"""
PLAIN = b"GET /quick?plain HTTP/1.1\r\nHost: x\r\n\r\n"


def kept(service: Service) -> HTTPConnection:
    """A connection that has been used and so is kept; the first request never takes the fast path."""
    connection = HTTPConnection("127.0.0.1", service.port, timeout=30)
    assert asked(connection, "/quick?first")["way"] == "ordinary"
    return connection


def read(connection: HTTPConnection) -> dict[str, str]:
    """The next answer on a connection."""
    response = HTTPResponse(connection.sock)
    response.begin()
    answer: dict[str, str] = json.loads(response.read())
    return answer


def asked(connection: HTTPConnection, target: str, **headers: str) -> dict[str, str]:
    """Ask and read."""
    connection.request("GET", target, headers=headers)
    answer: dict[str, str] = json.loads(connection.getresponse().read())
    return answer


@contextmanager
def running(folder: Path) -> Iterator[Service]:
    """A service of one process; whoever is held is let go at its end."""
    with served(folder, APPLICATION, workers=1) as it:
        try:
            yield it
        finally:
            (folder / "go").touch()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One for all tests that leave it running."""
    with running(tmp_path_factory.mktemp("fast-path")) as it:
        yield it


@pytest.mark.parametrize(
    "data",
    [
        PLAIN,
        b"GET /quick?plain HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\nX-Request-ID: abcdefgh\r\n\r\n",
    ],
)
def test_it_is_taken(service: Service, data: bytes) -> None:
    """By a plain request on a kept connection, again and again."""
    with closing(kept(service)) as connection:
        connection.sock.sendall(data)
        assert read(connection)["way"] == "fast, 1 together"
        assert {asked(connection, f"/quick?{number}")["way"] for number in range(50)} == {"fast, 1 together"}


@pytest.mark.parametrize(
    "data",
    [
        b"GET /other HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /quic%6b?plain HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /quick HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
        b"GET /quick HTTP/1.0\r\nHost: x\r\n\r\n",
        b"GET /quick HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /quick HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}",
        b"GET /quick HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n",
        b"GET /quick HTTP/1.1\r\nHost: x\r\nContent-Length: 22\r\n\r\nGET /other HTTP/1.1\r\n\r\n",
        b"GET /quick HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /quick HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\n\r\n",
        b"GET /quick HTTP/1.1\r\nHost: x\r\nAuthorization: a\r\nAuthorization: b\r\n\r\n",
        b"GET /quick?declines HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /quick?fails HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /quick?unanswered HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /quick?cannot-wait HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /quick?breaks HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=lambda value: repr(value)[:60] if isinstance(value, bytes) else "",
)
def test_it_is_left(service: Service, data: bytes) -> None:
    """By everything else, which finds the ordinary way untouched: one answer, and the connection goes on or ends."""
    with closing(kept(service)) as connection:
        connection.sock.sendall(data)
        assert read(connection)["way"] == "ordinary"


def test_several_requests_at_once_are_answered_in_their_order(service: Service) -> None:
    """A client that does not wait for answers."""
    with closing(kept(service)) as connection:
        connection.sock.sendall(PLAIN.replace(b"plain", b"1") + PLAIN.replace(b"plain", b"2"))
        connection.sock.sendall(PLAIN.replace(b"plain", b"3"))
        with connection.sock.makefile("rb") as file:
            assert [answer_in(file)["query"] for _ in range(3)] == ["1", "2", "3"]


def answer_in(file: BinaryIO) -> dict[str, str]:
    """The next answer in a stream."""
    length = 0
    while line := file.readline().strip():
        if line.lower().startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    answer: dict[str, str] = json.loads(file.read(length))
    return answer


def test_a_head_in_pieces(service: Service) -> None:
    """Waits for the rest where it stops nobody."""
    with closing(kept(service)) as connection, closing(kept(service)) as other:
        connection.sock.sendall(PLAIN[:-2])
        assert asked(other, "/quick?plain")["way"] == "fast, 1 together"
        connection.sock.sendall(PLAIN[-2:])
        assert read(connection)["query"] == "plain"


def test_one_that_waits_holds_up_nobody(tmp_path: Path) -> None:
    """Neither those in the fast path nor the others; and a client that goes meanwhile is missed by nobody."""
    with (
        running(tmp_path) as service,
        closing(kept(service)) as gone,
        closing(kept(service)) as held,
        closing(kept(service)) as other,
        ThreadPoolExecutor(1) as pool,
    ):
        gone.request("GET", "/quick?held-1")
        eventually((tmp_path / "held-1").exists)
        answer = pool.submit(asked, held, "/quick?held-2")
        eventually((tmp_path / "held-2").exists)
        gone.sock.close()
        assert asked(other, "/quick?plain")["way"] == "fast, 1 together"
        assert asked(other, "/other")["way"] == "ordinary"
        assert not answer.done()
        (tmp_path / "go").touch()
        assert answer.result(30)["query"] == "held-2"
        assert asked(other, "/quick?plain")["way"] == "fast, 1 together"


def test_those_that_are_ready_together_wait_together(service: Service) -> None:
    """One call for all of them."""
    connections = [kept(service) for _ in range(8)]

    def together() -> bool:
        for connection in connections:
            connection.request("GET", "/quick?plain")
        ways = [json.loads(connection.getresponse().read())["way"] for connection in connections]
        return any(way != "fast, 1 together" for way in ways)

    eventually(together)
    for connection in connections:
        connection.close()


def test_a_stopping_service_answers_what_it_has_begun(tmp_path: Path) -> None:
    """And ends as it should."""
    with (
        running(tmp_path) as service,
        closing(kept(service)) as connection,
        closing(kept(service)) as other,
        ThreadPoolExecutor(1) as pool,
    ):
        answer = pool.submit(asked, connection, "/quick?held")
        eventually((tmp_path / "held").exists)
        service.process.send_signal(signal.SIGTERM)
        eventually(lambda: says_good_bye(other))
        (tmp_path / "go").touch()
        assert answer.result(30)["way"] == "fast, 1 together"
        assert service.process.wait(30) == 0


def says_good_bye(connection: HTTPConnection) -> bool:
    """Whether the service ends the connection after an answer."""
    connection.request("GET", "/other")
    with connection.getresponse() as response:
        response.read()
        return response.headers["Connection"] == "close"


def test_answers_look_as_those_of_the_ordinary_way(service: Service) -> None:
    """But for the date, the request id and what they say."""
    with closing(kept(service)) as connection:
        seen = []
        for target in ("/other", "/quick?plain"):
            connection.request("GET", target)
            response = connection.getresponse()
            body = json.loads(response.read())
            assert int(response.headers["Content-Length"]) > 0
            seen.append((response.status, response.version, sorted(map(str.lower, response.headers)), sorted(body)))
            assert response.headers["Content-Type"] == "application/json"
    assert seen[0] == seen[1]


def test_a_problem_carries_its_headers_and_the_request_id() -> None:
    """As the ordinary way's."""
    answer = fast_path.problem(ProblemType(503, "audit_unavailable", "Away.", 2.0).problem(), "request-1")
    document = json.loads(answer.body)
    assert (answer.status, answer.headers["Retry-After"], answer.headers["X-Request-ID"]) == (503, "2", "request-1")
    assert (document["code"], document["requestId"]) == ("audit_unavailable", "request-1")


def test_an_application_need_not_have_one() -> None:
    """Nothing is found where nothing was installed."""
    assert fast_path.of(Flask("x")) is None
    assert fast_path.of(lambda *_: []) is None


def eventually(condition: Callable[[], bool]) -> None:
    """Wait for it, 30 s at most."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)
