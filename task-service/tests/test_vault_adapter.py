"""The vault adapter against a real HTTP server that plays the vault: what is sent, and what each answer becomes."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import count
from typing import NamedTuple
from uuid import UUID, uuid4

import pytest
from http_parts import Asked, Reply, Server, problem, serving

from service_kit.process.secret import Secret
from service_kit.tokens.issuer import Issuer
from task_service.adapters.vault.client import TicketsOverHttp, VaultOverHttp
from task_service.adapters.vault.credentials import own_credentials
from task_service.application.errors import (
    TaskError,
    TicketExpiredError,
    TicketLimitReachedError,
    TokenNotFoundError,
    TokenRefusedError,
    VaultUnavailableError,
)
from task_service.application.ports.vault import AttemptTicket, LinkedGrant
from task_service.domain.attempt import Attempt, AttemptKey
from task_service.domain.owner import Owner
from task_service.domain.task import TokenStatus
from token_vault_client import TicketCredentials, TokenVaultClient

TOKEN_ID, TASK_ID = uuid4(), uuid4()
ALICE = Owner("https://issuer.example/realms/demo", "alice-sub")
ATTEMPT = Attempt(
    key=AttemptKey(TASK_ID, 7),
    run=2,
    owner=ALICE,
    task_name="a",
    kind="demo",
    parameters={},
    persistent_token_id=TOKEN_ID,
)
TICKET = AttemptTicket(uuid4(), "tvt_secret")
PREFIX = "/api/auth/manager"


DISCOVERY, TOKENS = "/realms/demo/.well-known/openid-configuration", "/realms/demo/token"


class Adapters(NamedTuple):
    """The adapters for persons and for workers."""

    persons: VaultOverHttp
    tickets: TicketsOverHttp


@contextmanager
def vault_that(answer: Callable[[Asked], Reply]) -> Iterator[tuple[Adapters, Server]]:
    """The adapters, and the server that it calls; which is an authorization server too, whose tokens are numbered."""
    numbers = count(1)

    def answer_all(asked: Asked) -> Reply:
        base = f"http://{asked.headers['Host']}/realms/demo"
        if asked.path == DISCOVERY:
            names = ("authorization_endpoint", "jwks_uri")
            members = {name: f"{base}/{name}" for name in names} | {"token_endpoint": f"{base}/token"}
            return Reply(content={"issuer": base, **members})
        if asked.path == TOKENS:
            token = {"access_token": f"service-token-{next(numbers)}", "token_type": "Bearer", "expires_in": 300}
            return Reply(content=token)
        return answer(asked)

    with serving(answer_all) as server:
        credentials = own_credentials(Issuer(f"{server.url}/realms/demo"), "task-service", Secret("s3cret"))
        make = partial(TokenVaultClient, server.url, patience=0.0, cache=None, request_id=lambda: "r-1")
        client = make(credentials, timeout=(2.0, 2.0))
        yield (
            Adapters(VaultOverHttp(client), TicketsOverHttp(client, lambda text: make(TicketCredentials(text)))),
            server,
        )
        client.close()


def of_the_vault(server: Server) -> list[Asked]:
    """The requests to the vault."""
    return [asked for asked in server.asked if asked.path.startswith(PREFIX)]


def token_body(value: str, scope: str = "") -> dict[str, object]:
    """An access token as the vault answers with it."""
    return {"accessToken": value, "expiresAt": "2026-01-01T00:05:00Z", "expiresIn": 300, "scope": scope}


def grant_body(token_id: UUID, status: str) -> dict[str, object]:
    """A grant as the vault describes it."""
    return {"persistentTokenId": str(token_id), "status": status, "createdAt": "2026-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("pending", TokenStatus.PENDING),
        ("active", TokenStatus.ACTIVE),
        ("failed", TokenStatus.FAILED),
        ("revoked", TokenStatus.FAILED),
        ("expired", TokenStatus.FAILED),
        ("a word of a later version", TokenStatus.FAILED),
    ],
)
def test_a_grant_is_asked_for_in_the_services_name_and_names_its_owner(said: str, status: TokenStatus) -> None:
    """Any status but pending and active is of no use."""
    with vault_that(lambda _: Reply(content=grant_body(TOKEN_ID, said))) as (vault, server):
        assert vault.persons.grant(TOKEN_ID, ALICE) == LinkedGrant(TOKEN_ID, status)
        (asked,) = of_the_vault(server)
    assert (asked.method, asked.path) == ("GET", f"{PREFIX}/tokens/{TOKEN_ID}")
    assert asked.query == {"subject": "alice-sub"}
    assert asked.headers["Authorization"] == "Bearer service-token-1"
    assert asked.headers["X-Request-ID"] == "r-1"


def test_grants_are_asked_for_by_a_tasks_public_id_or_by_their_own() -> None:
    """In the vault's order, newest first."""
    other = uuid4()
    body = {"tokens": [grant_body(TOKEN_ID, "active"), grant_body(other, "pending")]}
    with vault_that(lambda _: Reply(content=body)) as (vault, server):
        linked = [LinkedGrant(TOKEN_ID, TokenStatus.ACTIVE), LinkedGrant(other, TokenStatus.PENDING)]
        assert vault.persons.grants(ALICE, TASK_ID) == linked
        assert vault.persons.grants(ALICE) == linked
        assert vault.persons.linked(ALICE, [TOKEN_ID, other]) == linked
    queries = [{"taskId": f"task-{TASK_ID}"}, {}, {"ids": f"{TOKEN_ID},{other}"}]
    assert [asked.query for asked in of_the_vault(server)] == [{"subject": "alice-sub", **query} for query in queries]
    assert {asked.headers["Authorization"] for asked in of_the_vault(server)} == {"Bearer service-token-1"}


