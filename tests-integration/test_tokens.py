"""Access tokens from the vault, and requirements R23 to R26."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import psycopg
import requests
from api import MANAGER, Api, problem
from person import Person
from stack import TIMEOUT, Stack, eventually


def claims(token: str) -> dict[str, Any]:
    """The unverified claims of a JWT."""
    payload = token.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))))


def test_an_access_token_is_the_owners_and_fresh(stack: Stack, alice: Api, alice_person: Person) -> None:
    """R9: about five minutes of life, and the authorization server knows whose it is."""
    token_id = alice.grant(alice_person)
    answer = alice.access_token(token_id)
    token = answer.json()
    assert answer.headers["Cache-Control"] == "no-store"
    assert token["tokenType"] == "Bearer"
    assert token["persistentTokenId"] == token_id
    assert 200 < token["expiresIn"] <= 300
    left = datetime.fromisoformat(token["expiresAt"]) - datetime.now(UTC)
    assert abs(left.total_seconds() - token["expiresIn"]) < 5
    assert claims(token["accessToken"])["typ"] == "Bearer"
    info = requests.get(
        f"{stack['ISSUER']}/protocol/openid-connect/userinfo",
        headers={"Authorization": f"Bearer {token['accessToken']}"},
        timeout=TIMEOUT,
    )
    assert info.json()["preferred_username"] == "alice"


def test_several_services_use_one_id(alice: Api, task_service: Api, alice_person: Person) -> None:
    """R24: the owner's command line and the task service hold a UUID, and both get access tokens."""
    token_id = alice.grant(alice_person)
    owner = alice.task(alice.create_task())["userId"]
    assert alice.access_token(token_id).status_code == 200
    assert task_service.access_token(token_id, subject=owner).status_code == 200


def test_every_use_is_recorded(stack: Stack, alice: Api, task_service: Api, alice_person: Person) -> None:
    """R25: who, for whom, when and how it ended, in rows that the service itself cannot change."""
    token_id = alice.grant(alice_person)
    owner = alice.task(alice.create_task())["userId"]
    answers = [task_service.access_token(token_id, subject=owner) for _ in range(3)]
    with psycopg.connect(stack["VAULT_DATABASE_URL"], autocommit=True) as connection:
        rows = connection.execute(
            "select event, actor, subject, request_id, outcome from audit where grant_id = %s order by id", [token_id]
        ).fetchall()
        issued = [("token.issued", "task-service", owner, a.headers["X-Request-ID"], "ok") for a in answers]
        assert [row for row in rows if row[0] == "token.issued"] == issued
        assert [row[0] for row in rows][:2] == ["consent.requested", "consent.granted"]
        for statement in ("update audit set outcome = 'x'", "delete from audit", "truncate audit"):
            try:
                connection.execute(statement)
            except psycopg.errors.InsufficientPrivilege:
                continue
            raise AssertionError(f"the service may {statement}")
    token = alice.get(f"{MANAGER}/tokens/{token_id}").json()
    assert token["uses"] == 3
    assert "lastUsedAt" in token


def test_the_owner_reads_what_has_happened(alice: Api, bob: Api, task_service: Api, alice_person: Person) -> None:
    """R25, page by page, also after the token has ended; other people cannot read it."""
    token_id = alice.grant(alice_person)
    owner = alice.task(alice.create_task())["userId"]
    used = [task_service.access_token(token_id, subject=owner).headers["X-Request-ID"] for _ in range(3)]
    alice.delete(f"{MANAGER}/tokens/{token_id}")
    address = f"{MANAGER}/tokens/{token_id}/audit"
    first = alice.get(address, params={"limit": 2}).json()
    rest = alice.get(address, params={"before": first["next"], "limit": 200}).json()
    lines = [line for line in first["lines"] + rest["lines"] if line["event"] != "revocation.sent"]
    assert [line["event"] for line in lines if line["event"] != "grant.refreshed"] == [
        "grant.revoked",
        *["token.issued"] * 3,
        "consent.granted",
        "consent.requested",
    ]
    assert [line["requestId"] for line in lines if line["event"] == "token.issued"] == used[::-1]
    assert {line["actor"] for line in lines if line["event"] == "token.issued"} == {"task-service"}
    assert "next" not in rest
    assert problem(bob.get(address)) == (404, "token_not_found")
    assert problem(alice.get(address, params={"limit": 0})) == (422, "invalid_input")


