"""The Python client's contract with the running vault: what it sends is accepted, what comes back is understood."""

import asyncio
import base64
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from api import Api, command_line_token
from person import Person
from stack import Stack, eventually

from token_vault_client import (
    Bearer,
    ClientCredentials,
    ConsentPending,
    FreshAccessToken,
    GrantUnusable,
    NotAllowed,
    NotAuthenticated,
    TicketCredentials,
    TokenCache,
    TokenNotFound,
    TokenVaultClient,
    VaultUnavailable,
)
from token_vault_client.aio import AsyncTokenVaultClient
from token_vault_client.credentials import Credentials

NOBODYS = "00000000-0000-4000-8000-000000000000"
Caller = Callable[..., Any]
MakeCaller = Callable[..., Caller]


@pytest.fixture(params=["blocking", "asynchronous"])
def calling(request: pytest.FixtureRequest, stack: Stack) -> Iterator[MakeCaller]:
    """Makes a caller of the vault, on `requests` and on `httpx`: `call("grants")`."""
    closing: list[Callable[[], None]] = []

    def make(credentials: Credentials, **how: Any) -> Caller:
        how = {"cache": TokenCache(), "patience": 0.0, **how}
        address = stack["VAULT_URL"] if isinstance(credentials, ClientCredentials) else stack.gateway
        if request.param == "blocking":
            client = TokenVaultClient(address, credentials, **how)
            closing.append(client.close)
            return lambda name, *args, **kwargs: getattr(client, name)(*args, **kwargs)
        runner, other = asyncio.Runner(), AsyncTokenVaultClient(address, credentials, **how)
        closing.extend([lambda: runner.run(other.close()), runner.close])
        return lambda name, *args, **kwargs: runner.run(getattr(other, name)(*args, **kwargs))

    yield make
    for close in closing:
        close()


@pytest.fixture
def owner(stack: Stack, calling: MakeCaller) -> Caller:
    """Alice, with an access token at hand."""
    return calling(Bearer(command_line_token(stack, "alice")))


@pytest.fixture
def service(stack: Stack, calling: MakeCaller) -> Caller:
    """The task service's client."""
    return calling(service_credentials(stack))


def service_credentials(stack: Stack, secret: str | None = None) -> ClientCredentials:
    """The task service's own."""
    endpoint = f"{stack['ISSUER']}/protocol/openid-connect/token"
    return ClientCredentials(endpoint, stack["TASK_SERVICE_CLIENT_ID"], secret or stack["TASK_SERVICE_CLIENT_SECRET"])


def userinfo(stack: Stack, token: FreshAccessToken) -> str:
    """Whose token it is, says the authorization server."""
    url = f"{stack['ISSUER']}/protocol/openid-connect/userinfo"
    answer = requests.get(url, headers={"Authorization": f"Bearer {token.value}"}, timeout=30)
    return str(answer.json()["preferred_username"])


def test_a_service_and_the_owner_get_tokens_of_the_owner(
    stack: Stack, alice: Api, alice_person: Person, owner: Caller, service: Caller
) -> None:
    """With all that may be asked for."""
    token_id = alice.grant(alice_person, scopes=["phone"])
    subject = alice.task(alice.create_task())["userId"]
    token = service("access_token", token_id, subject, min_valid=60, scopes=["openid"])
    assert userinfo(stack, token) == userinfo(stack, owner("access_token", token_id)) == "alice"
    assert token.persistent_token_id == token_id
    assert "phone" not in token.scopes


def test_more_life_than_there_is_is_an_error_only_when_it_is_demanded(
    alice: Api, alice_person: Person, owner: Caller
) -> None:
    """`min_valid` and `prefer_valid`."""
    token_id = alice.grant(alice_person)
    with pytest.raises(NotAllowed) as refused:
        owner("access_token", token_id, min_valid=80_000)
    assert refused.value.code == "min_valid_unattainable"
    assert owner("access_token", token_id, prefer_valid=80_000).value


def test_a_token_that_an_api_has_refused_is_asked_for_again(alice: Api, alice_person: Person, owner: Caller) -> None:
    """By its hash; another one comes."""
    token_id = alice.grant(alice_person)
    first = owner("access_token", token_id)
    assert owner("access_token", token_id, refused=first.value).value not in {"", first.value}