def ticket_body(**more: object) -> dict[str, object]:
    """A ticket as the vault describes it."""
    return {"ticketId": str(TICKET.id), "name": "n", "expiresAt": "2026-01-01T00:01:00Z", **more}


def test_a_ticket_is_made_in_the_services_name_and_names_task_and_attempt() -> None:
    """On the owner's behalf, for a minute; its value is not printed."""
    with vault_that(lambda _: Reply(201, ticket_body(ticket="tvt_secret"))) as (vault, server):
        ticket = vault.tickets.open(ATTEMPT, 60)
        (asked,) = of_the_vault(server)
    assert (ticket.id, ticket.value) == (TICKET.id, "tvt_secret")
    assert "tvt_secret" not in repr(ticket)
    assert (asked.method, asked.path) == ("POST", f"{PREFIX}/tickets")
    assert asked.headers["Authorization"] == "Bearer service-token-1"
    assert json.loads(asked.body) == {
        "id": str(TOKEN_ID),
        "name": f"task-{TASK_ID}, attempt 7",
        "subject": "alice-sub",
        "expiresIn": 60,
        "taskId": f"task-{TASK_ID}",
        "attempt": 7,
    }


def test_an_access_token_is_asked_for_by_the_ticket_alone() -> None:
    """No id, no subject, none of the service's credentials; its value is not printed."""
    with vault_that(lambda _: Reply(content=token_body("secret-value", "openid email"))) as (vault, server):
        token = vault.tickets.access_token(TICKET)
        (asked,) = server.asked
    assert (token.value, token.scopes) == ("secret-value", frozenset({"openid", "email"}))
    assert token.expires_at == datetime(2026, 1, 1, 0, 5, tzinfo=UTC)
    assert "secret-value" not in repr(token)
    assert asked.headers["Authorization"] == "Bearer tvt_secret"
    assert asked.headers["X-Request-ID"] == "r-1"
    assert asked.query == {}


