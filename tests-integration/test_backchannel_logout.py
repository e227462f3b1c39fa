"""Back-channel logout through the gateway, with tokens that the development server's key has signed."""

import base64
import json
import time
from typing import Any
from uuid import uuid4

import pytest
import requests
from api import MANAGER, Api
from person import Person
from stack import TIMEOUT, Stack

EVENT = "http://schemas.openid.net/event/backchannel-logout"


@pytest.fixture
def sent(dev_stack: Stack, alice: Api) -> dict[str, object]:
    """The claims of a logout token for Alice; each test adds what it is about."""
    now = int(time.time())
    return {
        "iss": dev_stack["ISSUER"],
        "aud": dev_stack["VAULT_CLIENT_ID"],
        "iat": now,
        "exp": now + 120,
        "sub": claims(str(alice.bearer))["sub"],
        "jti": str(uuid4()),
        "events": {EVENT: {}},
    }


def claims(token: str) -> dict[str, Any]:
    """The payload of a token, not verified."""
    payload = token.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))))


def send(stack: Stack, logout: dict[str, object]) -> requests.Response:
    """Post it as an authorization server does."""
    minted = stack.control("POST", "/mint", {"claims": logout, "header": {"typ": "logout+jwt"}}).json()["token"]
    address = f"{stack.gateway}{MANAGER}/backchannel-logout"
    return requests.post(address, data={"logout_token": minted}, timeout=TIMEOUT)


def status(alice: Api, token_id: str) -> str:
    """A token's status."""
    return str(alice.get(f"{MANAGER}/tokens/{token_id}").json()["status"])


def test_a_logout_ends_the_grants_of_its_login(dev_stack: Stack, alice: Api, sent: dict[str, object]) -> None:
    """The offline one lives on; one of another login, too."""
    other, offline = alice.grant(Person("alice"), tokenType="refresh"), alice.grant(Person("alice"))
    token_id = alice.grant(Person("alice"), tokenType="refresh")
    online = [grant for grant in dev_stack.control("GET", "/grants").json()["grants"] if not grant["offline"]]
    newest = [grant for grant in online if grant["clientId"] == dev_stack["VAULT_CLIENT_ID"]][-1]
    assert alice.access_token(token_id).status_code == 200
    answer = send(dev_stack, {**sent, "sid": newest["sid"]})
    assert answer.status_code == 200, answer.text
    assert alice.access_token(token_id).json()["code"] == "token_revoked"
    assert [status(alice, each) for each in (token_id, other, offline)] == ["revoked", "active", "active"]


def test_offline_grants_end_when_the_server_says_so(dev_stack: Stack, alice: Api, sent: dict[str, object]) -> None:
    """All of the person's, because no session is named; sent again, it is refused."""
    token_id = alice.grant(Person("alice"))
    logout = {**sent, "events": {EVENT: {}, "revoke_offline_access": True}}
    assert send(dev_stack, logout).status_code == 200
    assert status(alice, token_id) == "revoked"
    again = send(dev_stack, logout)
    assert (again.status_code, again.json()["code"]) == (400, "logout_token_invalid")
