"""The blocking client, on `requests`, and its authentication for `requests` and for blocking `httpx`."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Iterable
from concurrent.futures import wait
from typing import TYPE_CHECKING, Concatenate, Generic, ParamSpec, TypeVar, cast, overload

import requests
from requests.adapters import HTTPAdapter

from token_vault_client.auth import VaultAuth
from token_vault_client.cache import PROCESS_CACHE, TokenCache
from token_vault_client.calls import DEFAULT_PATIENCE_SECONDS, Calls
from token_vault_client.credentials import Credentials
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

if TYPE_CHECKING:
    from token_vault_client.httpx_auth import VaultHttpxAuth

P = ParamSpec("P")
T = TypeVar("T")


class Blocking(Generic[P, T]):
    """A method of `Calls` as a method that blocks and returns the flow's result."""

    def __init__(self, flow: Callable[Concatenate[Calls, P], Flow[T]]) -> None:
        self._flow = flow
        self.__doc__ = flow.__doc__

    @overload
    def __get__(self, client: None, owner: type) -> Blocking[P, T]: ...
    @overload
    def __get__(self, client: TokenVaultClient, owner: type) -> Callable[P, T]: ...
    def __get__(self, client: TokenVaultClient | None, owner: type) -> Blocking[P, T] | Callable[P, T]:
        if client is None:
            return self

        @functools.wraps(self._flow)
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            return client.run(self._flow(client.calls, *args, **kwargs))

        return cast("Callable[P, T]", call)


class TokenVaultClient:
    """One vault, called with one caller's credentials; safe to share by threads."""

    access_token = Blocking(Calls.access_token)
    access_tokens = Blocking(Calls.access_tokens)
    request_consent = Blocking(Calls.request_consent)
    wait_for_consent = Blocking(Calls.wait_for_consent)
    grant = Blocking(Calls.grant)
    grants = Blocking(Calls.grants)
    audit = Blocking(Calls.audit)
    revoke = Blocking(Calls.revoke)
    create_ticket = Blocking(Calls.create_ticket)
    tickets = Blocking(Calls.tickets)
    extend_ticket = Blocking(Calls.extend_ticket)
    end_ticket = Blocking(Calls.end_ticket)

    def __init__(
        self,
        base_url: str,
        credentials: Credentials,
        *,
        session: requests.Session | None = None,
        timeout: tuple[float, float] = (CONNECT_SECONDS, ANSWER_SECONDS),
        patience: float = DEFAULT_PATIENCE_SECONDS,
        cache: TokenCache | None = PROCESS_CACHE,
        request_id: Callable[[], str | None] = lambda: None,
    ) -> None:
        """base_url: the vault or its gateway; timeout: to connect and to answer, in seconds. Raises ValueError.

        session: by default one that reads nothing from the environment: no proxies, no `.netrc`, no CA bundle.
        patience: seconds for which a call repeats its request to an unavailable vault; 0: raises VaultUnavailable at
        once. cache: of access tokens; None: every call asks the vault, which records each use and notices a revocation
        at once. request_id: returns the `X-Request-ID` to send.
        """
        self.calls = Calls(base_url, credentials, cache=cache, patience=patience, request_id=request_id)
        self._transport = _Transport(session, timeout)

    def run(self, flow: Flow[T]) -> T:
        """The result of a flow. Raises what the flow raises."""
        try:
            effect = next(flow)
            while True:
                effect = flow.send(self._transport.perform(effect))
        except StopIteration as stop:
            return cast("T", stop.value)
        finally:
            flow.close()

    def auth(
        self, persistent_token_id: str | None = None, subject: str | None = None, *, scopes: Iterable[str] = ()
    ) -> VaultAuth:
        """Authentication for `requests` with that grant's tokens; recovers once from a 401.

        Arguments: those of `access_token`.
        """
        return VaultAuth(functools.partial(self.access_token, persistent_token_id, subject, scopes=frozenset(scopes)))

    def httpx_auth(
        self, persistent_token_id: str | None = None, subject: str | None = None, *, scopes: Iterable[str] = ()
    ) -> VaultHttpxAuth:
        """The same for a blocking `httpx.Client`; needs the extra `httpx`."""
        from token_vault_client.httpx_auth import VaultHttpxAuth  # noqa: PLC0415 - an extra

        return VaultHttpxAuth(
            functools.partial(self.access_token, persistent_token_id, subject, scopes=frozenset(scopes))
        )

    def close(self) -> None:
        """Close the connections, if the session is the client's own."""
        self._transport.close()

    def __enter__(self) -> TokenVaultClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Transport:
    """Performs effects with `requests`; each process has its own connections."""

    def __init__(self, session: requests.Session | None, timeout: tuple[float, float]) -> None:
        self._given = session
        self._timeout = timeout
        self._own: tuple[int, requests.Session] | None = None

    def perform(self, effect: Effect) -> Outcome:
        """Do it."""
        if isinstance(effect, Pause):
            time.sleep(effect.seconds)
            return None
        if isinstance(effect, Join):
            wait([effect.work], effect.seconds)
            return None
        return self._send(effect.request)

    def close(self) -> None:
        if self._own is not None:
            self._own[1].close()

    def _send(self, request: Request) -> Outcome:
        connect, answer = self._timeout
        try:
            response = self._session().request(
                request.method,
                request.url,
                headers=dict(request.headers),
                data=request.body,
                auth=_as_it_is,
                timeout=(connect, request.answer_seconds or answer),
                allow_redirects=False,
            )
        except requests.RequestException as error:
            return NoAnswer(type(error).__name__)
        if len(response.content) > MAX_ANSWER_BYTES:
            return NoAnswer("the answer is too large")
        headers = {name.lower(): value for name, value in response.headers.items()}
        return HttpAnswer(response.status_code, headers, response.content)

    def _session(self) -> requests.Session:
        if self._given is not None:
            return self._given
        if self._own is None or self._own[0] != os.getpid():
            session = requests.Session()
            session.trust_env = False
            for scheme in ("http://", "https://"):
                session.mount(scheme, HTTPAdapter(pool_connections=4, pool_maxsize=32))
            self._own = (os.getpid(), session)
        return self._own[1]


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Leaves the Authorization header as it is; without an `auth`, `requests` would put a `.netrc`'s in its place."""
    return request