def test_a_ticket_is_extended_and_ended_in_the_services_name() -> None:
    """One that has ended stays so, without an error: its attempt finds out by itself."""
    for reply in (Reply(content=ticket_body()), problem(404, "ticket_not_found"), problem(410, "ticket_ended")):
        with vault_that(lambda _, reply=reply: reply) as (vault, server):  # type: ignore[misc]
            vault.tickets.extend(TICKET.id, 60)
            vault.tickets.end(TICKET.id)
            extended, ended = of_the_vault(server)
        assert (extended.method, extended.path) == ("POST", f"{PREFIX}/tickets/{TICKET.id}/extend")
        assert json.loads(extended.body) == {"expiresIn": 60}
        assert (ended.method, ended.path) == ("DELETE", f"{PREFIX}/tickets/{TICKET.id}")
        assert ended.headers["Authorization"] == "Bearer service-token-1"
    with vault_that(lambda _: problem(503, "audit_unavailable")) as (vault, _):
        for change in (lambda: vault.tickets.extend(TICKET.id, 60), lambda: vault.tickets.end(TICKET.id)):
            with pytest.raises(VaultUnavailableError):
                change()


def test_a_rejected_token_of_the_services_is_renewed_once() -> None:
    """The authorization server's keys may have been rotated since. The owner's token is not blamed."""
    body = ticket_body(ticket="tvt_x")

    def answer(asked: Asked) -> Reply:
        return Reply(201, body) if asked.headers["Authorization"].endswith("-2") else problem(401, "unauthorized")

    with vault_that(answer) as (vault, server):
        assert vault.tickets.open(ATTEMPT, 60).value == "tvt_x"
        assert len(of_the_vault(server)) == 2
    with vault_that(lambda _: problem(401, "unauthorized")) as (vault, server):
        with pytest.raises(VaultUnavailableError):
            vault.tickets.open(ATTEMPT, 60)
        assert len(of_the_vault(server)) == 2


REFUSED = [
    (problem(404, "token_not_found"), TokenRefusedError),
    (problem(409, "consent_pending"), TokenRefusedError),
    (problem(409, "reauthorization_required"), TokenRefusedError),
    (problem(410, "token_revoked"), TokenRefusedError),
    (problem(403, "service_not_allowed"), TokenRefusedError),
    (problem(429, "rate_limited"), VaultUnavailableError),
    (problem(500, "internal_error"), VaultUnavailableError),
    (problem(503, "provider_unavailable"), VaultUnavailableError),
    (Reply(502, b"<html>Bad Gateway</html>", "text/html"), VaultUnavailableError),
    (Reply(200, b"no JSON"), VaultUnavailableError),
    (Reply(200, {"accessToken": "v"}), VaultUnavailableError),
    (Reply(302, headers={"Location": "http://127.0.0.1:9/"}), VaultUnavailableError),
]


@pytest.mark.parametrize(("reply", "error"), [*REFUSED, (problem(409, "too_many_tickets"), TicketLimitReachedError)])
def test_what_a_refusal_of_a_ticket_means(reply: Reply, error: type[TaskError]) -> None:
    """The grant is of no use, or the vault cannot say so now, or others use it; nothing else."""
    with vault_that(lambda _: reply) as (vault, _), pytest.raises(error) as raised:
        vault.tickets.open(ATTEMPT, 60)
    assert type(raised.value) is error


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        *REFUSED,
        (problem(401, "ticket_expired"), TicketExpiredError),
        (problem(401, "ticket_unknown"), TicketExpiredError),
        (problem(401, "ticket_ended"), TokenRefusedError),
        (problem(401, "ticket_used_up"), TokenRefusedError),
        (problem(401, "unauthorized"), VaultUnavailableError),
    ],
)
def test_what_a_refusal_of_an_access_token_means(reply: Reply, error: type[TaskError]) -> None:
    """A ticket that its owner has ended is not replaced; one that expired is."""
    with vault_that(lambda _: reply) as (vault, _), pytest.raises(error):
        vault.tickets.access_token(TICKET)


