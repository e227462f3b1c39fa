"""The userinfo adapter against a real HTTP server that plays the authorization server."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from http_parts import Asked, Reply, Server, serving

from service_kit.outbound.session import Session
from service_kit.tokens.issuer import Issuer
from task_service.adapters.identity.userinfo import UserinfoEndpoint
from task_service.application.errors import HandlerError
from task_service.application.ports.vault import OwnerToken

TOKEN = OwnerToken("alice-access", datetime(2099, 1, 1, tzinfo=UTC), frozenset({"openid"}))


@contextmanager
def userinfo(reply: Reply) -> Iterator[tuple[UserinfoEndpoint, Server]]:
    """The adapter, and the server that it asks."""

    def answer(asked: Asked) -> Reply:
        if asked.path.endswith("/userinfo"):
            return reply
        base = f"http://{asked.headers['Host']}/realms/demo"
        names = ("authorization_endpoint", "token_endpoint", "jwks_uri")
        members = {name: f"{base}/{name}" for name in names} | {"userinfo_endpoint": f"{base}/userinfo"}
        return Reply(content={"issuer": base, **members})

    with serving(answer) as server:
        yield UserinfoEndpoint(Issuer(f"{server.url}/realms/demo"), Session()), server


@pytest.mark.parametrize(
    ("members", "name"),
    [
        ({"preferred_username": "alice", "name": "Alice A."}, "alice"),
        ({"name": "Alice A."}, "Alice A."),
        ({}, "alice-sub"),
    ],
)
def test_the_token_itself_is_asked_whose_it_is(members: dict[str, str], name: str) -> None:
    """The best name there is."""
    with userinfo(Reply(content={"sub": "alice-sub", **members})) as (endpoint, server):
        assert endpoint.who(TOKEN) == ("alice-sub", name)
        assert server.asked[-1].headers["Authorization"] == "Bearer alice-access"


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(401), r"does not accept the access token \(401\)"),
        (Reply(200, b"no JSON"), "does not say whose token it is"),
        (Reply(200, {"name": "nobody"}), "does not say whose token it is"),
    ],
)
def test_an_answer_without_a_person_fails_the_work(reply: Reply, words: str) -> None:
    """In words for the owner, without the token."""
    with userinfo(reply) as (endpoint, _), pytest.raises(HandlerError, match=words) as failed:
        endpoint.who(TOKEN)
    assert TOKEN.value not in str(failed.value)


def test_an_authorization_server_that_does_not_answer_fails_the_work() -> None:
    """At discovery, and at a later request."""
    with pytest.raises(HandlerError, match="does not answer"):
        UserinfoEndpoint(Issuer("http://127.0.0.1:9/realms/demo"), Session()).who(TOKEN)
    with userinfo(Reply(content={"sub": "alice-sub"})) as (endpoint, _):
        endpoint.who(TOKEN)
    with pytest.raises(HandlerError, match="does not answer"):
        endpoint.who(TOKEN)
