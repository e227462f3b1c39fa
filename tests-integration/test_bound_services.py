"""DPoP (RFC 9449) from end to end: the authorization server binds a token, the vault wants its proof.

Seen at both servers: the development one, and Keycloak with `dpop.bound.access.tokens` of a client.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests
from api import MANAGER, Api, problem
from keycloak_admin import KeycloakAdmin
from person import Person
from stack import TIMEOUT, Stack
from test_client import service_credentials, userinfo

from token_vault_client import ClientCredentials, DPoPKey, NotAuthenticated, TokenCache, TokenVaultClient


@pytest.fixture
def key() -> DPoPKey:
    """A key of this process."""
    return DPoPKey()


@pytest.fixture
def bound(stack: Stack, key: DPoPKey) -> ClientCredentials:
    """The task service's credentials, bound to the key."""
    endpoint = f"{stack['ISSUER']}/protocol/openid-connect/token"
    return ClientCredentials(endpoint, stack["TASK_SERVICE_CLIENT_ID"], stack["TASK_SERVICE_CLIENT_SECRET"], dpop=key)


@contextmanager
def demanding(stack: Stack) -> Iterator[None]:
    """Keycloak gives the task service bound tokens only, for a while; the running task service sends no proofs."""
    admin = KeycloakAdmin(stack)
    client = admin.client("task-service")
    path, before = f"/clients/{client['id']}", dict(client.get("attributes", {}))
    admin.call("PUT", path, {**client, "attributes": {**before, "dpop.bound.access.tokens": "true"}})
    try:
        yield
    finally:
        admin.call("PUT", path, {**client, "attributes": {**before, "dpop.bound.access.tokens": "false"}})


def bound_token(stack: Stack, key: DPoPKey) -> str:
    """The task service's own token, bound to the key, as the authorization server gives it."""
    endpoint = f"{stack['ISSUER']}/protocol/openid-connect/token"
    client = (stack["TASK_SERVICE_CLIENT_ID"], stack["TASK_SERVICE_CLIENT_SECRET"])
    headers = {"DPoP": key.proof("POST", endpoint)}
    form = {"grant_type": "client_credentials"}
    answer = requests.post(endpoint, form, auth=client, headers=headers, timeout=TIMEOUT)
    assert (answer.status_code, answer.json()["token_type"]) == (200, "DPoP"), answer.text
    return str(answer.json()["access_token"])


def test_a_service_works_with_bound_tokens(
    stack: Stack, alice: Api, alice_person: Person, bound: ClientCredentials
) -> None:
    """At the vault's own address, where services mint; and through the gateway, where they look at grants."""
    token_id = alice.grant(alice_person)
    subject = alice.task(alice.create_task())["userId"]
    with TokenVaultClient(stack["VAULT_URL"], bound, cache=TokenCache()) as vault:
        for _ in range(3):
            assert userinfo(stack, vault.access_token(token_id, subject)) == "alice"
        (result,) = vault.access_tokens([(token_id, subject)])
        assert not isinstance(result, Exception)
    with TokenVaultClient(stack.gateway, bound, cache=TokenCache()) as vault:
        assert vault.grant(token_id, subject=subject).status == "active"


def test_a_stolen_bound_token_is_worth_nothing(stack: Stack, alice: Api, alice_person: Person, key: DPoPKey) -> None:
    """Alone, with a proof of the thief's, and with a proof that was used."""
    token_id = alice.grant(alice_person)
    subject = alice.task(alice.create_task())["userId"]
    token = bound_token(stack, key)
    url = f"{stack['VAULT_URL']}{MANAGER}/access-token"

    def ask(scheme: str, proof: str | None) -> requests.Response:
        headers = {"Authorization": f"{scheme} {token}", **({"DPoP": proof} if proof else {})}
        return requests.get(url, {"id": token_id, "subject": subject}, headers=headers, timeout=TIMEOUT)

    proof = key.proof("GET", url, token)
    assert ask("DPoP", proof).status_code == 200
    assert problem(ask("DPoP", proof)) == (401, "invalid_dpop_proof")
    assert problem(ask("DPoP", DPoPKey().proof("GET", url, token))) == (401, "invalid_dpop_proof")
    assert problem(ask("DPoP", None)) == (401, "dpop_required")
    assert problem(ask("Bearer", None)) == (401, "dpop_required")
    assert "algs=" in ask("Bearer", None).headers["WWW-Authenticate"]


def test_the_task_service_takes_bound_tokens_of_its_callers(stack: Stack, key: DPoPKey) -> None:
    """It has no Redis, and refuses a proof that its process has seen. It asks the vault with its own token."""
    endpoint = f"{stack['ISSUER']}/protocol/openid-connect/token"
    form = {
        "grant_type": "password",
        "client_id": "dev-cli",
        "username": "alice",
        "password": "alice",
        "scope": "openid",
    }
    answer = requests.post(endpoint, form, headers={"DPoP": key.proof("POST", endpoint)}, timeout=TIMEOUT)
    assert answer.json()["token_type"] == "DPoP", answer.text
    token, url = str(answer.json()["access_token"]), f"{stack.gateway}/api/tasks"

    def call(method: str, address: str, **how: object) -> requests.Response:
        headers = {"Authorization": f"DPoP {token}", "DPoP": key.proof(method, address, token)}
        return requests.request(method, address, headers=headers, timeout=TIMEOUT, **how)  # type: ignore[arg-type]

    made = call("POST", url, json={"name": "bound"})
    assert made.status_code == 201, made.text
    assert call("GET", url).status_code == 200
    task = f"{url}/{made.json()['id']}"
    executed = call("POST", f"{task}/execute")
    assert (executed.status_code, executed.json()["status"]) == (200, "needs_consent")
    assert call("DELETE", task).status_code == 200
    bare = requests.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=TIMEOUT)
    assert problem(bare) == (401, "dpop_required")


def test_keycloak_gives_a_client_that_must_bind_its_tokens_no_others(
    stack: Stack, alice: Api, alice_person: Person, bound: ClientCredentials
) -> None:
    """With the client's `dpop.bound.access.tokens` on: no proof, no token; with one, the vault serves it."""
    if stack["IDP"] != "keycloak":
        pytest.skip("needs the real Keycloak: IDP=keycloak")
    token_id = alice.grant(alice_person)
    subject = alice.task(alice.create_task())["userId"]
    with demanding(stack):
        plain = TokenVaultClient(stack["VAULT_URL"], service_credentials(stack), cache=TokenCache())
        with plain, pytest.raises(NotAuthenticated):
            plain.access_token(token_id, subject)
        with TokenVaultClient(stack["VAULT_URL"], bound, cache=TokenCache()) as vault:
            assert userinfo(stack, vault.access_token(token_id, subject)) == "alice"
