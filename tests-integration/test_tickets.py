"""Tickets through the gateway: an OAuth library that knows nothing of the vault, and tickets in URLs."""

import requests
from api import Api, command_line_token, problem
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from person import Person
from stack import TIMEOUT, Stack, eventually

MANAGER = "/api/auth/manager"
METADATA = f"/.well-known/oauth-authorization-server{MANAGER}"


def ticket(stack: Stack, alice_person: Person, **members: object) -> tuple[str, str]:
    """A grant of Alice's and a ticket for it."""
    owner = Api(stack, command_line_token(stack, "alice"))
    token_id = owner.grant(alice_person)
    made = owner.post(f"{MANAGER}/tickets", {"id": token_id, "name": "test", **members})
    assert made.status_code == 201, made.text
    return token_id, str(made.json()["ticket"])


def test_an_unmodified_oauth_client_discovers_refreshes_and_revokes(stack: Stack, alice_person: Person) -> None:
    """RFC 8414, 6749 and 7009, with Authlib and a client secret of its own making."""
    _, secret = ticket(stack, alice_person)
    document = requests.get(stack.gateway + METADATA, timeout=TIMEOUT).json()
    metadata = AuthorizationServerMetadata(document)
    metadata.validate_token_endpoint_auth_methods_supported()
    metadata.validate_response_types_supported()
    assert (metadata["issuer"], metadata["grant_types_supported"]) == (stack.gateway + MANAGER, ["refresh_token"])
    session = OAuth2Session("any-client", "any-secret", token={"access_token": "old", "refresh_token": secret})
    token = session.refresh_token(metadata["token_endpoint"])
    assert token["token_type"] == "Bearer"
    assert token["refresh_token"] == secret  # the library keeps it, because the answer has no other
    userinfo = f"{stack['ISSUER']}/protocol/openid-connect/userinfo"
    assert session.get(userinfo, timeout=TIMEOUT).json()["preferred_username"] == "alice"
    assert session.revoke_token(metadata["revocation_endpoint"], secret).status_code == 200
    answer = requests.post(
        metadata["token_endpoint"], {"grant_type": "refresh_token", "refresh_token": secret}, timeout=TIMEOUT
    )
    assert (answer.status_code, answer.json()["error"], answer.json()["code"]) == (400, "invalid_grant", "ticket_ended")


def test_a_ticket_in_a_url_reaches_no_log(stack: Stack, alice_person: Person) -> None:
    """Neither the gateway's nor the vault's, in path or query, percent-encoded or not."""
    _, secret = ticket(stack, alice_person)
    for path in (
        f"{MANAGER}/access-token?id={secret}",
        f"{MANAGER}/tokens/{secret}",
        f"/assets/{secret}",
        f"/tasks?x=tvt%5F{secret[4:]}",
        f"{MANAGER}/tokens/tvt%5f{secret[4:]}",
    ):
        answer = requests.get(stack.gateway + path, timeout=TIMEOUT, allow_redirects=False)
        assert problem(answer) == (400, "ticket_misplaced"), path
    eventually(lambda: "(a ticket)" in stack.log("gateway"), "the gateway has logged the requests")
    assert not [part for part in ("gateway", "vault") if secret[4:] in stack.log(part)]


def test_a_ticket_outlives_a_killed_vault(healthy: Stack, alice_person: Person) -> None:
    """The ticket's state is in the database."""
    token_id, secret = ticket(healthy, alice_person, maxUses=2)
    holder = Api(healthy, secret)
    assert holder.get(f"{MANAGER}/access-token").json()["persistentTokenId"] == token_id
    healthy.kill("vault")
    healthy.start()
    assert holder.get(f"{MANAGER}/access-token").status_code == 200
    assert problem(holder.get(f"{MANAGER}/access-token")) == (401, "ticket_used_up")