def test_a_token_is_revoked_in_the_services_name_unless_other_services_may_use_it() -> None:
    """One that the vault does not know is told apart from a vault that does not answer."""
    with vault_that(lambda _: Reply(content={"status": "revoked"})) as (vault, server):
        assert vault.persons.revoke(TOKEN_ID, ALICE)
        (asked,) = of_the_vault(server)
    assert (asked.method, asked.path, asked.query) == (
        "DELETE",
        f"{PREFIX}/tokens/{TOKEN_ID}",
        {"subject": "alice-sub"},
    )
    assert asked.headers["Authorization"] == "Bearer service-token-1"
    with vault_that(lambda _: problem(403, "service_not_allowed")) as (vault, _):
        assert not vault.persons.revoke(TOKEN_ID, ALICE)
    with vault_that(lambda _: problem(403, "forbidden")) as (vault, _), pytest.raises(VaultUnavailableError):
        vault.persons.revoke(TOKEN_ID, ALICE)
    with vault_that(lambda _: problem(404, "token_not_found")) as (vault, _), pytest.raises(TokenNotFoundError):
        vault.persons.revoke(TOKEN_ID, ALICE)
    with vault_that(lambda _: problem(503, "audit_unavailable")) as (vault, _), pytest.raises(VaultUnavailableError):
        vault.persons.revoke(TOKEN_ID, ALICE)


def test_what_a_refusal_means_to_a_person() -> None:
    """Another person's token does not exist."""
    with vault_that(lambda _: problem(404, "token_not_found")) as (vault, _), pytest.raises(TokenNotFoundError):
        vault.persons.grant(TOKEN_ID, ALICE)
    with vault_that(lambda _: problem(401, "unauthorized")) as (vault, server):
        with pytest.raises(VaultUnavailableError):
            vault.persons.grants(ALICE)
        assert len(of_the_vault(server)) == 2  # its own token is renewed once


def test_the_vault_says_when_to_ask_again() -> None:
    """`Retry-After` in seconds; two seconds without one."""
    with (
        vault_that(lambda _: problem(503, "provider_unavailable", {"Retry-After": "7"})) as (vault, _),
        pytest.raises(VaultUnavailableError) as unavailable,
    ):
        vault.persons.grant(TOKEN_ID, ALICE)
    assert unavailable.value.retry_after == 7.0
    with vault_that(lambda _: Reply()) as (vault, _):
        pass
    with pytest.raises(VaultUnavailableError) as unavailable:  # nothing listens there any more
        vault.persons.grants(ALICE)
    assert unavailable.value.retry_after == 2.0


def test_the_services_own_token_is_fetched_by_discovery_when_first_needed() -> None:
    """With its id and secret (RFC 6749 section 4.4), once for many calls."""
    body = ticket_body(ticket="tvt_x")
    with vault_that(lambda asked: Reply(content=body if asked.path.endswith("/tickets") else {"tokens": []})) as (
        vault,
        server,
    ):
        assert server.asked == []
        vault.persons.grants(ALICE)
        vault.tickets.open(ATTEMPT, 60)
    assert [asked.path for asked in server.asked] == [DISCOVERY, TOKENS, f"{PREFIX}/tokens", f"{PREFIX}/tickets"]
    asked = server.asked[1]
    assert (asked.method, asked.body) == ("POST", "grant_type=client_credentials")
    assert asked.headers["Authorization"] == "Basic dGFzay1zZXJ2aWNlOnMzY3JldA=="


def test_an_unreachable_authorization_server_looks_like_an_unavailable_vault() -> None:
    """Nothing can be asked without a token of one's own."""
    credentials = own_credentials(Issuer("http://127.0.0.1:9/realms/demo"), "task-service", Secret("s"))
    with serving(lambda _: Reply()) as server:
        vault = TokenVaultClient(server.url, credentials, patience=0.0, cache=None)
        with pytest.raises(VaultUnavailableError):
            TicketsOverHttp(vault, lambda _: vault).open(ATTEMPT, 60)
    assert server.asked == []
