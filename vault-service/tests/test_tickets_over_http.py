"""Tickets over HTTP: as a bearer token, as an OAuth client's refresh token, and where they are refused."""

import base64
import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest
import requests
from consenting_issuer import PERSON, ConsentingIssuer
from served_vault import API, PUBLIC_URL, ServedVault

from vault_service.domain.ticket import TicketSecret

pytestmark = pytest.mark.process


@pytest.fixture
def alice(issuer: ConsentingIssuer) -> str:
    """Alice at the command line, whose client may fetch tokens for its owner."""
    return issuer.bearer("dev-cli")


@pytest.fixture
def service(issuer: ConsentingIssuer) -> str:
    """The task service, which has the role."""
    return issuer.bearer("task-service", "service-account")


@pytest.fixture
def token_id(served: ServedVault, alice: str) -> str:
    """An active token of Alice's."""
    return served.grant(alice, scopes=["email", "profile"])


@pytest.fixture
def made(served: ServedVault, token_id: str, service: str) -> dict[str, Any]:
    """A ticket that the service has made for Alice."""
    return make(served, service, id=token_id, subject=PERSON)


def make(served: ServedVault, bearer: str, **members: object) -> dict[str, Any]:
    """A ticket as it is shown once."""
    answer = served.call("POST", f"{API}/tickets", bearer, json={"name": "attempt 7", **members})
    assert answer.status_code == 201, answer.text
    document: dict[str, Any] = answer.json()
    served.issuer.remember(document["ticket"], "ticket")
    return document


def use(served: ServedVault, ticket: str, **query: str) -> requests.Response:
    """An access token by a ticket."""
    return served.call("GET", f"{API}/access-token", ticket, params=query)


def refresh(served: ServedVault, headers: dict[str, str] | None = None, **form: str) -> requests.Response:
    """A call of the token endpoint."""
    fields = {"grant_type": "refresh_token", **form}
    return served.call("POST", f"{API}/token", data=fields, headers=headers or {})


def code(answer: requests.Response) -> tuple[int, str]:
    """Status and code of a problem, or 200 and nothing."""
    return answer.status_code, answer.json().get("code", "")


def test_a_ticket_gives_access_tokens_without_an_id(
    served: ServedVault, made: dict[str, Any], token_id: str, alice: str
) -> None:
    """At the first use and on the fast path; the owner sees uses and maker, and the audit the ticket."""
    answers = [use(served, made["ticket"]) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert {answer.headers["Cache-Control"] for answer in answers} == {"no-store"}
    assert {answer.json()["persistentTokenId"] for answer in answers} == {token_id}
    (listed,) = served.call("GET", f"{API}/tokens/{token_id}/tickets", alice).json()["tickets"]
    assert (listed["ticketId"], listed["uses"], listed["maker"]) == (made["ticketId"], 3, "task-service")
    assert listed["madeByOwner"] is False
    assert "lastUsedAt" in listed
    assert "ticket" not in listed
    lines = served.call("GET", f"{API}/tokens/{token_id}/audit", alice).json()["lines"]
    assert [(line["event"], line["via"], line["viaName"]) for line in lines if "via" in line] == [
        *[("token.issued", made["ticketId"], "attempt 7")] * 3,
        ("ticket.created", made["ticketId"], "attempt 7"),
    ]
    exported = served.call("GET", f"{API}/tokens/{token_id}/audit/export", alice).text
    assert exported.splitlines()[0].endswith("via,viaName,reason,taskId,attempt")
    assert made["ticketId"] in exported


def test_a_ticket_says_which_attempt_of_which_task_it_is_for(
    served: ServedVault, token_id: str, service: str, alice: str
) -> None:
    """In the list and in each line of the audit about it."""
    made = make(served, service, id=token_id, subject=PERSON, taskId="task-1", attempt=7)
    assert use(served, made["ticket"]).status_code == 200
    (listed,) = served.call("GET", f"{API}/tokens/{token_id}/tickets", alice).json()["tickets"]
    assert (listed["taskId"], listed["attempt"]) == ("task-1", 7) == (made["taskId"], made["attempt"])
    lines = served.call("GET", f"{API}/tokens/{token_id}/audit", alice).json()["lines"]
    assert [(line["event"], line["taskId"], line["attempt"]) for line in lines if "via" in line] == [
        ("token.issued", "task-1", 7),
        ("ticket.created", "task-1", 7),
    ]
    assert not any("taskId" in line for line in lines if "via" not in line)


def test_the_owner_makes_a_ticket_for_herself(served: ServedVault, token_id: str, alice: str) -> None:
    """With a client that may fetch tokens for its owner; a browser's may not."""
    made = make(served, alice, id=token_id, expiresIn=60, maxUses=1, scopes=["openid", "email"])
    assert (made["maker"], made["madeByOwner"], made["maxUses"]) == ("dev-cli", True, 1)
    page = served.issuer.bearer("task-ui")
    refused = served.call("POST", f"{API}/tickets", page, json={"id": token_id, "name": "page"})
    assert code(refused) == (403, "service_not_allowed")
    assert served.call("DELETE", f"{API}/tickets/{made['ticketId']}", page).status_code == 200


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"expiresIn": 2_592_001}, "/expiresIn"),
        ({"expiresIn": 0}, "/expiresIn"),
        ({"maxUses": 0}, "/maxUses"),
        ({"name": ""}, "/name"),
        ({"name": "two\nlines"}, "/name"),
        ({"scopes": ["a b"]}, "/scopes/0"),
        ({"colour": "red"}, ""),
        ({"taskId": "task-1"}, "/attempt"),
        ({"attempt": 1}, "/attempt"),
        ({"taskId": "task-1", "attempt": 0}, "/attempt"),
        ({"taskId": "task-1", "attempt": 2**53}, "/attempt"),
        ({"taskId": "x" * 201, "attempt": 1}, "/taskId"),
        ({"taskId": "two\nlines", "attempt": 1}, "/taskId"),
    ],
)
def test_a_wish_that_is_wrong_is_refused(
    served: ServedVault, token_id: str, alice: str, members: dict[str, object], pointer: str
) -> None:
    """The answer says where."""
    answer = served.call("POST", f"{API}/tickets", alice, json={"id": token_id, "name": "x", **members})
    assert code(answer) == (422, "invalid_input")
    assert answer.json()["errors"][0]["pointer"].startswith(pointer)


