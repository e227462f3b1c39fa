"""A vault of prepared answers, and the two clients behind one face."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import pytest
import scripted_answers
from scripted_answers import Answers

from token_vault_client import ClientCredentials, Credentials, TokenCache, TokenVaultClient
from token_vault_client.aio import AsyncTokenVaultClient


class ClientCaller(Protocol):
    """Calls a method of a client by its name."""

    def __call__(self, name: str, *args: Any, **kwargs: Any) -> Any: ...


MakeCaller = Callable[..., ClientCaller]


@pytest.fixture
def answers() -> Iterator[Answers]:
    """A vault and a token endpoint."""
    with scripted_answers.serving() as prepared:
        prepared.says(scripted_answers.OWN, 200, {"access_token": "own", "expires_in": 300})
        yield prepared


@pytest.fixture
def service(answers: Answers) -> ClientCredentials:
    """A service's credentials."""
    return ClientCredentials(f"{answers.url}/token", "service", "s")


@pytest.fixture(params=["blocking", "asynchronous"])
def make_caller(request: pytest.FixtureRequest, answers: Answers, service: Credentials) -> Iterator[MakeCaller]:
    """Makes a caller with a cache of its own, on `requests` and on `httpx`; arguments: those of the clients."""
    closing: list[Callable[[], None]] = []

    def make(credentials: Credentials = service, base_url: str = answers.url, **how: Any) -> ClientCaller:
        how = {"cache": TokenCache(), "patience": 0.0, **how}
        if request.param == "blocking":
            blocking = TokenVaultClient(base_url, credentials, **how)
            closing.append(blocking.close)
            return lambda name, /, *args, **kwargs: getattr(blocking, name)(*args, **kwargs)
        runner = asyncio.Runner()
        client = AsyncTokenVaultClient(base_url, credentials, **how)
        closing.extend([lambda: runner.run(client.close()), runner.close])
        return lambda name, /, *args, **kwargs: runner.run(getattr(client, name)(*args, **kwargs))

    yield make
    for close in closing:
        close()


@pytest.fixture
def call(make_caller: MakeCaller) -> ClientCaller:
    """A service that calls the vault."""
    return make_caller(request_id=lambda: "request-1")
