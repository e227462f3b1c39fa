"""The gateway before one replica or two: requests that are passed on to the other, and replicas that are skipped."""

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
from stack import eventually

from local_stack import gateway, ports
from local_stack.process import Processes

pytestmark = pytest.mark.process

VAULT = "/api/auth/manager"
CALLBACK = f"{VAULT}/offline-callback?state=s&code=c"


class NginxUpstream(ThreadingHTTPServer):
    """A service that is well or not, and counts what it is asked."""

    daemon_threads = True
    status = 200
    asked = 0


class HttpHandler(BaseHTTPRequestHandler):
    """Answers everything with the replica's status and a code that only a service has; closes each connection."""

    server: NginxUpstream

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked += 1
        body = json.dumps({"code": "its_own"}).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.do_GET()

    def do_DELETE(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Be quiet."""


@contextmanager
def replica(address: str, port: int) -> Iterator[NginxUpstream]:
    """One on a loopback address of its own; all have the same port, as containers do."""
    server = NginxUpstream((address, port), HttpHandler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def name_server(addresses: list[str]) -> Iterator[str]:
    """A name server (RFC 1035 section 4) that gives these addresses for every name; its own address and port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        over = threading.Event()

        def serve() -> None:
            while True:
                query, client = server.recvfrom(512)
                if over.is_set():
                    return
                question = query[12 : query.index(b"\0", 12) + 5]
                header = query[:2] + struct.pack(">HHHHH", 0x8180, 1, len(addresses), 0, 0)
                records = [
                    b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 2, 4) + socket.inet_aton(each) for each in addresses
                ]
                server.sendto(header + question + b"".join(records), client)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}"
        finally:
            over.set()
            server.sendto(b"", server.getsockname())
            thread.join()


@dataclass
class Before:
    """A gateway before replicas."""

    url: str
    replicas: list[NginxUpstream] = field(default_factory=list)

    def send(self, method: str = "GET", path: str = f"{VAULT}/access-token?id=1") -> requests.Response:
        """One request through the gateway."""
        return requests.request(method, self.url + path, timeout=10, allow_redirects=False)

    def statuses(self, number: int, method: str = "GET", path: str = f"{VAULT}/access-token?id=1") -> set[int]:
        """The statuses of some requests, one after the other."""
        return {self.send(method, path).status_code for _ in range(number)}


@pytest.fixture
def before(tmp_path: Path) -> Iterator[Callable[[int], Before]]:
    """Starts a gateway before a number of replicas."""
    processes = Processes(tmp_path, tmp_path)
    with ExitStack() as stack:
        stack.callback(processes.stop, "gateway")

        def start(number: int) -> Before:
            addresses = [f"127.0.0.{2 + each}" for each in range(number)]
            chosen = ports.choose(tmp_path / "ports.json", ["gateway", "service"], set())
            (tmp_path / "index.html").write_text("<!doctype html>")
            values = {
                "GATEWAY_LISTEN": f"127.0.0.1:{chosen['gateway']}",
                "PUBLIC_URL": f"http://localhost:{chosen['gateway']}",
                "NGINX_WORKERS": "2",
                "VAULT_UPSTREAM": f"vault.test:{chosen['service']}",
                "TASK_UPSTREAM": f"tasks.test:{chosen['service']}",
                "NAMESERVER": stack.enter_context(name_server(addresses)),
                "TRUSTED_PROXY": gateway.NO_PROXY,
                "FRONTEND_ROOT": str(tmp_path),
                "DOCS_ROOT": str(tmp_path),
                "ISSUER": "https://login.example/realms/x",
                "ISSUER_ORIGIN": "https://login.example",
                "UI_CLIENT_ID": "task-ui",
            }
            replicas = [stack.enter_context(replica(each, chosen["service"])) for each in addresses]
            part = gateway.part(tmp_path / "nginx", f"http://localhost:{chosen['gateway']}", values)
            processes.start(part)
            processes.wait_ready(part)
            gate = Before(f"http://localhost:{chosen['gateway']}", replicas)
            for path in (f"{VAULT}/tokens", "/api/tasks"):
                eventually(lambda path=path: gate.statuses(1, path=path) == {200}, "the names are known")  # type: ignore[misc]
            for each in replicas:
                each.asked = 0
            return gate

        yield start


@pytest.mark.parametrize("path", [f"{VAULT}/access-token?id=1", f"{VAULT}/tokens", "/api/tasks"])
def test_what_one_replica_cannot_answer_is_asked_of_the_other(before: Callable[[int], Before], path: str) -> None:
    """Callers get an answer. The replica that has failed is then skipped, by POST too."""
    gate = before(2)
    gate.replicas[0].status = 503
    assert gate.statuses(6, path=path) == {200}
    assert gate.statuses(6, "POST", path) == {200}
    assert gate.replicas[0].asked == 1
    assert gate.replicas[1].asked == 12


@pytest.mark.parametrize("number", [1, 2])
def test_when_all_say_503_it_is_their_own_that_is_heard(before: Callable[[int], Before], number: int) -> None:
    """An unavailable authorization server takes no replica out: cached tokens are still served."""
    gate = before(number)
    for each in gate.replicas:
        each.status = 503
    for _ in range(6):
        answer = gate.send()
        assert (answer.status_code, answer.json()["code"]) == (503, "its_own")
    for each in gate.replicas:
        each.status = 200
    assert gate.statuses(6) == {200}


@pytest.mark.parametrize(("method", "path"), [("POST", f"{VAULT}/offline-consent"), ("GET", CALLBACK)])
def test_what_must_not_be_done_twice_is_asked_once(before: Callable[[int], Before], method: str, path: str) -> None:
    """A POST that has been sent, and a code, which works once."""
    gate = before(2)
    for each in gate.replicas:
        each.status = 503
    assert gate.send(method, path).status_code == 503
    assert sum(each.asked for each in gate.replicas) == 1


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_replica_that_is_gone_is_not_noticed(before: Callable[[int], Before], method: str) -> None:
    """The replica's address refuses connections, while the name server still gives it."""
    gate = before(2)
    gate.replicas[0].shutdown()
    gate.replicas[0].server_close()
    assert gate.statuses(6, method, f"{VAULT}/tokens/1") == {200}
    assert gate.replicas[1].asked == 6
