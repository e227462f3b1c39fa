"""The fast path: what it declines or fails at is answered by the route, and each request is answered once."""

import json
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import pytest
from flask import Flask
from served import Service, eventually, served

from service_kit.http.problems import ProblemType
from service_kit.server import fast_path

pytestmark = pytest.mark.process

APPLICATION = """
import threading, time
from concurrent.futures import Future
from pathlib import Path
from flask import request
from service_kit.http import app as http, inputs
from service_kit.process import logs
from service_kit.server import fast_path
from service_kit.server.gathered import Gathered
logs.configure("test")

class Said(inputs.Output, frozen=True, kw_only=True):
    way: str
    query: str

def submit(queries):
    if "cannot-begin" in queries:
        raise ValueError
    outcomes = Future()
    def run():
        for query in queries:
            Path(query).touch()
        while any(query.startswith("held") for query in queries) and not Path("go").exists():
            time.sleep(0.01)
        if "fails" in queries:
            outcomes.set_exception(ValueError())
        else:
            outcomes.set_result([(query, len(queries)) for query in queries])
    threading.Thread(target=run).start()
    return outcomes

class Quick:
    path = "/quick"
    gathered = Gathered(submit)

    async def answer(self, head):
        query = head.query.decode()
        if query == "declines":
            return None
        echoed, number = await self.gathered.submit(query)
        assert echoed == query
        return fast_path.json(Said(way=f"fast, {number} together", query=query), "request-1")

app = http.create_app("test", {})
ordinary = lambda: http.respond(Said(way="ordinary", query=request.query_string.decode()))
app.route("/quick", methods=["GET", "POST"], endpoint="quick")(ordinary)
app.route("/other", endpoint="other")(ordinary)
fast_path.install(app, Quick())
"""
PLAIN = b"GET /quick?plain HTTP/1.1\r\nHost: x\r\n\r\n"
ALONE = "fast, 1 together"


def connected(service: Service) -> HTTPConnection:
    """A connection of its own."""
    connection = HTTPConnection("127.0.0.1", service.port, timeout=30)
    connection.connect()
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
    """A service of one process; requests that are held are let go at its end."""
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
        b"GET /quick?plain HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /quick?plain HTTP/1.0\r\nHost: x\r\n\r\n",
        b"GET /quick?plain HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\n\r\n",
    ],
)
def test_it_answers_a_plain_get(service: Service, data: bytes) -> None:
    """Also the first request of a connection."""
    with closing(connected(service)) as connection:
        connection.sock.sendall(data)
        assert read(connection) == {"way": ALONE, "query": "plain"}


def test_it_answers_again_and_again(service: Service) -> None:
    """On one connection."""
    with closing(connected(service)) as connection:
        assert {asked(connection, f"/quick?{number}")["way"] for number in range(50)} == {ALONE}


@pytest.mark.parametrize(
    "data",
    [
        b"GET /other HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /quic%6b?plain HTTP/1.1\r\nHost: x\r\n\r\n",
        b"HEAD /quick?plain HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /quick HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
        b"GET /quick HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}",
        b"GET /quick HTTP/1.1\r\nHost: x\r\nContent-Length: 22\r\n\r\nGET /other HTTP/1.1\r\n\r\n",
        b"GET /quick HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /quick HTTP/1.1\r\nHost: x\r\nAuthorization: a\r\nAuthorization: b\r\n\r\n",
        b"GET /quick?declines HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /quick?fails HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /quick?cannot-begin HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=lambda value: repr(value)[:60] if isinstance(value, bytes) else "",
)
def test_the_route_answers_all_others(service: Service, data: bytes) -> None:
    """Each request is answered once, and the connection stays open."""
    with closing(connected(service)) as connection:
        connection.sock.sendall(data)
        response = HTTPResponse(connection.sock, method=data.split(b" ")[0].decode())
        response.begin()
        document = response.read()
        assert document == b"" or json.loads(document)["way"] == "ordinary"
        assert "x-request-id" in map(str.lower, response.headers)
        assert response.headers["X-Request-ID"] != "request-1"
        assert asked(connection, "/quick?plain")["way"] == ALONE


def test_several_requests_at_once_are_answered_in_their_order(service: Service) -> None:
    """A client need not wait for answers, whichever way they are made."""
    requests = [PLAIN.replace(b"plain", b"1"), PLAIN.replace(b"quick?plain", b"other?2"), PLAIN.replace(b"plain", b"3")]
    with closing(connected(service)) as connection:
        connection.sock.sendall(b"".join(requests))
        with connection.sock.makefile("rb") as file:
            answers = []
            for _ in requests:
                length = 0
                while line := file.readline().strip():
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.partition(b":")[2])
                answers.append(json.loads(file.read(length)))
    assert [(answer["way"], answer["query"]) for answer in answers] == [(ALONE, "1"), ("ordinary", "2"), (ALONE, "3")]


