"""Many tokens in one answer, the owner's check, and the audit as a file."""

import csv
import io
import json
from uuid import uuid4

from api import MANAGER, Api, problem
from person import Person


def test_many_tokens_at_once(alice: Api, bob: Api, task_service: Api, alice_person: Person, bob_person: Person) -> None:
    """For each a token or its own problem; only a service asks like that."""
    alices, bobs = alice.grant(alice_person), bob.grant(bob_person)
    alice_sub, bob_sub = (api.task(api.create_task())["userId"] for api in (alice, bob))
    unknown = str(uuid4())
    wanted = [
        {"id": alices, "subject": alice_sub},
        {"id": unknown, "subject": alice_sub},
        {"id": bobs, "subject": alice_sub},
        {"id": bobs, "subject": bob_sub},
        {"id": "no-uuid", "subject": bob_sub},
    ]
    answer = task_service.post(f"{MANAGER}/access-tokens", {"tokens": wanted, "minValid": 5})
    assert answer.status_code == 200, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    results = answer.json()["results"]
    assert [result["id"] for result in results] == [each["id"] for each in wanted]
    codes = [result["problem"]["code"] if "problem" in result else "ok" for result in results]
    assert codes == ["ok", "token_not_found", "token_not_found", "ok", "token_not_found"]
    assert results[0]["token"]["persistentTokenId"] == alices
    assert results[0]["token"]["accessToken"] != results[3]["token"]["accessToken"]
    refused: list[dict[str, object]] = [{}, {"tokens": []}, {"tokens": wanted * 21}, {"tokens": [{"id": alices}]}]
    for body in refused:
        assert problem(task_service.post(f"{MANAGER}/access-tokens", body)) == (422, "invalid_input")
    assert problem(alice.post(f"{MANAGER}/access-tokens", {"tokens": wanted})) == (403, "service_not_allowed")


def test_a_check_asks_the_authorization_server(alice: Api, bob: Api, alice_person: Person) -> None:
    """Once a minute; another person's token is not found."""
    token_id = alice.grant(alice_person)
    address = f"{MANAGER}/tokens/{token_id}/check"
    checked = alice.post(address)
    assert checked.status_code == 200, checked.text
    assert checked.json()["status"] == "active"
    again = alice.post(address)
    assert problem(again) == (429, "rate_limited")
    assert 1 <= int(again.headers["Retry-After"]) <= 60
    assert problem(bob.post(address)) == (404, "token_not_found")
    events = [line["event"] for line in alice.get(f"{MANAGER}/tokens/{token_id}/audit").json()["lines"]]
    assert events[:2] == ["grant.checked", "grant.refreshed"]


def test_the_audit_as_a_file(alice: Api, bob: Api, alice_person: Person) -> None:
    """The same lines as page by page, oldest first, in both forms."""
    token_id = alice.grant(alice_person)
    assert alice.access_token(token_id).status_code == 200
    address = f"{MANAGER}/tokens/{token_id}/audit"
    lines = alice.get(address, params={"limit": 200}).json()["lines"][::-1]
    comma_separated = alice.get(f"{address}/export")
    assert comma_separated.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert f'filename="audit-{token_id}.csv"' in comma_separated.headers["Content-Disposition"]
    rows = csv.DictReader(io.StringIO(comma_separated.text))
    assert [{name: value for name, value in row.items() if value} for row in rows] == lines
    by_line = alice.get(f"{address}/export", params={"format": "ndjson"})
    assert by_line.headers["Content-Type"] == "application/x-ndjson; charset=utf-8"
    assert [json.loads(line) for line in by_line.text.splitlines()] == lines
    assert problem(alice.get(f"{address}/export", params={"format": "xml"})) == (422, "invalid_input")
    assert problem(bob.get(f"{address}/export")) == (404, "token_not_found")
