"""`httpx` with a grant's tokens, blocking and asynchronous; needs the extra `httpx`.

httpx.Client(auth=vault.httpx_auth(persistent_token_id, subject))
httpx.AsyncClient(auth=async_vault.auth(persistent_token_id, subject))
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator

from token_vault_client.extras import extra
from token_vault_client.model import FreshAccessToken

with extra("httpx"):
    import httpx


class VaultHttpxAuth(httpx.Auth):
    """For `httpx.Client`: sends a fresh access token with each request, and recovers once from a 401.

    A streamed body is not sent twice: then the 401 is the answer.
    """

    def __init__(self, access_token: Callable[..., FreshAccessToken]) -> None:
        """access_token: `TokenVaultClient.access_token` with its arguments bound; takes `refused`."""
        self._access_token = access_token

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Raises VaultError."""
        token = self._access_token().value
        answer = yield _with(request, token)
        if _was_refused(answer, request, token):
            another = self._access_token(refused=token).value
            if another != token:
                yield _with(request, another)

    def async_auth_flow(
        self,
        request: httpx.Request,  # noqa: ARG002 - the shape of `httpx.Auth`
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Raises RuntimeError: it would block the event loop."""
        raise RuntimeError("an httpx.AsyncClient needs the auth of an AsyncTokenVaultClient")


class AsyncVaultHttpxAuth(httpx.Auth):
    """The same for `httpx.AsyncClient`."""

    def __init__(self, access_token: Callable[..., Awaitable[FreshAccessToken]]) -> None:
        """access_token: `AsyncTokenVaultClient.access_token` with its arguments bound; takes `refused`."""
        self._access_token = access_token

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Raises VaultError."""
        token = (await self._access_token()).value
        answer = yield _with(request, token)
        if _was_refused(answer, request, token):
            another = (await self._access_token(refused=token)).value
            if another != token:
                yield _with(request, another)

    def sync_auth_flow(
        self,
        request: httpx.Request,  # noqa: ARG002 - the shape of `httpx.Auth`
    ) -> Generator[httpx.Request, httpx.Response, None]:
        """Raises RuntimeError: there is no event loop to ask in."""
        raise RuntimeError("an httpx.Client needs the httpx_auth of a TokenVaultClient")


def _with(request: httpx.Request, token: str) -> httpx.Request:
    request.headers["Authorization"] = f"Bearer {token}"
    return request


def _was_refused(answer: httpx.Response, request: httpx.Request, token: str) -> bool:
    """True when the API has refused that token, and the request can be sent again."""
    carried = answer.request.headers.get("Authorization") == f"Bearer {token}"
    return answer.status_code == httpx.codes.UNAUTHORIZED and carried and isinstance(request.stream, httpx.ByteStream)