def test_each_end_of_a_ticket_has_its_code(served: ServedVault, token_id: str, alice: str) -> None:
    """As a bearer token with a challenge (RFC 6750 section 3), at the token endpoint as invalid_grant."""
    ended, used_up = make(served, alice, id=token_id), make(served, alice, id=token_id, maxUses=1)
    served.call("DELETE", f"{API}/tickets/{ended['ticketId']}", alice)
    assert use(served, used_up["ticket"]).status_code == 200
    unknown = TicketSecret.parse(ended["ticket"])
    assert unknown is not None
    for ticket, expected in (
        (ended["ticket"], "ticket_ended"),
        (used_up["ticket"], "ticket_used_up"),
        (ended["ticket"][:-1] + "~", "ticket_mistyped"),
        ("tvt_", "ticket_mistyped"),
        (TicketSecret(unknown.id, bytes(32)).reveal(), "ticket_unknown"),
    ):
        answer = use(served, ticket)
        assert code(answer) == (401, expected)
        assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
        assert code(refresh(served, refresh_token=ticket)) == (400, expected)
        assert refresh(served, refresh_token=ticket).json()["error"] == "invalid_grant"
    over = served.call("POST", f"{API}/tickets/{used_up['ticketId']}/extend", alice, json={"expiresIn": 60})
    assert code(over) == (410, "ticket_used_up")


def test_a_ticket_of_a_revoked_grant(served: ServedVault, made: dict[str, Any], token_id: str, alice: str) -> None:
    """The grant's code; the ticket was remembered before."""
    assert use(served, made["ticket"]).status_code == 200
    served.call("DELETE", f"{API}/tokens/{token_id}", alice)
    assert code(use(served, made["ticket"])) == (410, "token_revoked")
    answer = refresh(served, refresh_token=made["ticket"])
    assert (answer.json()["error"], code(answer)) == ("invalid_grant", (400, "token_revoked"))
    extension = served.call("POST", f"{API}/tickets/{made['ticketId']}/extend", alice, json={})
    assert code(extension) == (410, "token_revoked")


def test_40_parallel_calls_of_a_ticket_with_7_uses(served: ServedVault, token_id: str, alice: str) -> None:
    """Exactly 7 get a token; half of them by the token endpoint."""
    ticket = make(served, alice, id=token_id, maxUses=7)["ticket"]

    def call(number: int) -> str:
        answer = use(served, ticket) if number % 2 else refresh(served, refresh_token=ticket)
        return "ok" if answer.ok else str(answer.json()["code"])

    with ThreadPoolExecutor(40) as pool:
        assert sorted(pool.map(call, range(40))) == ["ok"] * 7 + ["ticket_used_up"] * 33


