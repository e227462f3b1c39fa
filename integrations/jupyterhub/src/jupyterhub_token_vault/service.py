"""The managed service between kernels and the vault: `python -m jupyterhub_token_vault.service`, started by the hub.

A kernel sends its hub token. The hub tells whose token that is, and its state tells the person's `sub`. The service
passes the request on to the vault with its own client's token and this `sub` as `subject`, and the vault's answer back
as it is. So a kernel reaches only grants of its owner that name the hub's client, and holds neither the client's secret
nor a refresh token. Only the calls in ROUTES are passed on. The service stores nothing.
"""

import asyncio
import json
import os
import re
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
from jupyterhub.services.auth import HubAuth
from tornado.httpserver import HTTPServer
from tornado.web import Application, HTTPError, RequestHandler

from jupyterhub_token_vault.authenticator import SUBJECT
from token_vault_client import PROCESS_CACHE, ClientCredentials, VaultError
from token_vault_client.aio import AsyncTokenVaultClient

MANAGER = "/api/auth/manager"
ROUTES = {"GET": re.compile(r"access-token")}
"""What kernels may call, by method."""
HUB_ANSWER_SECONDS = 30.0
VAULT_ANSWER_SECONDS = 40.0
HUB_MEMORY_SECONDS = 30
"""For so long a hub token that was taken back still works here."""
Query = list[tuple[str, str | int | float | bool | None]]
PASSED_BACK = ("Content-Type", "Retry-After", "X-Request-ID")


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
        )


class Hub:
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


class Vault:
    """The vault, called with the token of the hub's own client."""

    def __init__(self, settings: Settings, http: httpx.AsyncClient) -> None:
        self._settings = settings
        self._http = http
        self._credentials: ClientCredentials | None = None

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
        """The client's credentials; the authorization server is asked once for its token endpoint."""
        if self._credentials is None:
            settings = self._settings
            found = await self._http.get(f"{settings.issuer}/.well-known/openid-configuration")
            found.raise_for_status()
            secret = settings.client_secret_file.read_text(encoding="utf-8").strip()
            self._credentials = ClientCredentials(found.json()["token_endpoint"], settings.client_id, secret)
        return self._credentials


class PassOn(RequestHandler):
    """One call of a kernel."""

    hub: Hub
    vault: Vault

    def initialize(self, hub: Hub, vault: Vault) -> None:
        """hub, vault: the two sides of this service."""
        self.hub, self.vault = hub, vault

    def check_xsrf_cookie(self) -> None:
        """No cookie is a credential here."""

    async def get(self, path: str) -> None:
        """Pass on a GET."""
        await self._pass_on(path)

    async def _pass_on(self, path: str) -> None:
        try:
            route = ROUTES.get(self.request.method or "")
            if route is None or not route.fullmatch(path):
                raise ProblemError(404, "not_found", "The hub's service has no such call.")
            scheme, _, token = self.request.headers.get("Authorization", "").partition(" ")
            subject = await self.hub.subject(token if scheme.lower() in {"bearer", "token"} else "")
            answer = await self.vault.send(self.request.method or "", path, self._query(subject), b"")
        except ProblemError as problem:
            self._answer_problem(problem)
        except VaultError as error:
            self._answer_problem(ProblemError(503, "vault_unavailable", error.detail))
        except httpx.HTTPError as error:
            detail = f"The hub, the vault or the authorization server does not answer ({type(error).__name__})."
            self._answer_problem(ProblemError(503, "vault_unavailable", detail))
        else:
            self._answer(answer)

    def _query(self, subject: str) -> Query:
        """The kernel's query, with the owner as its only subject."""
        given: Query = [
            (name, value.decode())
            for name, values in self.request.query_arguments.items()
            for value in values
            if name != "subject"
        ]
        return [*given, ("subject", subject)]

    def _answer(self, answer: httpx.Response) -> None:
        self.set_status(answer.status_code)
        for name in PASSED_BACK:
            if name in answer.headers:
                self.set_header(name, answer.headers[name])
        self.set_header("Cache-Control", "no-store")
        self.finish(answer.content)

    def _answer_problem(self, problem: ProblemError) -> None:
        title = HTTPStatus(problem.status).phrase
        body = {"type": "about:blank", "title": title, "status": problem.status}
        self.set_status(problem.status)
        self.set_header("Content-Type", "application/problem+json")
        self.set_header("Cache-Control", "no-store")
        if problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
            self.set_header("Retry-After", "2")
        self.finish(json.dumps(body | {"code": problem.code, "detail": problem.detail}))


class Health(RequestHandler):
    """Answers 200 when the service runs; the hub asks it."""

    def get(self) -> None:
        """An empty answer."""
        self.finish()


def application(settings: Settings, http: httpx.AsyncClient) -> Application:
    """The service as a Tornado application."""
    parts: dict[str, Any] = {
        "hub": Hub(HubAuth(cache_max_age=HUB_MEMORY_SECONDS), http),
        "vault": Vault(settings, http),
    }
    return Application(
        [
            (re.escape(settings.prefix) + re.escape(MANAGER) + "/(.+)", PassOn, parts),
            (re.escape(settings.prefix) + "/?", Health),
        ]
    )


async def main() -> None:
    """Serve until the hub ends this process."""
    settings = Settings.read()
    bind = urlsplit(settings.bind)
    async with httpx.AsyncClient(trust_env=False) as http:
        server = HTTPServer(application(settings, http))
        server.listen(bind.port or 80, bind.hostname)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
