"""Webhooks: what services are told of their grants, as a receiver of the Standard Webhooks convention sees it."""

import base64
import json
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic, sleep
from typing import Any
from uuid import UUID

import psycopg
import pytest
from replica import ALICE, Replica, answer, wish
from standardwebhooks import Webhook as Receiver

from service_kit.postgres.clock import DatabaseClock
from vault_service.adapters.webhooks import sender as sending
from vault_service.adapters.webhooks.messages import PostgresMessages
from vault_service.adapters.webhooks.sender import PrivateAddressError, WebhookSender, demand_global
from vault_service.application.errors import ConsentError, GrantUnusableError
from vault_service.application.ports.webhooks import NotDeliveredError
from vault_service.application.provider_errors import GrantRefusedError
from vault_service.application.webhooks import DeliverWebhooks
from vault_service.domain.grant import Failure
from vault_service.domain.webhook import LAST_ATTEMPT, Delivery, Webhook, delay_after, key_of

Rows = Callable[..., list[tuple[object, ...]]]
KEY = bytes(range(32))
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"


@dataclass
class Listening:
    """A service that listens. statuses: of the next answers, 204 afterwards; heard: the messages it has verified."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    heard: list[dict[str, Any]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    @property
    def events(self) -> list[str]:
        """The types of what it has heard."""
        return [message["type"] for message in self.heard]


@pytest.fixture
def service() -> Iterator[Listening]:
    """On loopback; it verifies what it hears with the convention's own package."""
    listening = Listening()

    class HttpHandler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            listening.paths.append(self.path)
            body = self.rfile.read(int(self.headers["Content-Length"]))
            listening.heard.append(Receiver(SECRET).verify(body, {k.lower(): v for k, v in self.headers.items()}))
            listening.ids.append(self.headers["webhook-id"])
            sleep(listening.delay)
            self.send_response(listening.statuses.pop(0) if listening.statuses else 204)
            for name, value in listening.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), HttpHandler)
    listening.url = f"http://127.0.0.1:{server.server_port}/hook"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield listening
    server.shutdown()
    server.server_close()


@pytest.fixture
def deliver(vault: Replica, service: Listening) -> DeliverWebhooks:
    """Tells `task-service`; nothing else is configured."""
    return telling(vault, service.url)


def telling(vault: Replica, url: str) -> DeliverWebhooks:
    """A process that delivers to that address."""
    hook = Webhook(url=url, secret=KEY, allow_private=True)
    database = vault.databases[0]
    made = DeliverWebhooks(PostgresMessages(database), {"task-service": hook}, WebhookSender(), DatabaseClock(database))
    made.configure()
    return made


def drain(deliver: DeliverWebhooks) -> None:
    """Deliver all that is due."""
    while deliver.deliver_one() is not None:
        pass


def refused(vault: Replica, grant_id: UUID) -> None:
    """The authorization server refuses a refresh finally."""
    vault.provider.script.append(GrantRefusedError(Failure.REAUTHORIZATION_REQUIRED))
    with pytest.raises(GrantUnusableError):
        vault.issue(grant_id, scopes=frozenset({"openid"}))


def test_a_receiver_of_the_convention_verifies_what_it_is_told(
    vault: Replica, deliver: DeliverWebhooks, service: Listening
) -> None:
    """Which grant, of whom, and what it was asked for; no token, and nothing that opens one."""
    grant_id = vault.grant()
    drain(deliver)
    (message,) = service.heard
    assert message["type"] == "grant.activated"
    assert message["data"] == {
        "persistentTokenId": str(grant_id),
        "issuer": ALICE.issuer,
        "subject": ALICE.sub,
        "taskId": "task-1",
    }
    assert set(message) == {"type", "timestamp", "data"}
    assert not any(f"{kind}-1" in json.dumps(message) for kind in ("access", "refresh"))


def test_every_change_of_a_grant_is_told(
    vault: Replica, deliver: DeliverWebhooks, service: Listening, rows: Rows
) -> None:
    """In the order in which it happened, when all goes well."""
    grant_id = vault.grant()
    refused(vault, grant_id)
    vault.manage.check(grant_id, ALICE, "task-ui", "request-4")
    vault.manage.revoke(grant_id, ALICE, "task-ui", "request-5")
    ended = vault.grant()
    rows("update grants set not_after = now() where id = %s returning 1", ended)
    vault.expire.expire_ended()
    started = vault.consent.request(wish())
    with pytest.raises(ConsentError):
        vault.consent.complete(answer(started.state, vault.provider, error="access_denied", code=None))
    drain(deliver)
    assert service.events == [
        "grant.activated",
        "grant.failed",
        "grant.recovered",
        "grant.revoked",
        "grant.activated",
        "grant.expired",
        "grant.failed",
    ]
    failures = [message["data"].get("failure") for message in service.heard]
    assert (failures[1], failures[-1]) == ("reauthorization_required", "consent_denied")


def test_a_refresh_is_no_news(vault: Replica, deliver: DeliverWebhooks, service: Listening) -> None:
    """Nor is a use."""
    grant_id = vault.grant()
    vault.issue(grant_id, scopes=frozenset({"openid"}))
    drain(deliver)
    assert service.events == ["grant.activated"]


def test_only_services_of_the_grant_that_have_a_webhook_are_told(
    vault: Replica, deliver: DeliverWebhooks, rows: Rows
) -> None:
    """No message is made for others, and none is left when a webhook is no longer configured."""
    rows("update grants set services = '{other}' returning 1")
    grant_id = vault.grant()
    rows("update grants set services = '{other}' where id = %s returning 1", grant_id)
    vault.manage.revoke(grant_id, ALICE, "task-ui", "request-5")
    assert rows("select service, event from webhook_messages") == [("task-service", "grant.activated")]
    PostgresMessages(vault.databases[0]).set_services(())
    vault.grant()
    assert rows("select * from webhook_messages") == []
    assert deliver.deliver_one() is None