def test_only_its_maker_and_the_owner_reach_a_ticket(served: ServedVault, made: dict[str, Any], service: str) -> None:
    """For others there is none."""
    issuer, address = served.issuer, f"{API}/tickets/{made['ticketId']}"
    roles = {"resource_access": {"token-vault": {"roles": ["token:mint"]}}}
    for stranger in (issuer.bearer("dev-cli", "bob-id"), issuer.bearer("other-service", "service-account", **roles)):
        assert code(served.call("POST", f"{address}/extend", stranger, json={})) == (404, "ticket_not_found")
        assert code(served.call("DELETE", address, stranger)) == (404, "ticket_not_found")
    assert code(served.call("DELETE", f"{API}/tickets/task-1", service)) == (404, "ticket_not_found")
    moved = served.call("POST", f"{address}/extend", service, json={"expiresIn": 7200}).json()
    assert moved["expiresAt"] > made["expiresAt"]
    assert served.call("DELETE", address, service).json() == {"status": "ended", "ticketId": made["ticketId"]}


def test_a_ticket_makes_nothing_but_access_tokens(served: ServedVault, made: dict[str, Any], token_id: str) -> None:
    """No other ticket, no consent, no look at grants."""
    ticket = made["ticket"]
    for method, path, body in (
        ("POST", "/tickets", {"id": token_id, "name": "another"}),
        ("DELETE", f"/tickets/{made['ticketId']}", None),
        ("POST", "/offline-consent", {}),
        ("POST", "/access-tokens", {"tokens": [{"id": token_id, "subject": PERSON}]}),
        ("GET", "/tokens", None),
        ("DELETE", f"/tokens/{token_id}", None),
    ):
        assert code(served.call(method, API + path, ticket, json=body)) == (403, "ticket_not_allowed"), path


def test_a_ticket_in_a_url_or_as_an_id_is_refused_and_not_logged(
    served: ServedVault, made: dict[str, Any], alice: str, service: str
) -> None:
    """In paths and queries, percent-encoded too; in bodies, where an id is expected."""
    ticket, encoded = made["ticket"], "%74vt%5F" + made["ticket"][4:]
    misplaced = (400, "ticket_misplaced")
    for path in (f"/tokens/{ticket}", f"/tokens/{encoded}", f"/access-token?id={ticket}", f"/access-token?x={encoded}"):
        assert code(served.call("GET", API + path, alice)) == misplaced
    assert code(served.call("POST", f"{API}/token?refresh_token={quote(ticket)}")) == misplaced
    assert code(served.call("GET", f"/somewhere/{ticket}")) == misplaced
    assert code(served.call("POST", f"{API}/tickets", alice, json={"id": ticket, "name": "x"})) == misplaced
    batch = served.call(
        "POST", f"{API}/access-tokens", service, json={"tokens": [{"id": ticket, "subject": PERSON}]}
    ).json()
    assert batch["results"][0]["problem"]["code"] == "ticket_misplaced"
    assert use(served, ticket).status_code == 200
    assert ticket not in served.log
    assert ticket[4:] not in served.log


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Basic " + base64.b64encode(b"any:one").decode()}, {"Authorization": "Basic !"}],
    ids=["none", "some", "broken"],
)
def test_an_oauth_client_refreshes_with_a_ticket(
    served: ServedVault, made: dict[str, Any], headers: dict[str, str]
) -> None:
    """RFC 6749 sections 6 and 5.1, with any client authentication or none."""
    answer = refresh(served, headers, refresh_token=made["ticket"], client_id="anybody", client_secret="x", scope="")
    assert answer.status_code == 200, answer.text
    token = answer.json()
    assert token.keys() == {"access_token", "token_type", "expires_in", "scope"}
    assert (token["token_type"], answer.headers["Cache-Control"]) == ("Bearer", "no-store")
    assert 0 < token["expires_in"] <= 300


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": ""}, "invalid_request"),
        ({}, "invalid_request"),
        ({"refresh_token": "no-ticket"}, "invalid_grant"),
        ({"refresh_token": "\x00"}, "invalid_grant"),
        ({"refresh_token": "x" * 9000}, "invalid_request"),
        ({"scope": "öffentlich"}, "invalid_scope"),
        ({"scope": "x" * 1001}, "invalid_scope"),
    ],
    ids=str,
)
def test_errors_of_the_token_endpoint_are_those_of_oauth(served: ServedVault, form: dict[str, str], error: str) -> None:
    """RFC 6749 section 5.2: 400, JSON, never cached, and a description in the characters that are allowed."""
    answer = refresh(served, **form)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    description = answer.json()["error_description"]
    assert all(" " <= character <= "~" and character not in '"\\' for character in description)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b'{"grant_type": "refresh_token"}'),
        ("application/x-www-form-urlencoded", b"grant_type=refresh_token&grant_type=refresh_token"),
        ("application/x-www-form-urlencoded", b"grant_type=%ff"),
        ("application/x-www-form-urlencoded", "grant_type=ü".encode()),
        ("application/x-www-form-urlencoded", b"&".join(b"x%d=1" % n for n in range(60))),
        ("application/x-www-form-urlencoded", b""),
    ],
)
def test_a_body_that_is_no_form_is_an_invalid_request(served: ServedVault, content_type: str, body: bytes) -> None:
    """At both endpoints."""
    for path in ("/token", "/revoke"):
        answer = served.call("POST", API + path, data=body, headers={"Content-Type": content_type})
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_wider_scopes_than_the_tickets(served: ServedVault, token_id: str, alice: str) -> None:
    """And a server that gives more than was requested: this one never narrows."""
    ticket = make(served, alice, id=token_id, scopes=["openid"])["ticket"]
    assert code(use(served, ticket, scope="openid profile")) == (400, "invalid_scope")
    answer = refresh(served, refresh_token=ticket, scope="openid profile")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")
    assert code(use(served, ticket)) == (409, "scope_not_narrowed")
    assert "email" in use(served, ticket).json()["detail"]
    beyond = served.call("POST", f"{API}/tickets", alice, json={"id": token_id, "name": "x", "scopes": ["admin"]})
    assert code(beyond) == (400, "invalid_scope")


