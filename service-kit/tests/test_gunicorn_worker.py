"""What gunicorn itself refuses is a problem document; what was sent is neither shown nor logged."""

import json
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from gunicorn.workers.gthread import ThreadWorker
from served import served

from service_kit.server import gunicorn_worker
from service_kit.server.gunicorn_worker import Worker

pytestmark = pytest.mark.process

APPLICATION = """
import os
from flask import request
from service_kit.http import app as http, inputs
from service_kit.process import logs
logs.configure("test")
class Note(inputs.Input, frozen=True, kw_only=True):
    text: str = ""
class Echo(inputs.Output, frozen=True, kw_only=True):
    text: str
app = http.create_app("test", {})
app.post("/notes", endpoint="notes")(lambda: http.respond(Echo(text=inputs.body(request, Note).text)))
app.get("/process", endpoint="process")(lambda: str(os.getpid()))
app.get("/broken", endpoint="broken")(lambda: ("", 200, {"X-Broken": "a\\x00b"}))
"""
HEAD = b"POST /notes HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A service of one process."""
    with served(tmp_path_factory.mktemp("gunicorn"), APPLICATION, workers=1) as service:
        yield service.port
    assert "hidden" not in (service.folder / "log").read_text()


@pytest.fixture
def send(port: int) -> Callable[[bytes], tuple[int, bytes, bytes]]:
    """Sends bytes; status, head and body of the one answer, after which the connection ends."""

    def exchange(data: bytes) -> tuple[int, bytes, bytes]:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            received = b"".join(iter(lambda: connection.recv(65536), b""))
        head, _, body = received.partition(b"\r\n\r\n")
        return int(head.split(b" ", 2)[1]), head, body

    return exchange


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"GET /?code=hidden\xff HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad_request"),
        (b"GET /?code=hidden\r\n\r\n", 400, "bad_request"),
        (b"get /hidden HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad_request"),
        (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 400, "bad_request"),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414, "uri_too_long"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: hidden\r\n" * 200 + b"\r\n", 431, "header_too_large"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"y" * 20000 + b"\r\n\r\n", 431, "header_too_large"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization : Bearer hidden\r\n\r\n", 400, "bad_request"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer\r\n hidden\r\n\r\n", 400, "bad_request"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: hidden\x00\r\n\r\n", 400, "bad_request"),
        (HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x", 400, "bad_request"),
        (HEAD + b"Content-Length: -1\r\n\r\n{}", 400, "bad_request"),
        (HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 400, "bad_request"),
        (HEAD + b"Transfer-Encoding: xchunked\r\n\r\n{}", 400, "bad_request"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nhidden\r\n{}\r\n0\r\n\r\n", 400, "bad_request"),
        (HEAD + b"Expect: hidden\r\nContent-Length: 2\r\n\r\n{}", 417, "expectation_failed"),
    ],
    ids=lambda value: repr(value)[-40:] if isinstance(value, bytes) else None,
)
def test_refusals_are_problems(
    send: Callable[[bytes], tuple[int, bytes, bytes]], data: bytes, status: int, code: str
) -> None:
    """Of the right status and code, closed afterwards, and silent about what was sent."""
    answered, head, body = send(data)
    document: dict[str, Any] = json.loads(body)
    assert (answered, document["status"], document["code"]) == (status, status, code)
    assert b"Content-Type: application/problem+json" in head
    assert f"X-Request-ID: {document['requestId']}".encode() in head
    assert b"hidden" not in head + body


def test_good_requests_are_answered(send: Callable[[bytes], tuple[int, bytes, bytes]]) -> None:
    """The worker is still gunicorn's."""
    status, _, body = send(HEAD + b'Connection: close\r\nContent-Length: 12\r\n\r\n{"text":"a"}')
    assert (status, json.loads(body)) == (200, {"text": "a"})


def test_an_application_s_fault_is_not_the_client_s(send: Callable[[bytes], tuple[int, bytes, bytes]]) -> None:
    """An answer that HTTP does not have stays a 500."""
    assert send(b"GET /broken HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")[0] == 500


def test_a_process_with_more_connections_leaves_the_next_to_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """It hesitates for a moment; one with as few as any does not, and those that have ended count no more."""
    hesitations: list[float] = []
    monkeypatch.setattr(gunicorn_worker.time, "sleep", hesitations.append)
    monkeypatch.setattr(ThreadWorker, "__init__", lambda self: setattr(self, "nr_conns", 0))
    monkeypatch.setattr(ThreadWorker, "accept", lambda self, _: setattr(self, "nr_conns", self.nr_conns + 1))
    one, other = Worker(), Worker()

    def hesitates(worker: Worker) -> bool:
        hesitations.clear()
        worker.accept(None)
        return bool(hesitations)

    assert [hesitates(one), hesitates(one), hesitates(other), hesitates(other)] == [False, True, False, False]
    assert (one.nr_conns, other.nr_conns) == (2, 2)
    other.leave()
    assert not hesitates(one)
    assert Worker().nr_conns == 0
    one.leave()


def test_the_processes_see_one_another(tmp_path: Path) -> None:
    """Connections that come together do not all go to one of two."""
    with served(tmp_path, APPLICATION, workers=2) as service:
        deadline = time.monotonic() + 30
        while len(together(service.port, 8)) < 2:
            assert time.monotonic() < deadline


def together(port: int, number: int) -> Counter[bytes]:
    """How many of so many connections each process got, which are opened at the same time and kept."""
    with ExitStack() as kept:
        opened = [kept.enter_context(closing(HTTPConnection("127.0.0.1", port, timeout=10))) for _ in range(number)]
        for connection in opened:
            connection.request("GET", "/process")
        return Counter(connection.getresponse().read() for connection in opened)
