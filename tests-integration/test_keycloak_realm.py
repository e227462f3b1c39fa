"""The vault with a real Keycloak: rotation, revocation, disabled people, new keys and secrets, restarts."""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import requests
from api import MANAGER, Api, command_line_token, problem
from keycloak_admin import ROTATION, KeycloakAdmin
from person import Person
from stack import Stack, eventually

SCOPES = ("openid", "email", "profile", "openid email", "openid profile", "email profile")
"""No two of them share a cached token: each costs a refresh the first time."""


@pytest.fixture
def keycloak(healthy: Stack) -> KeycloakAdmin:
    """The realm's administrator."""
    if healthy["IDP"] != "keycloak":
        pytest.skip("needs the real Keycloak: IDP=keycloak")
    return KeycloakAdmin(healthy)


@pytest.fixture
def person(keycloak: KeycloakAdmin) -> Person:
    """Alice in a browser that has not seen the server: a grant of hers shares no session with another."""
    return Person("alice")


def refreshed(alice: Api, token_id: str) -> requests.Response:
    """Ask for what the consent has not brought along: the authorization server has to be asked."""
    return alice.access_token(token_id, scope="openid")


def failure(alice: Api, token_id: str) -> tuple[str, str | None]:
    """A token's status and why."""
    token = alice.get(f"{MANAGER}/tokens/{token_id}").json()
    return token["status"], token.get("failure")


def _await_token(alice: Api, token_id: str, scope: str) -> None:
    eventually(lambda: alice.access_token(token_id, scope=scope).status_code == 200, "a token is issued", 60)


@pytest.mark.parametrize("mode", ROTATION)
def test_rotation(keycloak: KeycloakAdmin, alice: Api, person: Person, mode: str) -> None:
    """Many refreshes, and many callers of one: every token is used once."""
    with keycloak.realm(**ROTATION[mode]):
        token_id = alice.grant(person)
        with ThreadPoolExecutor(16) as pool:
            for scope in SCOPES:
                answers = pool.map(lambda _, scope=scope: alice.access_token(token_id, scope=scope), range(16))
                assert {answer.status_code for answer in answers} == {200}
        assert failure(alice, token_id) == ("active", None)


def test_a_vault_that_dies_in_mid_refresh_loses_nothing_with_one_reuse(
    healthy: Stack, keycloak: KeycloakAdmin, alice: Api, person: Person
) -> None:
    """The vault is killed while it refreshes, three times. The old token is sent a second time."""
    with keycloak.realm(**ROTATION["reuse 1"]):
        token_id = alice.grant(person)
        for scopes in (SCOPES[:2], SCOPES[2:4], SCOPES[4:]):
            with ThreadPoolExecutor(2) as pool:
                for scope in scopes:
                    pool.submit(alice.access_token, token_id, scope=scope)
                healthy.kill("vault")
            healthy.start()
            _await_token(alice, token_id, scopes[0])
        assert failure(alice, token_id) == ("active", None)


def test_a_disabled_person_comes_back(keycloak: KeycloakAdmin, alice: Api, person: Person) -> None:
    """The grant fails and nothing more is sent; enabled again, the owner's check brings it back."""
    token_id = alice.grant(person)
    account = f"/users/{keycloak.user('alice')['id']}"
    keycloak.call("PUT", account, {"enabled": False})
    try:
        assert problem(refreshed(alice, token_id)) == (409, "reauthorization_required")
    finally:
        keycloak.call("PUT", account, {"enabled": True})
    assert problem(alice.access_token(token_id)) == (409, "reauthorization_required")
    assert failure(alice, token_id) == ("failed", "reauthorization_required")
    checked = alice.post(f"{MANAGER}/tokens/{token_id}/check")
    assert checked.json()["status"] == "active", checked.text
    assert alice.access_token(token_id).status_code == 200


def test_a_consent_that_was_withdrawn(keycloak: KeycloakAdmin, alice: Api, person: Person) -> None:
    """A consent is withdrawn in the account's pages or by an administrator; the grant has ended."""
    token_id = alice.grant(person)
    keycloak.call("DELETE", f"/users/{keycloak.user('alice')['id']}/consents/{keycloak.stack['VAULT_CLIENT_ID']}")
    assert problem(refreshed(alice, token_id)) == (410, "token_revoked")
    assert failure(alice, token_id) == ("failed", "token_revoked")