def test_revocation_by_whoever_holds_the_ticket(served: ServedVault, made: dict[str, Any]) -> None:
    """RFC 7009: the same answer for a token that is none."""
    for token in ("something", made["ticket"][:-2], made["ticket"], made["ticket"]):
        answer = served.call("POST", f"{API}/revoke", data={"token": token, "token_type_hint": "refresh_token"})
        assert (answer.status_code, answer.json()) == (200, {})
    assert code(use(served, made["ticket"])) == (401, "ticket_ended")


def test_the_metadata_name_both_endpoints(served: ServedVault, made: dict[str, Any]) -> None:
    """RFC 8414 section 3: at the well-known address of an issuer that has a path."""
    found = served.call("GET", f"/.well-known/oauth-authorization-server{API}").json()
    assert found["issuer"] == f"{PUBLIC_URL}{API}"
    assert found["grant_types_supported"] == ["refresh_token"]
    assert found["response_types_supported"]
    path = found["token_endpoint"].removeprefix(PUBLIC_URL)
    fields = {"grant_type": "refresh_token", "refresh_token": made["ticket"]}
    assert served.call("POST", path, data=fields).status_code == 200
    assert served.call("POST", found["revocation_endpoint"].removeprefix(PUBLIC_URL), data={"token": "x"}).ok


def test_a_refused_token_is_not_given_again(
    served: ServedVault, token_id: str, alice: str, made: dict[str, Any]
) -> None:
    """A refused current token is refreshed. A caller that names an older one gets the current one."""
    first = served.token(token_id, alice).json()["accessToken"]
    refused = hashlib.sha256(first.encode()).hexdigest()
    second = served.token(token_id, alice, refused=refused).json()["accessToken"]
    assert second != first
    assert served.token(token_id, alice, refused=refused).json()["accessToken"] == second
    assert use(served, made["ticket"], refused=refused).json()["accessToken"] == second
    assert served.token(token_id, alice).json()["accessToken"] == second
    assert code(served.token(token_id, alice, refused="ABC")) == (422, "invalid_input")


def test_the_answer_about_a_pending_token_is_held_back_until_it_changes(served: ServedVault, alice: str) -> None:
    """And not about another one."""
    token_id, url, cookies = served.ask(alice)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(served.call, "GET", f"{API}/tokens/{token_id}?wait=55", alice)
        served.arrive(served.issuer.consented(url), cookies)
        answer = waiting.result(30)
    assert answer.json()["status"] == "active"
    assert served.call("GET", f"{API}/tokens/{token_id}?wait=55", alice).elapsed.total_seconds() < 20
    assert code(served.call("GET", f"{API}/tokens/{token_id}?wait=61", alice)) == (422, "invalid_input")


@pytest.fixture(autouse=True)
def nothing_is_logged(served: ServedVault) -> Iterator[None]:
    """No ticket is in the log of the process, whatever the test did."""
    yield
    tickets = [secret for secret, kind in served.issuer.known.items() if kind == "ticket"]
    assert not [ticket for ticket in tickets if ticket in served.log]
