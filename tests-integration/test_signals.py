"""The vault's own actions: it keeps unused grants alive, and tells services. Uses its own stack."""

import base64
import json
import os
import secrets
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from api import MANAGER, Api, command_line_token, service_token
from person import Person
from stack import Stack, eventually
from standardwebhooks import Webhook

pytestmark = [
    pytest.mark.any_server,
    pytest.mark.skipif(
        os.environ.get("STACK") == "compose", reason="needs the development authorization server with an idle limit"
    ),
]
IDLE = 24
"""Seconds after which the authorization server ends an unused grant."""
GRANTS = 4
SERVICES = """\
[services.task-service]
name = "Task Manager"
return_to = ["{gateway}/tasks"]
webhook = "{hook}"
webhook_secret_file = "webhook_secret"
webhook_private = true
"""


@dataclass
class Receiver:
    """A service that verifies what it is told with the convention's own package. answers: the next statuses."""

    secret: str
    url: str = ""
    answers: list[int] = field(default_factory=list)
    told: list[dict[str, Any]] = field(default_factory=list)

    def of(self, grant_id: str) -> list[str]:
        """The events of a grant, in the order in which they came."""
        return [message["type"] for message in self.told if message["data"]["persistentTokenId"] == grant_id]


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    """Of the task service's messages, on loopback."""
    receiver = Receiver(f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}")

    class HttpHandler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            message = Webhook(receiver.secret).verify(body, {name.lower(): v for name, v in self.headers.items()})
            status = receiver.answers.pop(0) if receiver.answers else 204
            if status == 204:
                receiver.told.append(message)
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), HttpHandler)
    receiver.url = f"http://127.0.0.1:{server.server_port}/events"
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield receiver
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver) -> Iterator[Stack]:
    """A stack whose authorization server ends unused grants soon, and whose task service has a webhook."""
    folder = tmp_path_factory.mktemp("signals")
    stack = Stack.create(folder / "state", "dev")
    file, secret = folder / "services.toml", folder / "webhook_secret"
    gateway = f"http://localhost:{stack.environ['GATEWAY_PORT']}"
    file.write_text(SERVICES.format(gateway=gateway, hook=receiver.url))
    secret.write_text(receiver.secret)
    for path in (file, secret):
        path.chmod(0o400)
    stack.environ |= {"VAULT_SERVICES_FILE": str(file), "VAULT_ASSUMED_IDLE": str(IDLE)}
    try:
        stack.start()
        stack.control("PUT", "/settings", {"offlineSessionIdleTimeout": IDLE})
        yield stack
    finally:
        stack.command("clean")


@pytest.fixture(scope="module")
def limited(short: Stack, receiver: Receiver) -> str:
    """A grant of Alice that ends within an hour, whose first message was refused once."""
    receiver.answers[:] = [503]
    end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    return Api(short, command_line_token(short, "alice")).grant(Person("alice"), notAfter=end)


def lines(alice: Api, grant_id: str, event: str) -> list[dict[str, Any]]:
    """The lines of a grant's audit with that event, the oldest first."""
    page = alice.get(f"{MANAGER}/tokens/{grant_id}/audit", params={"limit": 200}).json()["lines"]
    return [line for line in reversed(page) if line["event"] == event]


@pytest.mark.usefixtures("limited")
def test_grants_that_nobody_uses_outlive_the_idle_limit_of_their_server(short: Stack, receiver: Receiver) -> None:
    """Each is refreshed in time, at its own moment. The audit has the reason, no use is counted, and no service is
    told.
    """
    alice, person = Api(short, command_line_token(short, "alice")), Person("alice")
    granted = [alice.grant(person) for _ in range(GRANTS)]
    began = time.monotonic()

    def kept() -> bool:
        return time.monotonic() - began > IDLE + 2 and all(
            lines(alice, grant_id, "grant.keep_alive") for grant_id in granted
        )

    eventually(kept, "each grant was refreshed, and the idle limit has passed", 3 * IDLE)
    moments = {lines(alice, grant_id, "grant.keep_alive")[0]["at"][:21] for grant_id in granted}
    assert len(moments) > 1, "the refreshes are spread"
    alice = Api(short, command_line_token(short, "alice"))
    for grant_id in granted:
        view = alice.get(f"{MANAGER}/tokens/{grant_id}").json()
        assert (view["status"], view["uses"], view["keptAlive"]) == ("active", 0, True)
        line = lines(alice, grant_id, "grant.keep_alive")[0]
        assert (line["actor"], line["outcome"]) == ("vault", "ok")
        eventually(lambda grant_id=grant_id: receiver.of(grant_id), "the service was told")  # type: ignore[misc]
        assert receiver.of(grant_id) == ["grant.activated"]
    service = Api(short, service_token(short), short["VAULT_URL"])
    answer = service.access_token(granted[0], subject=subject_of(alice), scope="openid")
    assert answer.status_code == 200, answer.text


def test_a_service_is_told_what_happens_and_told_again_until_it_listens(
    short: Stack, receiver: Receiver, limited: str
) -> None:
    """Signed by the convention; a refusal is retried with the same message, and the log names each attempt."""
    alice = Api(short, command_line_token(short, "alice"))
    eventually(lambda: "grant.expiring" in receiver.of(limited), "the end within an hour is announced", 90)
    assert alice.delete(f"{MANAGER}/tokens/{limited}").status_code == 200
    eventually(lambda: "grant.revoked" in receiver.of(limited), "the service knows of the revocation", 30)
    assert receiver.of(limited) == ["grant.activated", "grant.expiring", "grant.revoked"]
    attempts = [line for line in short.log("vault").splitlines() if "webhook.sent" in line]
    assert any("postponed" in line for line in attempts)
    assert not any(receiver.secret in short.log(part) for part in ("vault", "tasks", "worker", "gateway"))


def test_without_a_refresh_the_server_ends_the_grant(short: Stack) -> None:
    """So the vault has kept the others alive: the limit is real. This test ends all grants of the stack: it is last."""
    alice, person = Api(short, command_line_token(short, "alice")), Person("alice")
    grant_id = alice.grant(person)
    short.control("PUT", "/settings", {"offlineSessionIdleTimeout": 1})
    try:
        failed = eventually(
            lambda: alice.get(f"{MANAGER}/tokens/{grant_id}").json()["status"] == "failed",
            "the next refresh finds that the grant has ended",
            3 * IDLE,
        )
    finally:
        short.control("PUT", "/settings", {"offlineSessionIdleTimeout": IDLE})
    assert failed
    assert lines(alice, grant_id, "grant.keep_alive")[-1]["outcome"] != "ok"


def subject_of(alice: Api) -> str:
    """The subject in a bearer's own token."""
    payload = str(alice.bearer).split(".")[1]
    return str(json.loads(base64.urlsafe_b64decode(payload + "=="))["sub"])