def test_a_ticket_is_made_used_listed_extended_and_ended(
    stack: Stack, alice: Api, alice_person: Person, owner: Caller, calling: MakeCaller
) -> None:
    """The API that the client was designed for."""
    token_id = alice.grant(alice_person, scopes=["phone"])
    made = owner("create_ticket", token_id, "nightly", max_uses=2, expires_in=60)
    holder = calling(TicketCredentials(made.value), cache=None)
    token = holder("access_token", prefer_valid=60)
    assert (userinfo(stack, token), token.persistent_token_id) == ("alice", token_id)
    (listed,) = owner("tickets", token_id)
    assert (listed.ticket_id, listed.name, listed.uses, listed.max_uses) == (made.info.ticket_id, "nightly", 1, 2)
    assert listed.maker
    assert listed.last_used_at is not None
    assert owner("extend_ticket", listed.ticket_id, expires_in=600).expires_at > listed.expires_at
    lines = owner("audit", token_id).lines
    assert {line.event for line in lines if line.via == listed.ticket_id} == {
        "ticket.created",
        "token.issued",
        "ticket.extended",
    }
    assert holder("access_token").value
    with pytest.raises(NotAuthenticated) as refused:
        holder("access_token")
    assert refused.value.code == "ticket_used_up"
    another = owner("create_ticket", token_id, "again", scopes=["openid", "profile", "email"])
    assert "phone" not in calling(TicketCredentials(another.value), cache=None)("access_token").scopes
    owner("end_ticket", another.info.ticket_id)
    with pytest.raises(NotAuthenticated) as refused:
        calling(TicketCredentials(another.value), cache=None)("access_token")
    assert refused.value.code == "ticket_ended"
    with pytest.raises(NotAllowed) as not_allowed:
        holder("create_ticket", token_id, "another")
    assert not_allowed.value.code == "ticket_not_allowed"


def test_many_tokens_at_once(alice: Api, alice_person: Person, service: Caller) -> None:
    """A bad id spoils no other."""
    token_id = alice.grant(alice_person)
    subject = alice.task(alice.create_task())["userId"]
    found, missing = service("access_tokens", [(token_id, subject), (NOBODYS, subject)])
    assert isinstance(found, FreshAccessToken)
    assert isinstance(missing, TokenNotFound)


def test_consent_is_asked_for_waited_for_used_looked_at_and_revoked(
    stack: Stack, alice_person: Person, owner: Caller
) -> None:
    """The owner's whole way."""
    asked = owner("request_consent", scopes=["phone"], services=["task-service"], task_id="cron:nightly", max_uses=5)
    with pytest.raises(ConsentPending):
        owner("access_token", asked.persistent_token_id)
    with pytest.raises(ConsentPending):
        owner("wait_for_consent", asked.persistent_token_id, seconds=0.5)
    callback = alice_person.grant(asked.url, stop_at=stack.gateway)
    opened = threading.Timer(1.0, alice_person.get, [callback])
    opened.start()
    grant = owner("wait_for_consent", asked.persistent_token_id, seconds=60)
    opened.join()
    assert (grant.status, grant.task_id, grant.max_uses) == ("active", "cron:nightly", 5)
    assert grant.services == {"task-service"}
    assert grant in owner("grants", task_id="cron:nightly")
    owner("access_token", asked.persistent_token_id)
    events = [line.event for line in owner("audit", asked.persistent_token_id).lines]
    assert events[-2:] == ["consent.granted", "consent.requested"]
    assert "token.issued" in events
    owner("revoke", asked.persistent_token_id)
    owner("revoke", asked.persistent_token_id)
    assert owner("grant", asked.persistent_token_id).status == "revoked"


def test_a_consent_that_is_refused_says_so(stack: Stack, alice: Api, alice_person: Person, owner: Caller) -> None:
    """The person says no."""
    asked = owner("request_consent")
    alice_person.get(alice_person.refuse(asked.url, stop_at=stack.gateway))
    with pytest.raises(GrantUnusable) as refused:
        owner("wait_for_consent", asked.persistent_token_id)
    assert refused.value.code == "consent_denied"


