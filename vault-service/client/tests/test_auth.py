"""The authentication classes of `requests` and `httpx`, against an API that refuses a token."""

import asyncio
import io
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import requests
import scripted_answers
from scripted_answers import ACCESS, Answers, token

from token_vault_client import Bearer, GrantUnusable, TokenCache, TokenVaultClient
from token_vault_client.aio import AsyncTokenVaultClient
from token_vault_client.model import sha256

Send = Callable[..., Any]


@pytest.fixture
def api(answers: Answers) -> Answers:
    """An API on the same server: /api takes the token `good` only; the vault gives `bad`, and `good` when told."""

    def issue(asked):
        return 200, token("good" if asked.query.get("refused") == sha256("bad") else "bad"), {}

    def api(asked):
        good = asked.authorization == "Bearer good"
        return (200 if good else 401), {"body": asked.body.decode(), "token": asked.authorization}, {}

    answers.decides(ACCESS, issue)
    answers.decides("/api", api)
    return answers


@pytest.fixture(params=["requests", "httpx", "httpx async"])
def send(request: pytest.FixtureRequest, answers: Answers) -> Iterator[Send]:
    """Sends a request with the authentication class of that library."""
    cache = TokenCache()
    if request.param == "httpx async":
        runner = asyncio.Runner()

        async def asynchronously(method: str, url: str, **how: Any) -> httpx.Response:
            async with (
                AsyncTokenVaultClient(answers.url, Bearer("b"), cache=cache, patience=0) as vault,
                httpx.AsyncClient(auth=vault.auth("id-1"), follow_redirects=True) as http,
            ):
                return await http.request(method, url, **how)

        yield lambda method, url, **how: runner.run(asynchronously(method, url, **how))
        runner.close()
        return
    with TokenVaultClient(answers.url, Bearer("b"), cache=cache, patience=0) as vault:
        if request.param == "requests":
            with requests.Session() as session:
                session.auth = vault.auth("id-1")
                yield lambda method, url, content=None, **how: session.request(method, url, data=content, **how)
        else:
            with httpx.Client(auth=vault.httpx_auth("id-1"), follow_redirects=True) as http:
                yield http.request


def test_a_refused_token_is_replaced_once_and_the_request_repeated_whole(api, send):
    answer = send("POST", f"{api.url}/api", content=b"a body")
    assert (answer.status_code, answer.json()) == (200, {"body": "a body", "token": "Bearer good"})
    assert len(api.to("/api")) == 2
    assert send("GET", f"{api.url}/api").status_code == 200
    assert len(api.to("/api")) == 3
    assert len(api.to(ACCESS)) == 2


def test_an_api_that_refuses_every_token_is_asked_twice_and_no_more(api, send):
    api.only("/api", 401, {})
    assert send("GET", f"{api.url}/api").status_code == 401
    assert len(api.to("/api")) == 2


def test_a_vault_that_has_no_other_token_leaves_the_401_as_it_is(api, send):
    api.only(ACCESS, 200, token("bad"))
    assert send("GET", f"{api.url}/api").status_code == 401
    assert len(api.to("/api")) == 1


def test_a_grant_that_is_over_is_an_error_of_the_clients(api, send):
    api.only(ACCESS, 410, {"code": "token_revoked", "detail": "This token was revoked."})
    with pytest.raises(GrantUnusable):
        send("GET", f"{api.url}/api")


def test_a_token_does_not_follow_a_redirect_to_another_host(api, send):
    """Nor does a 401 from there bring one."""
    with scripted_answers.serving() as elsewhere:
        elsewhere.says("/there", 401, {})
        api.only("/api", 302, {}, Location=f"{elsewhere.url}/there")
        send("GET", f"{api.url}/api")
        assert [asked.authorization for asked in elsewhere.asked] == [""]


def test_a_file_is_sent_whole_twice(api):
    with TokenVaultClient(api.url, Bearer("b"), cache=TokenCache()) as vault:
        body = io.BytesIO(b"head and tail")
        body.seek(5)
        answer = requests.post(f"{api.url}/api", data=body, auth=vault.auth("id-1"), timeout=10)
    assert answer.json()["body"] == "and tail"
    assert [asked.body for asked in api.to("/api")] == [b"and tail"] * 2
    assert [earlier.status_code for earlier in answer.history] == [401]


def test_a_body_that_cannot_be_sent_twice_is_not(api):
    """Half of it would arrive, or nothing."""

    def pieces():
        yield b"on"
        yield b"ce"

    with TokenVaultClient(api.url, Bearer("b"), cache=TokenCache()) as vault:
        with httpx.Client(auth=vault.httpx_auth("id-1")) as http:
            assert http.post(f"{api.url}/api", content=pieces()).status_code == 401
        answer = requests.post(f"{api.url}/api", data=pieces(), auth=vault.auth("id-1"), timeout=10)
        assert answer.status_code == 401
    assert [asked.body for asked in api.to("/api")] == [b"once", b"once"]


def test_each_kind_of_httpx_client_needs_its_own_class(api):
    with TokenVaultClient(api.url, Bearer("b"), cache=TokenCache()) as vault:
        with pytest.raises(RuntimeError, match="needs the auth of an AsyncTokenVaultClient"):
            vault.httpx_auth("id-1").async_auth_flow(httpx.Request("GET", api.url))

        async def asynchronous() -> None:
            async with AsyncTokenVaultClient(api.url, Bearer("b"), cache=TokenCache()) as other:
                with pytest.raises(RuntimeError, match="needs the httpx_auth of a TokenVaultClient"):
                    other.auth("id-1").sync_auth_flow(httpx.Request("GET", api.url))

        asyncio.run(asynchronous())