def test_deleting_revokes_here_and_at_the_authorization_server(stack: Stack, alice: Api) -> None:
    """R26: at once for us; there as soon as the outbox has sent it, with its outcome written down.

    In a browser of its own: Keycloak's session ends with the last grant that was consented to in one browser.
    """
    alice_person = Person("alice")
    token_id = alice.grant(alice_person)
    access_token = alice.access_token(token_id).json()["accessToken"]
    assert alice.delete(f"{MANAGER}/tokens/{token_id}").json()["status"] == "revoked"
    assert problem(alice.access_token(token_id)) == (410, "token_revoked")
    assert alice.delete(f"{MANAGER}/tokens/{token_id}").status_code == 200  # again: nothing more happens

    def outcome() -> str | None:
        with psycopg.connect(stack["VAULT_DATABASE_URL"]) as connection:
            row = connection.execute("select outcome from revocations where grant_id = %s", [token_id]).fetchone()
        return row[0] if row else None

    assert eventually(outcome, "the revocation is sent") == "revoked"
    info = requests.get(
        f"{stack['ISSUER']}/protocol/openid-connect/userinfo",
        headers={"Authorization": f"Bearer {access_token}"},
        timeout=TIMEOUT,
    )
    assert info.status_code == 401


def test_a_scope_can_be_narrowed_but_not_widened(alice: Api, alice_person: Person) -> None:
    """The granted scope is the token's own; what was never granted is refused without asking anybody."""
    token_id = alice.grant(alice_person)
    narrow = alice.access_token(token_id, scope="openid")
    assert narrow.status_code == 200, narrow.text
    assert "offline_access" not in narrow.json()["scope"].split()
    assert narrow.json()["scope"] == " ".join(sorted(claims(narrow.json()["accessToken"])["scope"].split()))
    assert problem(alice.access_token(token_id, scope="openid phone")) == (400, "invalid_scope")


def test_more_life_than_tokens_have_is_refused(alice: Api, alice_person: Person) -> None:
    """A clear problem, and no hammering."""
    token_id = alice.grant(alice_person)
    assert problem(alice.access_token(token_id, min_valid="86400")) == (422, "min_valid_unattainable")
    assert alice.access_token(token_id, min_valid="240").json()["expiresIn"] >= 240


def test_a_pending_token_gives_nothing(alice: Api) -> None:
    """409 until the owner has consented."""
    asked = alice.ask_consent()
    assert problem(alice.access_token(asked["persistentTokenId"])) == (409, "consent_pending")


def test_a_refresh_rotates_and_goes_on(dev_stack: Stack, alice: Api, alice_person: Person) -> None:
    """Short-lived access tokens: each request that needs one refreshes with the rotated token, and none is reused."""
    dev_stack.control("PUT", "/settings", {"accessTokenLifespan": 4, "refreshTokenMaxReuse": 0})
    token_id = alice.grant(alice_person)
    seen: set[str] = set()

    def enough() -> bool:
        answer = alice.access_token(token_id)
        assert answer.status_code == 200, answer.text
        seen.add(answer.json()["accessToken"])
        return len(seen) >= 4

    eventually(enough, "four different access tokens", 40)


def test_a_revocation_at_the_authorization_server_ends_the_calls(
    dev_stack: Stack, alice: Api, alice_person: Person
) -> None:
    """After `invalid_grant` the token is failed and nothing more is sent."""
    dev_stack.control("PUT", "/settings", {"accessTokenLifespan": 2})
    token_id = alice.grant(alice_person)
    dev_stack.control("DELETE", "/consents/alice/token-vault")
    eventually(lambda: alice.access_token(token_id).status_code == 410, "the vault has noticed")
    dev_stack.control("PUT", "/faults", [])
    for _ in range(5):
        assert problem(alice.access_token(token_id)) == (410, "token_revoked")
    assert "token:refresh_token" not in dev_stack.control("GET", "/requests").json()
