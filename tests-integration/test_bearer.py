"""Tokens that must not be believed, at both services."""

import base64
import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import requests
from api import MANAGER, Api, problem
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jwt
from joserfc.jwk import RSAKey
from stack import Stack, eventually

ADDRESSES = ["/api/tasks", f"{MANAGER}/tokens"]


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer"}, {"Authorization": "Basic YTpi"}])
def test_no_bearer_token(nobody: Api, address: str, header: dict[str, str]) -> None:
    """401 with the challenge of RFC 6750."""
    answer = nobody.get(address, headers=header)
    assert problem(answer) == (401, "unauthorized")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize(
    "forge",
    ["signed_by_another_key", "without_signature", "changed_payload", "garbage", "twice"],
)
def test_forged_tokens(stack: Stack, alice: Api, address: str, forge: str) -> None:
    """Whatever was tampered with: 401."""
    assert problem(Api(stack, FORGERIES[forge](alice.bearer or "")).get(address)) == (401, "unauthorized")


def test_a_refresh_token_is_no_access_token(stack: Stack, alice: Api) -> None:
    """Neither is an ID token, nor a token for another audience."""
    form = {
        "grant_type": "password",
        "client_id": "dev-cli",
        "username": "alice",
        "password": "alice",
        "scope": "openid",
    }
    tokens = requests.post(f"{stack['ISSUER']}/protocol/openid-connect/token", data=form, timeout=30).json()
    for name in ("refresh_token", "id_token"):
        if name in tokens:
            assert problem(Api(stack, tokens[name]).get("/api/tasks")) == (401, "unauthorized")


def test_a_token_for_another_audience(stack: Stack, task_service: Api) -> None:
    """The task service's own token is for the vault, not for the task API."""
    assert problem(task_service.get("/api/tasks")) == (401, "unauthorized")


@pytest.mark.parametrize(
    "change",
    [
        {"exp": 1},
        {"aud": "somebody-else"},
        {"aud": None},
        {"exp": None},
        {"iss": "https://attacker.example"},
        {"typ": "Refresh"},
        {"typ": "ID"},
        {"nbf": 99_999_999_999},
        {"sub": ""},
    ],
    ids=str,
)
def test_wrong_claims_under_the_right_signature(dev_stack: Stack, alice: Api, change: dict[str, Any]) -> None:
    """Signed by the realm's own key, and still not what these services accept."""
    good = _claims(alice.bearer or "")
    assert Api(dev_stack, _minted(dev_stack, good)).get("/api/tasks").status_code == 200
    bad = {name: value for name, value in {**good, **change}.items() if value is not None}
    assert problem(Api(dev_stack, _minted(dev_stack, bad)).get("/api/tasks")) == (401, "unauthorized")


def test_a_rotated_signing_key_is_found(dev_stack: Stack, alice: Api) -> None:
    """An unknown key id makes the services look again, by and by; tokens of the old key are good all the while."""
    dev_stack.control("POST", "/keys", {"forgetOld": False})
    renewed = Api(dev_stack, _minted(dev_stack, _claims(alice.bearer or "")))

    def is_known(address: str) -> bool:
        return renewed.get(address).status_code == 200

    for address in ADDRESSES:
        eventually(partial(is_known, address), "the new key is known", 60)
        assert alice.get(address).status_code == 200
    for part in ("vault", "tasks"):
        dev_stack.kill(
            part
        )  # each process looks for itself, twice a minute at most; other tests need not wait for that


def _claims(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))))


def _minted(stack: Stack, claims: dict[str, Any]) -> str:
    return str(stack.control("POST", "/mint", {"claims": claims}).json()["token"])


def _resigned(token: str) -> str:
    header = json.loads(base64.urlsafe_b64decode(token.split(".", maxsplit=1)[0] + "=="))
    key = RSAKey.import_key(rsa.generate_private_key(public_exponent=65537, key_size=2048))
    return jwt.encode(header, {**_claims(token), "exp": int(time.time()) + 300}, key)


def _encoded(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


FORGERIES: dict[str, Callable[[str], str]] = {
    "signed_by_another_key": _resigned,
    "without_signature": lambda token: f"{_encoded({'alg': 'none', 'typ': 'JWT'})}.{token.split('.')[1]}.",
    "changed_payload": lambda token: ".".join(
        [token.split(".")[0], _encoded({**_claims(token), "sub": "somebody"}), token.split(".")[2]]
    ),
    "garbage": lambda token: f"x{token}",
    "twice": lambda token: f"{token}.{token}",
}
