"""Malformed HTTP (RFC 9112), byte by byte at the gateway.

The gateway answers with one client error and closes the connection. No second request is smuggled in, and no answer
shows the servers behind the gateway.
"""

import json
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest
from api import Api
from stack import TIMEOUT, Stack

pytestmark = pytest.mark.any_server

END = b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
LINE = b"GET /api/tasks" + END
POST = b"POST /api/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"  # kept alive
SMUGGLED = b"DELETE /api/tasks/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
MALFORMED = {
    "length and chunks": POST + b"Content-Length: 6\r\n" + CHUNKED + b"\r\n0\r\n\r\n" + SMUGGLED,
    "chunks twice": POST + CHUNKED + b"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "unknown coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "coding with a tab": POST + b"Transfer-Encoding:\tchunked, x\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "two lengths": POST + b"Content-Length: 2\r\nContent-Length: 40\r\n\r\n{}" + SMUGGLED,
    "a list of lengths": POST + b"Content-Length: 2, 2\r\n\r\n{}" + SMUGGLED,
    "negative length": POST + b"Content-Length: -1\r\n\r\n{}",
    "signed length": POST + b"Content-Length: +2\r\n\r\n{}",
    "length beyond measure": POST + b"Content-Length: 99999999999999999999\r\n\r\n{}",
    "chunks without a size": POST + CHUNKED + b"\r\nzz\r\n{}\r\n0\r\n\r\n",
    "chunk beyond measure": POST + CHUNKED + b"\r\nfffffffffffffffff\r\n{}\r\n0\r\n\r\n",
    "no host": b"GET /api/tasks HTTP/1.1\r\n\r\n",
    "two hosts": LINE + b"Host: y\r\n\r\n",
    "host with a zero": b"GET /api/tasks HTTP/1.1\r\nHost: localhost\x00\r\n\r\n",
    "space before a colon": LINE + b"Authorization : Bearer a.b.c\r\n\r\n",
    "folded header": LINE + b"Authorization: Bearer\r\n a.b.c\r\n\r\n",
    "zero in a header": LINE + b"X-A: \x00\r\n\r\n",
    "lower-case method": b"get /api/tasks" + END + b"\r\n",
    "method in UTF-8": "GÉT /api/tasks".encode() + END + b"\r\n",
    "another HTTP": b"GET /api/tasks HTTP/2.0\r\nHost: localhost\r\n\r\n",
    "zero in the address": b"GET /api/tasks/\x00" + END + b"\r\n",
    "encoded zero": b"GET /api/tasks/%00" + END + b"\r\n",
    "broken percent sign": b"GET /api/tasks/%zz" + END + b"\r\n",
    "bytes in the address": b"GET /api/tasks/\xff\xfe" + END + b"\r\n",
    "above the root": b"GET /../../etc/passwd" + END + b"\r\n",
    "an address of 10 kB": b"GET /api/tasks/" + b"a" * 10_000 + END + b"\r\n",
    "an address of 30 kB": b"GET /api/tasks/" + b"a" * 30_000 + END + b"\r\n",
    "a query of 10 kB": b"GET /api/tasks?a=" + b"a" * 10_000 + END + b"\r\n",
    "a header of 30 kB": LINE + b"X-A: " + b"a" * 30_000 + b"\r\n\r\n",
    "500 headers": LINE + b"".join(b"X-%d: y\r\n" % number for number in range(500)) + b"\r\n",
}
CODES = {(400, "bad_request"), (414, "uri_too_long"), (431, "header_too_large")}


@pytest.mark.parametrize("sent", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_requests(stack: Stack, sent: bytes) -> None:
    """Exactly one answer, and it is one of three problems."""
    received = exchange(stack, sent)
    assert received.count(b"HTTP/1.1 ") == 1, received
    head, document = parsed(received)
    status = int(head.split(b" ", 2)[1])
    assert (status, document["code"]) in CODES
    assert document["status"] == status
    assert b"Content-Type: application/problem+json" in head
    for inside in (b"gunicorn", b"Traceback", b"<html", b"Invalid"):
        assert inside not in received


@pytest.mark.parametrize(
    "address",
    [
        b"/api/tasks/../../healthz",
        b"/api/tasks/%2e%2e/%2e%2e/readyz",
        b"/api/auth/manager/..%2f..%2f..%2freadyz",
        b"//healthz",
        b"/api/tasks/..;/..;/healthz",
        b"/api/tasks/..\\..\\healthz",
        b"/metrics",
        b"http://localhost/healthz",
    ],
)
def test_no_way_around_the_allow_list(stack: Stack, address: bytes) -> None:
    """Internal addresses are not reachable in any spelling."""
    head, document = parsed(exchange(stack, b"GET " + address + END + b"\r\n"))
    assert (int(head.split(b" ", 2)[1]), document["status"]) in {(404, 404), (401, 401)}


def test_an_overriding_method_is_not_heard(alice: Api) -> None:
    """A POST that names another method in a header stays a POST."""
    task_id = alice.create_task()
    for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "_method"):
        assert alice.post(f"/api/tasks/{task_id}", headers={name: "DELETE"}).status_code == 405
    assert alice.task(task_id)["id"] == task_id


def exchange(stack: Stack, sent: bytes) -> bytes:
    """All that comes back until the connection ends."""
    target = urlsplit(stack.gateway)
    with socket.create_connection((target.hostname or "", target.port or 80), timeout=TIMEOUT) as connection:
        connection.sendall(sent)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def parsed(received: bytes) -> tuple[bytes, dict[str, Any]]:
    """Head and problem of one answer."""
    head, _, body = received.partition(b"\r\n\r\n")
    return head, dict(json.loads(body))
