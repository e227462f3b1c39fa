"""Two authorization servers at once: the development server, where people log in, and a Keycloak beside it."""

import base64
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from api import MANAGER, Api, command_line_token, problem
from person import Person
from stack import Stack, eventually, free_port

ARCHIVES = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "offline-token-vault"


@pytest.fixture(scope="module")
def two_servers() -> Iterator[Stack]:
    """A stack with both."""
    if os.environ.get("IDP") != "keycloak":
        pytest.skip("needs a Keycloak, whose start takes a minute: part of `make test-keycloak`")
    if os.environ.get("STACK") == "compose":
        pytest.skip("brings a stack without containers of its own")
    if shutil.which("java") is None:
        pytest.skip("Keycloak needs Java, which is not here")
    if shutil.which("mvn") is None and not list(ARCHIVES.glob("keycloak-quarkus-dist-*.zip")):
        pytest.skip("Keycloak is neither here nor can it be fetched: Maven is not here")
    state_dir = Path(tempfile.mkdtemp(prefix="offline-token-vault-two-"))
    state_dir.chmod(0o755)  # PostgreSQL runs as somebody else when we are root
    stack = Stack.create(state_dir, "dev")
    stack.environ |= {"SECOND_IDP": "keycloak", "SECOND_IDP_PORT": str(free_port())}
    try:
        stack.start()
        yield stack
    finally:
        stack.clean()


@pytest.fixture
def alice(two_servers: Stack) -> Api:
    """Alice at the command line, logged in at the development server."""
    return Api(two_servers, command_line_token(two_servers, "alice"))


@pytest.fixture
def whole_again(two_servers: Stack) -> Iterator[Stack]:
    """For a test that stops a server."""
    yield two_servers
    two_servers.start()
    eventually(two_servers.is_at_ease, "every process of the vault asks both servers again")


def claims(access_token: str) -> dict[str, Any]:
    """The claims of an access token, unverified."""
    payload = access_token.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))))


@pytest.mark.parametrize(("provider", "issuer"), [("default", "ISSUER"), ("keycloak", "SECOND_ISSUER")])
@pytest.mark.parametrize("token_type", ["offline", "refresh"])
def test_consent_access_token_refresh_and_revocation(
    two_servers: Stack, alice: Api, provider: str, issuer: str, token_type: str
) -> None:
    """Each server gives tokens of its own, for both types."""
    token_id = alice.grant(Person("alice"), provider=provider, tokenType=token_type)
    seen = alice.token(token_id)
    assert (seen["status"], seen["provider"], seen["tokenType"]) == ("active", provider, token_type)
    first = alice.access_token(token_id).json()["accessToken"]
    refreshed = alice.access_token(token_id, scope="openid").json()["accessToken"]
    assert refreshed != first
    for access_token in (first, refreshed):
        assert claims(access_token)["iss"] == two_servers[issuer]
    assert alice.token(token_id)["lastRefreshedAt"] > seen["lastRefreshedAt"]

    assert alice.delete(f"{MANAGER}/tokens/{token_id}").status_code == 200
    assert problem(alice.access_token(token_id)) == (410, "token_revoked")

    sent = eventually(lambda: alice.outcomes(token_id, "revocation.sent"), "the token is revoked at its server")
    assert sent == ["revoked"]


def test_each_type_has_its_own_end(alice: Api) -> None:
    """Keycloak names no end of offline tokens: ours is 30 days. Those of a session end with it, by Keycloak's word."""
    ends = {}
    for token_type in ("offline", "refresh"):
        seen = alice.token(alice.grant(Person("alice"), provider="keycloak", tokenType=token_type))
        ends[token_type] = datetime.fromisoformat(seen["expiresAt"]) - datetime.fromisoformat(seen["createdAt"])
    assert abs(ends["offline"] - timedelta(days=30)) < timedelta(minutes=5)
    assert timedelta(minutes=5) < ends["refresh"] < timedelta(hours=11)


def test_the_account_elsewhere_is_shown_and_the_token_is_alices(two_servers: Stack, alice: Api) -> None:
    """The account that consents there is not the person who asked here. The token is that account's."""
    token_id = alice.grant(Person("bob"), provider="keycloak")
    account = alice.token(token_id)["account"]
    assert account["issuer"] == two_servers["SECOND_ISSUER"]
    assert claims(alice.access_token(token_id).json()["accessToken"])["sub"] == account["subject"]
    assert "account" not in alice.token(alice.grant(Person("alice")))


def test_somebody_elses_browser_cannot_bind_an_account(two_servers: Stack, alice: Api) -> None:
    """Alice's link, opened by Bob: at a second server nothing but the browser tells them apart."""
    bob = Person("bob")
    asked = alice.post(f"{MANAGER}/offline-consent", {"provider": "keycloak"})
    callback = bob.grant(asked.json()["consentUrl"], stop_at=two_servers.gateway)
    assert alice.arrive(bob, callback) == {"error": "consent_invalid"}
    assert alice.token(asked.json()["persistentTokenId"])["status"] == "pending"


def test_an_unknown_provider_is_a_clear_problem(alice: Api) -> None:
    """The problem names no other provider."""
    answer = alice.post(f"{MANAGER}/offline-consent", {"provider": "nobody"})
    assert problem(answer) == (422, "invalid_input")
    assert answer.json()["errors"][0]["pointer"] == "/provider"
    assert "keycloak" not in answer.text


@pytest.mark.parametrize(
    ("part", "stopped", "other"), [("idp2", "keycloak", "default"), ("idp", "default", "keycloak")]
)
def test_one_goes_on_when_the_other_is_stopped(
    whole_again: Stack, alice: Api, part: str, stopped: str, other: str
) -> None:
    """Tokens of the one are refreshed, those of the other answer 503, until it is back."""
    waiting = alice.grant(Person("alice"), provider=stopped)
    going_on = alice.grant(Person("alice"), provider=other)
    whole_again.kill(part)
    assert alice.access_token(going_on, scope="openid").status_code == 200
    assert problem(alice.access_token(waiting, scope="openid")) == (503, "provider_unavailable")
    if part == "idp2":
        alice.grant(Person("alice"), provider=other)
    whole_again.start()
    eventually(
        lambda: alice.access_token(waiting, scope="openid").status_code == 200, f"{stopped} gives tokens again", 60
    )
