"""The two sides of the service, and its settings.

The hub says whose a token is. The vault is called with the token of the hub's own client.
"""

import os
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
from jupyterhub.services.auth import HubAuth
from tornado.web import HTTPError

from jupyterhub_token_vault.authenticator import SUBJECT
from token_vault_client import PROCESS_CACHE, ClientCredentials
from token_vault_client.aio import AsyncTokenVaultClient

MANAGER = "/api/auth/manager"
HUB_ANSWER_SECONDS = 30.0
VAULT_ANSWER_SECONDS = 70.0
"""A kernel that waits for its owner's answer asks for 55."""
Query = list[tuple[str, str | int | float | bool | None]]


class ProblemError(Exception):
    """The service's own refusal (RFC 9457)."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(code)
        self.status, self.code, self.detail = status, code, detail


@dataclass(frozen=True, slots=True)
class Settings:
    """The service's settings, from the environment that `configure` gives it."""

    prefix: str
    bind: str
    vault_url: str
    issuer: str
    client_id: str
    client_secret_file: Path
    return_to: str

    def client_secret(self) -> str:
        """The secret, from its file."""
        return self.client_secret_file.read_text(encoding="utf-8").strip()

    @classmethod
    def read(cls) -> "Settings":
        """From the environment. Raises KeyError with the name of a variable that is missing."""
        return cls(
            prefix=os.environ["JUPYTERHUB_SERVICE_PREFIX"].rstrip("/"),
            bind=os.environ["JUPYTERHUB_SERVICE_URL"],
            vault_url=os.environ["VAULT_URL"].rstrip("/"),
            issuer=os.environ["ISSUER"].rstrip("/"),
            client_id=os.environ["CLIENT_ID"],
            client_secret_file=Path(os.environ["CLIENT_SECRET_FILE"]),
            return_to=os.environ["RETURN_TO"],
        )


class HubApi:
    """The hub's API: whose a token is."""

    def __init__(self, auth: HubAuth, http: httpx.AsyncClient) -> None:
        self._auth = auth
        self._http = http

    async def subject(self, token: str) -> str:
        """The `sub` of the person whose hub token this is. Raises ProblemError, httpx.HTTPError."""
        user = await self._user(token) if token else None
        if user is None or user.get("kind") != "user":
            raise ProblemError(401, "unauthorized", "This is no token of a kernel of this hub.")
        if not self._auth.check_scopes(self._auth.access_scopes, user):
            raise ProblemError(403, "forbidden", "This hub token has no access to the token vault's service.")
        answer = await self._http.get(
            f"{self._auth.api_url}/users/{quote(user['name'], safe='')}",
            headers={"Authorization": f"token {self._auth.api_token}"},
            timeout=HUB_ANSWER_SECONDS,
        )
        answer.raise_for_status()
        subject = (answer.json().get("auth_state") or {}).get(SUBJECT)
        if not subject:
            raise ProblemError(403, "no_subject", "The hub does not know your `sub`: sign out of the hub and in again.")
        return str(subject)

    async def _user(self, token: str) -> "dict[str, Any] | None":
        try:
            user: dict[str, Any] | None = await self._auth.user_for_token(token, sync=False)
        except HTTPError as error:  # the hub's answer was no verdict
            raise ProblemError(503, "vault_unavailable", "The hub does not answer.") from error
        return user


class UpstreamVault:
    """The vault, called with the token of the hub's own client."""

    def __init__(self, settings: Settings, http: httpx.AsyncClient) -> None:
        self._settings = settings
        self._http = http
        self._credentials: ClientCredentials | None = None

    @property
    def return_to(self) -> str:
        """The address of browsers after a consent; the vault's services file lists it for the hub's client."""
        return self._settings.return_to

    async def send(self, method: str, path: str, query: Query, body: bytes) -> httpx.Response:
        """One request. Its own token is replaced once when the vault does not accept it.

        Raises VaultError, httpx.HTTPError.
        """
        credentials = await self._own()
        answer = await self._send(credentials, method, path, query, body)
        if answer.status_code == HTTPStatus.UNAUTHORIZED:
            credentials.forget(PROCESS_CACHE)
            answer = await self._send(credentials, method, path, query, body)
        return answer

    async def _send(
        self, credentials: ClientCredentials, method: str, path: str, query: Query, body: bytes
    ) -> httpx.Response:
        own = AsyncTokenVaultClient(self._settings.vault_url, credentials, http=self._http)
        bearer = await own.run(credentials.bearer(PROCESS_CACHE))
        return await self._http.request(
            method,
            f"{self._settings.vault_url}{MANAGER}/{path}",
            params=httpx.QueryParams(query),
            content=body or None,
            headers={"Authorization": f"Bearer {bearer}", "Content-Type": "application/json"},
            timeout=VAULT_ANSWER_SECONDS,
        )

    async def _own(self) -> ClientCredentials:
        """The client's credentials; the authorization server is asked once for its token endpoint (OpenID Connect
        Discovery 1.0).
        """
        if self._credentials is None:
            found = await self._http.get(f"{self._settings.issuer}/.well-known/openid-configuration")
            found.raise_for_status()
            endpoint = str(found.json()["token_endpoint"])
            self._credentials = ClientCredentials(endpoint, self._settings.client_id, self._settings.client_secret())
        return self._credentials