def test_a_head_in_pieces(service: Service) -> None:
    """Waits for the rest without stopping other clients."""
    with closing(connected(service)) as connection, closing(connected(service)) as other:
        connection.sock.sendall(PLAIN[:-2])
        assert asked(other, "/quick?plain")["way"] == ALONE
        connection.sock.sendall(PLAIN[-2:])
        assert read(connection)["query"] == "plain"


def test_one_that_waits_holds_up_no_other(tmp_path: Path) -> None:
    """Neither on the fast path nor on the routes; a client that leaves meanwhile changes nothing."""
    with (
        running(tmp_path) as service,
        closing(connected(service)) as gone,
        closing(connected(service)) as held,
        closing(connected(service)) as other,
        ThreadPoolExecutor(1) as pool,
    ):
        gone.request("GET", "/quick?held-1")
        eventually((tmp_path / "held-1").exists)
        answer = pool.submit(asked, held, "/quick?held-2")
        eventually((tmp_path / "held-2").exists)
        gone.sock.close()
        assert asked(other, "/quick?plain")["way"] == ALONE
        assert asked(other, "/other")["way"] == "ordinary"
        assert not answer.done()
        (tmp_path / "go").touch()
        assert answer.result(30)["query"] == "held-2"
        assert asked(other, "/quick?plain")["way"] == ALONE


def test_those_that_come_together_wait_together(service: Service) -> None:
    """One call for all of them."""
    connections = [connected(service) for _ in range(8)]

    def together() -> bool:
        for connection in connections:
            connection.request("GET", "/quick?plain")
        ways = [json.loads(connection.getresponse().read())["way"] for connection in connections]
        return any(way != ALONE for way in ways)

    eventually(together)
    for connection in connections:
        connection.close()


def test_a_stopping_service_answers_what_it_has_begun(tmp_path: Path) -> None:
    """And says so to those who ask meanwhile."""
    with (
        running(tmp_path) as service,
        closing(connected(service)) as connection,
        ThreadPoolExecutor(1) as pool,
    ):
        answer = pool.submit(asked, connection, "/quick?held")
        eventually((tmp_path / "held").exists)
        service.process.send_signal(signal.SIGTERM)
        (tmp_path / "go").touch()
        assert answer.result(30)["way"] == ALONE
        assert service.process.wait(30) == 0


def test_answers_look_as_those_of_the_route(service: Service) -> None:
    """But for the date, the request id and what they say."""
    with closing(connected(service)) as connection:
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
    """As a route's problem does."""
    answer = fast_path.problem(ProblemType(503, "audit_unavailable", "Away.", 2.0).problem(), "request-1")
    document = json.loads(answer.body)
    assert (answer.status, answer.headers["Retry-After"], answer.headers["X-Request-ID"]) == (503, "2", "request-1")
    assert (document["code"], document["requestId"]) == ("audit_unavailable", "request-1")


def test_an_application_need_not_have_one() -> None:
    """None is found where none was installed."""
    assert fast_path.of(Flask("x")) is None
    assert fast_path.of(lambda *_: []) is None
