"""Back-channel logout over HTTP: whose grants end, which live on, and what is refused."""

import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
import requests
from consenting_issuer import CLIENT, PERSON, ConsentingIssuer
from served_vault import API, ServedVault

EVENT = "http://schemas.openid.net/event/backchannel-logout"
ADDRESS = f"{API}/backchannel-logout"


@pytest.fixture
def vault(served: ServedVault, issuer: ConsentingIssuer) -> Iterator[ServedVault]:
    """The vault; each test has sessions of its own."""
    issuer.session = str(uuid4())
    yield served
    issuer.session = None


def logout_token(issuer: ConsentingIssuer, **claims: object) -> str:
    """A logout token of the session that its last logins had; None leaves a claim out."""
    now = time.time()
    usual: dict[str, object] = {
        **dict.fromkeys(("azp", "scope", "resource_access"), None),
        "iat": now,
        "exp": now + 120,
        "aud": CLIENT,
        "typ": "Logout",
        "jti": str(uuid4()),
        "sub": PERSON,
        "sid": issuer.session,
        "events": {EVENT: {}},
    }
    return issuer.token(issuer.header(typ="logout+jwt"), issuer.claims(**(usual | claims)))


def send(vault: ServedVault, token: str, provider: str = "") -> requests.Response:
    """Send it as an authorization server does."""
    return vault.call("POST", ADDRESS + provider, data={"logout_token": token})


def refusal(answer: requests.Response) -> tuple[int, str, str]:
    """Status, error and code."""
    document: dict[str, Any] = answer.json()
    return answer.status_code, document["error"], document["code"]


def test_grants_of_the_session_end_at_once(vault: ServedVault, issuer: ConsentingIssuer) -> None:
    """Cached or not; another session's and offline ones live on. The owner reads who has ended it, and why."""
    alice = issuer.bearer("dev-cli")
    ended, offline = vault.grant(alice, tokenType="refresh"), vault.grant(alice)
    assert vault.token(ended, alice).status_code == 200
    mine, issuer.session = issuer.session, str(uuid4())
    other = vault.grant(alice, tokenType="refresh")
    answer = send(vault, logout_token(issuer, sid=mine))
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    assert vault.token(ended, alice).json()["code"] == "token_revoked"
    assert vault.status(ended, alice) == ("revoked", None)
    assert [vault.token(token_id, alice).status_code for token_id in (other, offline)] == [200, 200]
    lines = vault.call("GET", f"{API}/tokens/{ended}/audit", alice).json()["lines"]
    line = next(line for line in lines if line["event"] == "grant.revoked")
    assert (line["actor"], line["reason"]) == ("provider:default", "logged out at the authorization server")


def test_offline_grants_end_by_their_event(vault: ServedVault, issuer: ConsentingIssuer) -> None:
    """Without a session all of the person's do; another person's live on. Their tokens are revoked at the server."""
    alice, bob = issuer.bearer("dev-cli"), issuer.bearer("dev-cli", "bob-id")
    mine = vault.grant(alice)
    issuer.session = str(uuid4())
    token_id, url, cookies = vault.ask(bob)
    vault.arrive(issuer.consented(url, "bob-id"), cookies)
    before = len(issuer.revoked)
    events = {EVENT: {}, "revoke_offline_access": True}
    assert send(vault, logout_token(issuer, sid=None, events=events)).status_code == 200
    assert vault.status(mine, alice) == ("revoked", None)
    assert vault.status(token_id, bob) == ("active", None)
    deadline = time.monotonic() + 20
    while len(issuer.revoked) == before and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(issuer.revoked) > before


def test_person_and_session_must_both_fit(vault: ServedVault, issuer: ConsentingIssuer) -> None:
    """A session with another person's name ends nothing."""
    alice = issuer.bearer("dev-cli")
    token_id = vault.grant(alice, tokenType="refresh")
    assert send(vault, logout_token(issuer, sub="mallory-id")).status_code == 200
    assert send(vault, logout_token(issuer, sid="another", sub=PERSON)).status_code == 200
    assert vault.status(token_id, alice) == ("active", None)
    assert send(vault, logout_token(issuer, sub=None)).status_code == 200
    assert vault.status(token_id, alice) == ("revoked", None)


def test_a_token_counts_once(vault: ServedVault, issuer: ConsentingIssuer) -> None:
    """A repetition, for example by who has seen it in a log, ends no later login."""
    alice = issuer.bearer("dev-cli")
    token = logout_token(issuer, sid=None)
    assert send(vault, token).status_code == 200
    later = vault.grant(alice, tokenType="refresh")
    assert refusal(send(vault, token)) == (400, "invalid_request", "logout_token_invalid")
    assert vault.status(later, alice) == ("active", None)


@pytest.mark.parametrize(
    "claims",
    [{"nonce": "n"}, {"aud": "task-ui"}, {"events": {}}, {"iss": "https://elsewhere.example"}, {"exp": 1}],
)
def test_what_is_no_logout_token_ends_nothing(
    vault: ServedVault, issuer: ConsentingIssuer, claims: dict[str, Any]
) -> None:
    """400, as section 2.8 demands; the kit's tests have each rule."""
    alice = issuer.bearer("dev-cli")
    token_id = vault.grant(alice, tokenType="refresh")
    answer = send(vault, logout_token(issuer, **claims))
    assert refusal(answer) == (400, "invalid_request", "logout_token_invalid")
    assert answer.headers["Cache-Control"] == "no-store"
    assert vault.status(token_id, alice) == ("active", None)


def test_other_bodies_and_unknown_providers_are_refused(vault: ServedVault, issuer: ConsentingIssuer) -> None:
    """No body, none of the right kind, two tokens, another provider's address."""
    token = logout_token(issuer)
    for body in ({}, {"logout_token": ""}, {"token": token}):
        assert vault.call("POST", ADDRESS, data=body).status_code == 400
    assert vault.call("POST", ADDRESS, json={"logout_token": token}).status_code == 400
    assert vault.call("POST", ADDRESS, data=[("logout_token", token)] * 2).status_code == 400
    assert refusal(send(vault, token, "/unknown")) == (400, "invalid_request", "logout_token_invalid")
    assert send(vault, token).status_code == 200  # none of these has used it up


def test_no_token_is_logged(served: ServedVault, issuer: ConsentingIssuer) -> None:
    """Nor its `jti`."""
    token_id = f"jti-{uuid4()}"
    assert send(served, logout_token(issuer, sid="nobody's", jti=token_id)).status_code == 200
    assert token_id not in served.log