def test_a_session_that_was_ended_at_the_server(keycloak: KeycloakAdmin, alice: Api, person: Person) -> None:
    """An administrator ends the session. Its grant has ended, and a grant from another browser is still usable."""
    token_id, sibling = alice.grant(person), alice.grant(Person("alice"))
    user, client = keycloak.user("alice")["id"], keycloak.client(keycloak.stack["VAULT_CLIENT_ID"])["id"]
    sessions = keycloak.call("GET", f"/users/{user}/offline-sessions/{client}")
    newest = sorted(sessions, key=lambda session: session["start"])[-2:]
    for session in newest[:1]:
        keycloak.call("DELETE", f"/sessions/{session['id']}?isOffline=true")
    outcomes = {grant: refreshed(alice, grant).status_code for grant in (token_id, sibling)}
    assert sorted(outcomes.values()) == [200, 410]
    (over,) = [grant for grant, status in outcomes.items() if status == 410]
    assert failure(alice, over) == ("failed", "token_revoked")


@pytest.fixture
def told_of_logouts(keycloak: KeycloakAdmin) -> Iterator[None]:
    """The vault's client, with a back-channel logout URL and Keycloak's event for offline sessions."""
    client = keycloak.client(keycloak.stack["VAULT_CLIENT_ID"])
    vault = "http://vault:8000" if os.environ.get("STACK") == "compose" else keycloak.stack.gateway
    logout = {
        "backchannel.logout.url": f"{vault}{MANAGER}/backchannel-logout",
        "backchannel.logout.session.required": "true",
        "backchannel.logout.revoke.offline.tokens": "true",
    }
    keycloak.call("PUT", f"/clients/{client['id']}", {**client, "attributes": {**client["attributes"], **logout}})
    yield
    keycloak.call("PUT", f"/clients/{client['id']}", {**client, "attributes": dict.fromkeys(logout, "")})


@pytest.mark.usefixtures("told_of_logouts")
def test_a_person_who_is_signed_out(keycloak: KeycloakAdmin, alice: Api, person: Person) -> None:
    """By an administrator: Keycloak tells the vault, and no access token is given from then on."""
    token_id = alice.grant(person, tokenType="refresh")
    assert alice.access_token(token_id).status_code == 200
    keycloak.call("POST", f"/users/{keycloak.user('alice')['id']}/logout")
    eventually(lambda: failure(alice, token_id) == ("revoked", None), "the logout has reached the vault")
    assert problem(alice.access_token(token_id)) == (410, "token_revoked")
    lines = alice.get(f"{MANAGER}/tokens/{token_id}/audit").json()["lines"]
    assert "provider:default" in [line["actor"] for line in lines if line["event"] == "grant.revoked"]


def test_an_offline_session_that_expired(keycloak: KeycloakAdmin, alice: Api, person: Person) -> None:
    """Keycloak tells the vault when the session ends; the vault gives no token from then on.

    The session begins with the login, so its life is longer than a consent takes on a slow machine.
    """
    with keycloak.realm(offlineSessionMaxLifespanEnabled=True, offlineSessionMaxLifespan=20):
        token_id = alice.grant(person)
        ends = datetime.fromisoformat(alice.get(f"{MANAGER}/tokens/{token_id}").json()["expiresAt"])
        assert ends - datetime.now(UTC) < timedelta(seconds=21)
        eventually(lambda: datetime.now(UTC) > ends, "the session is over", 40)
        assert problem(refreshed(alice, token_id)) == (410, "token_expired")


def test_everything_before_now_is_void(keycloak: KeycloakAdmin, alice: Api, person: Person) -> None:
    """A realm's not-before: earlier tokens are void, and later ones work."""
    token_id = alice.grant(person)
    moment = int(time.time()) + 1
    eventually(lambda: time.time() > moment + 1, "the second is over")
    with keycloak.realm(notBefore=moment):
        assert problem(refreshed(alice, token_id)) == (410, "token_revoked")
        fresh = Api(keycloak.stack, command_line_token(keycloak.stack, "alice"))
        assert fresh.access_token(fresh.grant(Person("alice"))).status_code == 200