def test_a_message_is_part_of_the_change(vault: Replica, deliver: DeliverWebhooks, rows: Rows) -> None:
    """A change that is rolled back tells nothing."""
    vault.grant()
    with vault.databases[0].transaction() as connection:
        connection.execute(b"update grants set status = 'revoked', refresh_token = null")
        raise psycopg.Rollback
    assert rows("select event from webhook_messages") == [("grant.activated",)]


def test_what_is_not_taken_is_sent_again_with_growing_delays(
    vault: Replica, deliver: DeliverWebhooks, service: Listening, rows: Rows
) -> None:
    """The same id each time, so that a receiver knows a message that arrives twice."""
    service.statuses = [500, 302, 429]
    service.headers = {"Location": service.url.replace("/hook", "/elsewhere")}
    vault.grant()
    for delay in (5, 300, 1800):
        attempt = deliver.deliver_one()
        assert attempt is not None
        assert attempt.outcome is Delivery.POSTPONED
        assert deliver.deliver_one() is None
        near = "select next_attempt_at - now() between %s * interval '1 s' - interval '4 s' and %s * interval '1 s'"
        assert rows(f"{near} from webhook_messages", delay, delay) == [(True,)]
        rows("update webhook_messages set next_attempt_at = now() returning 1")
    attempt = deliver.deliver_one()
    assert attempt is not None
    assert (attempt.outcome, attempt.attempts) == (Delivery.DELIVERED, 4)
    assert len(set(service.ids)) == 1
    assert service.paths == ["/hook"] * 4  # the redirect was not followed


@pytest.mark.parametrize(
    ("attempts", "status", "outcome"), [(LAST_ATTEMPT - 1, 500, "given_up"), (0, 410, "gone"), (0, 200, "delivered")]
)
def test_a_message_has_an_end(
    vault: Replica,
    deliver: DeliverWebhooks,
    service: Listening,
    rows: Rows,
    attempts: int,
    status: int,
    outcome: str,
) -> None:
    """A message is given up after the last attempt, and at once when the receiver wants no more."""
    service.statuses = [status]
    vault.grant()
    rows("update webhook_messages set attempts = %s returning 1", attempts)
    attempt = deliver.deliver_one()
    assert attempt is not None
    assert attempt.outcome == outcome
    assert rows("select outcome from webhook_messages") == [(outcome,)]
    assert deliver.deliver_one() is None


def test_delays_grow_and_are_bounded() -> None:
    """Three days and a half in all."""
    delays = [delay_after(attempt) for attempt in range(1, LAST_ATTEMPT)]
    assert delays == sorted(delays)
    assert 3 * 86_400 < sum(delays) < 4 * 86_400


def test_two_processes_send_each_message_once(vault: Replica, service: Listening) -> None:
    """Whichever takes it first."""
    processes = [telling(vault, service.url) for _ in range(4)]
    for _ in range(8):
        vault.grant()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(drain, processes))
    assert len(service.ids) == len(set(service.ids)) == 8


def test_a_receiver_that_answers_slowly_is_cut(
    vault: Replica, deliver: DeliverWebhooks, service: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow receiver delays the others for at most that long."""
    monkeypatch.setattr(sending, "TOTAL_SECONDS", 0.5)
    service.delay = 5.0
    vault.grant()
    began = monotonic()
    attempt = deliver.deliver_one()
    assert monotonic() - began < 4.0
    assert attempt is not None
    assert attempt.outcome is Delivery.POSTPONED


# where it may go


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254"),
        *("100.64.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1"),
        *("::1", "::", "fe80::1", "fe80::1%eth0", "fd00::1", "ff02::1", "2001:db8::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:0:7f00:1::"),
    ],
)
def test_addresses_that_are_not_global(address: str) -> None:
    """Also those in another dress."""
    with pytest.raises(PrivateAddressError):
        demand_global(address)


@pytest.mark.parametrize("address", ["93.184.215.14", "1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1"])
def test_global_addresses(address: str) -> None:
    """Global addresses are allowed."""
    demand_global(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "127.1"])
def test_private_addresses_are_refused_unless_configured(service: Listening, host: str) -> None:
    """By number or by name; nothing is sent."""
    hook = Webhook(url=service.url.replace("127.0.0.1", host), secret=KEY)
    with pytest.raises(NotDeliveredError, match="private_address"):
        WebhookSender().send(hook, {}, b"{}")
    assert service.paths == []


def test_a_name_that_resolves_to_something_else_the_second_time_is_refused(
    service: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection itself is checked, before a byte is sent."""
    port = int(service.url.rpartition(":")[2].partition("/")[0])
    answers = iter(["93.184.215.14", "127.0.0.1"])

    def resolve(*_: object, **__: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(NotDeliveredError, match="private_address"):
        WebhookSender().send(Webhook(url=f"http://rebinding.example:{port}/hook", secret=KEY), {}, b"{}")
    assert service.paths == []


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_???", "whsec_c2hvcnQ=", base64.b64encode(KEY).decode()])
def test_a_secret_has_a_form(secret: str) -> None:
    """`whsec_` and base64 of 24 to 64 bytes."""
    assert key_of(SECRET) == KEY
    with pytest.raises(ValueError, match=r"does not begin with|is not"):
        key_of(secret)


def test_a_secret_does_not_print() -> None:
    """Nor does its key."""
    assert str(KEY) not in repr(Webhook(url="https://hub.example/", secret=KEY))
