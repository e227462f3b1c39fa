"""The asynchronous client, on `httpx` and asyncio; needs the extra `httpx`."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, cast, overload

from token_vault_client.cache import PROCESS_CACHE, TokenCache
from token_vault_client.calls import DEFAULT_PATIENCE_SECONDS, Calls
from token_vault_client.credentials import Credentials
from token_vault_client.extras import extra
from token_vault_client.flow import (
    ANSWER_SECONDS,
    CONNECT_SECONDS,
    MAX_ANSWER_BYTES,
    Effect,
    Flow,
    HttpAnswer,
    Join,
    NoAnswer,
    Outcome,
    Pause,
    Request,
)
from token_vault_client.httpx_auth import AsyncVaultHttpxAuth

with extra("httpx"):
    import httpx

P = ParamSpec("P")
T = TypeVar("T")


class Awaiting(Generic[P, T]):
    """A method of `Calls` as a coroutine method that returns the flow's result."""

    def __init__(self, flow: Callable[Concatenate[Calls, P], Flow[T]]) -> None:
        self._flow = flow
        self.__doc__ = flow.__doc__

    @overload
    def __get__(self, client: None, owner: type) -> Awaiting[P, T]: ...
    @overload
    def __get__(self, client: AsyncTokenVaultClient, owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(
        self, client: AsyncTokenVaultClient | None, owner: type
    ) -> Awaiting[P, T] | Callable[P, Coroutine[Any, Any, T]]:
        if client is None:
            return self

        @functools.wraps(self._flow)
        async def call(*args: P.args, **kwargs: P.kwargs) -> T:
            return await client.run(self._flow(client.calls, *args, **kwargs))

        return cast("Callable[P, Coroutine[Any, Any, T]]", call)


class AsyncTokenVaultClient:
    """One vault, called with one caller's credentials, from one event loop; shares the cache with blocking clients."""

    access_token = Awaiting(Calls.access_token)
    access_tokens = Awaiting(Calls.access_tokens)
    request_consent = Awaiting(Calls.request_consent)
    wait_for_consent = Awaiting(Calls.wait_for_consent)
    grant = Awaiting(Calls.grant)
    grants = Awaiting(Calls.grants)
    audit = Awaiting(Calls.audit)
    revoke = Awaiting(Calls.revoke)
    create_ticket = Awaiting(Calls.create_ticket)
    tickets = Awaiting(Calls.tickets)
    extend_ticket = Awaiting(Calls.extend_ticket)
    end_ticket = Awaiting(Calls.end_ticket)

    def __init__(
        self,
        base_url: str,
        credentials: Credentials,
        *,
        http: httpx.AsyncClient | None = None,
        timeout: tuple[float, float] = (CONNECT_SECONDS, ANSWER_SECONDS),
        patience: float = DEFAULT_PATIENCE_SECONDS,
        cache: TokenCache | None = PROCESS_CACHE,
        request_id: Callable[[], str | None] = lambda: None,
    ) -> None:
        """http: by default one that reads nothing from the environment; the rest: see `TokenVaultClient`."""
        self.calls = Calls(base_url, credentials, cache=cache, patience=patience, request_id=request_id)
        self._owns_http = http is None
        self._http = http or httpx.AsyncClient(trust_env=False)
        self._timeout = timeout

    async def run(self, flow: Flow[T]) -> T:
        """The result of a flow. Raises what the flow raises; a cancelled call leaves its work to another caller."""
        try:
            effect = next(flow)
            while True:
                effect = flow.send(await self._perform(effect))
        except StopIteration as stop:
            return cast("T", stop.value)
        finally:
            flow.close()

    def auth(
        self, persistent_token_id: str | None = None, subject: str | None = None, *, scopes: Iterable[str] = ()
    ) -> AsyncVaultHttpxAuth:
        """Authentication for an `httpx.AsyncClient`; recovers once from a 401. Arguments: those of `access_token`."""
        return AsyncVaultHttpxAuth(
            functools.partial(self.access_token, persistent_token_id, subject, scopes=frozenset(scopes))
        )

    async def close(self) -> None:
        """Close the connections, if the HTTP client is this client's own."""
        if self._owns_http:
            await self._http.aclose()

    async def __aenter__(self) -> AsyncTokenVaultClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _perform(self, effect: Effect) -> Outcome:
        if isinstance(effect, Pause):
            await asyncio.sleep(effect.seconds)
            return None
        if isinstance(effect, Join):
            await asyncio.wait([asyncio.wrap_future(effect.work)], timeout=effect.seconds)
            return None
        return await self._send(effect.request)

    async def _send(self, request: Request) -> Outcome:
        connect, answer = self._timeout
        try:
            response = await self._http.request(
                request.method,
                request.url,
                headers=dict(request.headers),
                content=request.body,
                auth=_as_it_is,
                timeout=httpx.Timeout(request.answer_seconds or answer, connect=connect),
                follow_redirects=False,
            )
        except httpx.HTTPError as error:
            return NoAnswer(type(error).__name__)
        if len(response.content) > MAX_ANSWER_BYTES:
            return NoAnswer("the answer is too large")
        headers = {name.lower(): value for name, value in response.headers.items()}
        return HttpAnswer(response.status_code, headers, response.content)


def _as_it_is(request: httpx.Request) -> httpx.Request:
    """Leaves the Authorization header as it is; without an `auth`, `httpx` would put a `.netrc`'s in its place."""
    return request
