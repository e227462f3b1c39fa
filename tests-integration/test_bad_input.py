"""Bad input, everywhere: a problem with a stable code, the right status, no trace, no half-written row."""

from typing import Any

import pytest
from api import MANAGER, Api, problem

pytestmark = pytest.mark.any_server

UNKNOWN = "00000000-0000-4000-8000-000000000000"
REFUSALS = {
    (400, "bad_request"),
    (404, "not_found"),
    (404, "task_not_found"),
    (404, "token_not_found"),
    (405, "method_not_allowed"),
    (422, "invalid_input"),
}
BAD_TASKS: list[tuple[Any, int]] = [
    ({}, 422),
    ({"name": ""}, 422),
    ({"name": "x" * 201}, 422),
    ({"name": 7}, 422),
    ({"name": None}, 422),
    ({"name": "a", "description": "x" * 2001}, 422),
    ({"name": "a", "description": None}, 422),
    ({"name": "a", "colour": "red"}, 422),
    ({"name": "nul\x00"}, 422),
    ({"name": "two\nlines"}, 422),
    ({"name": "a", "description": "bell\x07"}, 422),
    (["a"], 422),
    ("a", 422),
]
MALFORMED = [
    b"",
    b"{",
    b'{"name":}',
    b"\xff\xfe",
    b'{"name":"\\ud800"}',
    b"\xef\xbb\xbf{}",
    b"[" * 30000,
    b'{"name":"a"} x',
]


@pytest.mark.parametrize(("body", "status"), BAD_TASKS, ids=lambda value: str(value)[:30])
def test_bad_tasks(alice: Api, body: Any, status: int) -> None:
    """Refused, and nothing was stored."""
    before = alice.get("/api/tasks").headers["ETag"]
    assert problem(alice.post("/api/tasks", body)) == (status, "invalid_input")
    assert alice.get("/api/tasks").headers["ETag"] == before


@pytest.mark.parametrize("body", MALFORMED, ids=lambda value: repr(value)[:30])
@pytest.mark.parametrize("address", ["/api/tasks", f"{MANAGER}/offline-consent"])
def test_malformed_json(alice: Api, address: str, body: bytes) -> None:
    """Not JSON at all; or, for a body that may be left out, none."""
    answer = alice.call("POST", address, data=body, headers={"Content-Type": "application/json"})
    if body == b"" and address.endswith("consent"):
        assert answer.status_code == 200
    else:
        assert problem(answer)[0] in {400, 422}