@pytest.fixture
def new_signing_key(keycloak: KeycloakAdmin) -> Iterator[None]:
    """A key that signs from now on; the old ones are known still."""
    keycloak.call(
        "POST",
        "/components",
        {
            "name": "rotated",
            "providerId": "rsa-generated",
            "providerType": "org.keycloak.keys.KeyProvider",
            "config": {"priority": ["500"], "algorithm": ["RS256"], "active": ["true"], "enabled": ["true"]},
        },
    )
    yield
    for component in keycloak.call("GET", "/components?type=org.keycloak.keys.KeyProvider&name=rotated"):
        keycloak.call("DELETE", f"/components/{component['id']}")


def test_signing_keys_are_rotated(keycloak: KeycloakAdmin, alice: Api, person: Person, new_signing_key: None) -> None:
    """Tokens by the new key are accepted as soon as the services look again; those by the old one all along."""
    token_id = alice.grant(person)
    assert alice.access_token(token_id).status_code == 200
    fresh = Api(keycloak.stack, command_line_token(keycloak.stack, "alice"))
    for _ in range(8):  # every process of both services
        eventually(lambda: fresh.access_token(token_id).status_code == 200, "the new key is known", 60)
        eventually(lambda: fresh.get("/api/tasks").status_code == 200, "the new key is known", 60)
    assert alice.access_token(token_id).status_code == 200


def test_the_vaults_secret_is_changed(keycloak: KeycloakAdmin, alice: Api, person: Person) -> None:
    """The provider is paused, and no grant fails. With the right secret refreshes continue."""
    token_id = alice.grant(person)
    client = keycloak.client(keycloak.stack["VAULT_CLIENT_ID"])
    address = f"/clients/{client['id']}"
    keycloak.call("PUT", address, {**client, "secret": "another"})
    try:
        answer = refreshed(alice, token_id)
        assert problem(answer) == (503, "provider_unavailable")
        assert int(answer.headers["Retry-After"]) > 5
    finally:
        keycloak.call("PUT", address, {**client, "secret": keycloak.stack["VAULT_CLIENT_SECRET"]})
    assert failure(alice, token_id) == ("active", None)
    eventually(lambda: refreshed(alice, token_id).status_code == 200, "it goes on", 90)


def test_the_vaults_secret_is_changed_on_both_sides(
    healthy: Stack, keycloak: KeycloakAdmin, alice: Api, person: Person
) -> None:
    """There first, then here, with a new process: no grant is lost, none has to be consented to again."""
    kept = healthy.state_dir / "secrets" / "vault_client_secret"
    if os.environ.get("STACK") == "compose":
        pytest.skip("a container's secrets are written by another container; the vault is the same")
    token_id = alice.grant(person)
    client, before = keycloak.client(healthy["VAULT_CLIENT_ID"]), kept.read_text()
    try:
        for secret in ("a-new-secret", before):
            keycloak.call("PUT", f"/clients/{client['id']}", {**client, "secret": secret})
            kept.write_text(secret)
            healthy.terminate("vault")
            eventually(lambda: not healthy.parts()["vault"], "the vault is gone")
            healthy.start()
            assert refreshed(alice, token_id).status_code == 200
    finally:
        kept.write_text(before)


@pytest.mark.parametrize("end", ["kill", "terminate"])
def test_it_ends_in_the_middle_of_things(
    healthy: Stack, keycloak: KeycloakAdmin, alice: Api, person: Person, end: str
) -> None:
    """A consent that was asked for before can be given after; a grant outlives it, offline sessions are on disk."""
    token_id = alice.grant(person)
    asked = alice.ask_consent()
    getattr(healthy, end)("idp")
    eventually(lambda: not healthy.parts()["idp"], "it is gone")
    assert problem(refreshed(alice, token_id)) == (503, "provider_unavailable")
    healthy.start()
    landed = alice.arrive(person, person.grant(asked["consentUrl"], stop_at=healthy.gateway))
    assert landed["persistent_token_id"] == asked["persistentTokenId"]
    eventually(lambda: refreshed(alice, token_id).status_code == 200, "it is asked again", 60)