def test_a_revocation_is_noticed_at_once_without_a_cache(
    stack: Stack, alice: Api, alice_person: Person, calling: MakeCaller
) -> None:
    """With the cache it is noticed at the next renewal."""
    token_id = alice.grant(alice_person)
    bearer = Bearer(command_line_token(stack, "alice"))
    cached, uncached = calling(bearer), calling(bearer, cache=None)
    assert cached("access_token", token_id).value == uncached("access_token", token_id).value
    cached("revoke", token_id)
    assert cached("access_token", token_id).value
    with pytest.raises(GrantUnusable) as refused:
        uncached("access_token", token_id)
    assert refused.value.code == "token_revoked"


def test_wrong_callers_are_told_what_is_wrong(
    stack: Stack, alice: Api, alice_person: Person, owner: Caller, service: Caller, calling: MakeCaller
) -> None:
    """Each by its own error and code."""
    token_id = alice.grant(alice_person)
    wrong = [
        (owner, NOBODYS, None, TokenNotFound, "token_not_found"),
        (service, token_id, NOBODYS, TokenNotFound, "token_not_found"),
        (service, token_id, None, NotAllowed, "invalid_input"),
        (calling(Bearer(command_line_token(stack, "bob"))), token_id, None, TokenNotFound, "token_not_found"),
        (calling(Bearer("no token")), token_id, None, NotAuthenticated, "unauthorized"),
        (calling(TicketCredentials("tvt_" + "A" * 72)), None, None, NotAuthenticated, "ticket_mistyped"),
        (calling(service_credentials(stack, "wrong")), token_id, None, NotAuthenticated, "credentials_refused"),
    ]
    for call, wanted, subject, kind, code in wrong:
        with pytest.raises(kind) as refused:
            call("access_token", wanted, subject)
        assert refused.value.code == code


def test_a_vault_that_is_stopped_is_unavailable_and_its_token_is_still_served(
    healthy: Stack, alice: Api, alice_person: Person, owner: Caller
) -> None:
    """Then it is back."""
    token_id, other = alice.grant(alice_person), alice.grant(alice_person)
    token = owner("access_token", token_id)
    healthy.kill("vault")
    assert owner("access_token", token_id) == token
    with pytest.raises(VaultUnavailable):
        owner("access_token", other)
    healthy.start()
    eventually(lambda: owner("access_token", other), "the vault answers again")


def test_a_thread_and_a_loop_share_one_token(stack: Stack, alice: Api, alice_person: Person) -> None:
    """The process's cache: one use in the audit."""
    token_id = alice.grant(alice_person)
    bearer = Bearer(command_line_token(stack, "alice"))

    async def asynchronously() -> str:
        async with AsyncTokenVaultClient(stack.gateway, bearer) as vault:
            return (await vault.access_token(token_id)).value

    with TokenVaultClient(stack.gateway, bearer) as vault:
        assert vault.access_token(token_id).value == asyncio.run(asynchronously())
        events = [line.event for line in vault.audit(token_id).lines]
    assert events.count("token.issued") == 1


def test_an_authentication_class_recovers_from_a_token_that_is_refused(
    stack: Stack, alice: Api, alice_person: Person
) -> None:
    """Here the cached token is damaged; the vault is asked for another one, and the API takes it."""
    token_id = alice.grant(alice_person)
    url = f"{stack['ISSUER']}/protocol/openid-connect/userinfo"
    cache = TokenCache()
    with TokenVaultClient(stack.gateway, Bearer(command_line_token(stack, "alice")), cache=cache) as vault:
        vault.access_token(token_id)
        (entry,) = cache._entries.values()
        assert entry.fetched is not None
        object.__setattr__(entry.fetched.token, "value", damaged(entry.fetched.token.value))
        with requests.Session() as session:
            session.auth = vault.auth(token_id)
            answer = session.get(url, timeout=30)
    assert [one.status_code for one in (*answer.history, answer)] == [401, 200]


def damaged(token: str) -> str:
    """The token with another signature."""
    head, payload, signature = token.split(".")
    flipped = bytes(byte ^ 1 for byte in base64.urlsafe_b64decode(signature + "=="))
    return f"{head}.{payload}.{base64.urlsafe_b64encode(flipped).rstrip(b'=').decode()}"