@pytest.mark.parametrize("address", ["/api/tasks", f"{MANAGER}/offline-consent"])
def test_other_media_types(alice: Api, address: str) -> None:
    """415."""
    answer = alice.call("POST", address, data=b"name=a", headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert problem(answer) == (415, "unsupported_media_type")


@pytest.mark.parametrize("address", ["/api/tasks", f"{MANAGER}/offline-consent"])
def test_bodies_over_64_kib(alice: Api, address: str) -> None:
    """413, said by the gateway."""
    answer = alice.call("POST", address, data=b"x" * 65537, headers={"Content-Type": "application/json"})
    assert problem(answer) == (413, "body_too_large")


@pytest.mark.parametrize(
    "wish",
    [
        {"taskId": 7},
        {"taskId": "x" * 201},
        {"taskId": "\x00"},
        {"scopes": "openid"},
        {"scopes": ["two words"]},
        {"services": []},
        {"maxUses": 0},
        {"notAfter": "yesterday"},
        {"notAfter": "2001-01-01T00:00:00Z"},
        {"notAfter": "2101-01-01T00:00:00"},
        {"redirectUri": "https://attacker.example"},
        {"provider": "nobody"},
        {"tokenType": "eternal"},
    ],
    ids=str,
)
def test_bad_consent_requests(alice: Api, wish: dict[str, Any]) -> None:
    """422 and no pending token."""
    before = len(alice.get(f"{MANAGER}/tokens").json()["tokens"])
    assert problem(alice.post(f"{MANAGER}/offline-consent", wish)) == (422, "invalid_input")
    assert len(alice.get(f"{MANAGER}/tokens").json()["tokens"]) == before


@pytest.mark.parametrize(
    "task_id", ["task-123", UNKNOWN, f"task-{UNKNOWN}", "task-%00", "task-" + "9" * 300, "..%2f..%2fetc"]
)
def test_ids_that_name_no_task(alice: Api, task_id: str) -> None:
    """Refused, whatever they look like."""
    for answer in (alice.get(f"/api/tasks/{task_id}"), alice.delete(f"/api/tasks/{task_id}"), alice.execute(task_id)):
        assert problem(answer) in REFUSALS


@pytest.mark.parametrize("token_id", ["x", UNKNOWN, f"{{{UNKNOWN}}}", UNKNOWN.replace("-", ""), "%00", "é" * 36])
def test_ids_that_name_no_token(alice: Api, token_id: str) -> None:
    """Refused, whatever they look like."""
    for answer in (
        alice.get(f"{MANAGER}/tokens/{token_id}"),
        alice.delete(f"{MANAGER}/tokens/{token_id}"),
        alice.get(f"{MANAGER}/access-token?id={token_id}"),
    ):
        assert problem(answer) in REFUSALS


@pytest.mark.parametrize("token_id", ["x", 7, None, "", [UNKNOWN]])
def test_links_to_what_is_no_token(alice: Api, token_id: Any) -> None:
    """422 for text that is no UUID, 404 for an unknown UUID."""
    task_id = alice.create_task()
    answer = alice.post(f"/api/tasks/{task_id}/link-persistent-id", {"persistentTokenId": token_id})
    assert problem(answer) == (422, "invalid_input")
    assert problem(alice.link(task_id, UNKNOWN)) == (404, "token_not_found")


@pytest.mark.parametrize(
    "query",
    ["", "?id=a&id=b", f"?id={UNKNOWN}&min_valid=-1", f"?id={UNKNOWN}&min_valid=x", f"?id={UNKNOWN}&colour=red"],
)
def test_bad_queries(alice: Api, query: str) -> None:
    """Missing, repeated, wrong and unknown parameters: 422."""
    assert problem(alice.get(f"{MANAGER}/access-token{query}")) == (422, "invalid_input")


@pytest.mark.parametrize(
    ("method", "address"),
    [
        ("PUT", "/api/tasks"),
        ("PATCH", "/api/tasks/task-1"),
        ("OPTIONS", "/api/tasks"),
        ("GET", f"{MANAGER}/offline-consent"),
        ("POST", f"{MANAGER}/access-token"),
        ("POST", f"{MANAGER}/offline-callback"),
        ("TRACE", "/api/tasks"),
        ("TRACE", f"{MANAGER}/tokens"),
        ("POST", "/tasks"),
    ],
)
def test_wrong_methods(alice: Api, method: str, address: str) -> None:
    """405 with Allow, also where it is the gateway that refuses."""
    answer = alice.call(method, address)
    assert problem(answer) == (405, "method_not_allowed")
    assert answer.headers["Allow"]


@pytest.mark.parametrize(
    "address",
    [
        "/readyz",
        "/healthz",
        "/metrics",
        "/api",
        "/api/auth",
        "/api/auth/manager",
        "/api/tasksX",
        "/.git/config",
        "/assets/../../etc",
    ],
)
def test_addresses_that_the_gateway_does_not_know(alice: Api, address: str) -> None:
    """404 for everything that is not on the list, health checks included."""
    assert problem(alice.get(address)) == (404, "not_found")


def test_what_a_client_claims_about_itself_does_not_travel(alice: Api) -> None:
    """A request id is the gateway's; identity headers are blanked."""
    answer = alice.get("/api/tasks", headers={"X-Request-ID": "made-up-by-the-client", "X-User-ID": "bob"})
    assert answer.status_code == 200
    assert answer.headers["X-Request-ID"] != "made-up-by-the-client"


def test_security_headers_stand_everywhere(nobody: Api) -> None:
    """On the page, on answers, on refusals: nginx forgets inherited headers easily."""
    for address in ("/tasks", "/", "/config.json", "/api/tasks", "/api/auth/manager/openapi.json", "/nothing"):
        headers = nobody.get(address).headers
        assert "default-src 'none'" in headers["Content-Security-Policy"], address
        assert headers["X-Content-Type-Options"] == "nosniff", address
        assert headers["X-Frame-Options"] == "DENY", address
        assert headers["Referrer-Policy"] == "no-referrer", address
        assert "Server" not in headers or "/" not in headers["Server"], address


@pytest.mark.parametrize("address", ["/api/tasks/openapi.json", "/api/auth/manager/openapi.json"])
def test_the_apis_describe_themselves(nobody: Api, address: str) -> None:
    """OpenAPI, without a login."""
    document = nobody.get(address).json()
    assert document["openapi"].startswith("3.1")
    assert document["paths"]
