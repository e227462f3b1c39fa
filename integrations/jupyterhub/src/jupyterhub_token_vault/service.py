"""The managed service between kernels and the vault: `python -m jupyterhub_token_vault.service`, started by the hub.

A kernel sends its hub token. The hub tells whose token that is, and its state tells the person's `sub`. The service
passes the request on to the vault with its own client's token and this `sub` as `subject`, and the vault's answer back
as it is. So a kernel reaches only grants of its owner that name the hub's client, and holds neither the client's secret
nor a refresh token. Only the calls in ROUTES are passed on. For a kernel that needs access, the service asks the person
by the vault (`POST offline-consent` with a `subject`), which shows them who asks and for what. It stores nothing.
"""

import asyncio
import json
import re
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import httpx
from jupyterhub.services.auth import HubAuth
from tornado.httpserver import HTTPServer
from tornado.web import Application, RequestHandler

from jupyterhub_token_vault.upstream import MANAGER, HubApi, ProblemError, Query, Settings, UpstreamVault
from token_vault_client import VaultError

ROUTES = {"GET": re.compile(r"access-token|tokens/[0-9a-f-]{36}"), "POST": re.compile(r"offline-consent")}
"""What of the vault kernels may call, by method."""
ASKED = frozenset({"name", "scopes"})
"""What of a question a kernel chooses; the service adds the rest."""
HUB_MEMORY_SECONDS = 30
"""For so long a hub token that was taken back still works here."""
PASSED_BACK = ("Content-Type", "Retry-After", "X-Request-ID")


class HubHandler(RequestHandler):
    """Answers refusals as problem documents (RFC 9457)."""

    hub: HubApi
    vault: UpstreamVault

    def initialize(self, hub: HubApi, vault: UpstreamVault) -> None:
        """The parts of this service."""
        self.hub, self.vault = hub, vault

    def check_xsrf_cookie(self) -> None:
        """No cookie is a credential here."""

    async def caller(self) -> str:
        """The `sub` of the kernel's owner. Raises ProblemError."""
        scheme, _, token = self.request.headers.get("Authorization", "").partition(" ")
        return await self.hub.subject(token if scheme.lower() in {"bearer", "token"} else "")

    def answer_as(self, answer: httpx.Response) -> None:
        """The vault's answer, unchanged, with `Cache-Control: no-store`."""
        self.set_status(answer.status_code)
        for name in PASSED_BACK:
            if name in answer.headers:
                self.set_header(name, answer.headers[name])
        self.set_header("Cache-Control", "no-store")
        self.finish(answer.content)

    def answer_json(self, status: int, body: dict[str, Any]) -> None:
        """An answer in JSON, with `Cache-Control: no-store`."""
        self.set_status(status)
        self.set_header("Content-Type", "application/json" if status < 400 else "application/problem+json")
        self.set_header("Cache-Control", "no-store")
        self.finish(json.dumps(body))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """A problem document for whatever was raised."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        if isinstance(error, ProblemError):
            problem = error
        elif isinstance(error, VaultError):
            problem = ProblemError(503, "vault_unavailable", error.detail)
        elif isinstance(error, httpx.HTTPError):
            detail = f"The hub, the vault or the authorization server does not answer ({type(error).__name__})."
            problem = ProblemError(503, "vault_unavailable", detail)
        else:
            status = HTTPStatus(status_code)
            code = status.name.lower() if status_code < 500 else "internal_error"
            problem = ProblemError(status_code, code, status.phrase)
        if problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
            self.set_header("Retry-After", "2")
        title = HTTPStatus(problem.status).phrase
        members = {"type": "about:blank", "title": title, "status": problem.status}
        self.answer_json(problem.status, members | {"code": problem.code, "detail": problem.detail})

    def log_exception(self, *error: Any) -> None:
        """Log what is none of the answers that were foreseen."""
        if not isinstance(error[1], ProblemError | VaultError | httpx.HTTPError):
            super().log_exception(*error)


class VaultHandler(HubHandler):
    """A call of the vault."""

    async def get(self, path: str) -> None:
        """Pass on a GET."""
        self._check("GET", path)
        query: Query = [
            (name, value.decode())
            for name, values in self.request.query_arguments.items()
            for value in values
            if name != "subject"
        ]
        self.answer_as(await self.vault.send("GET", path, [*query, ("subject", await self.caller())], b""))

    async def post(self, path: str) -> None:
        """Ask the kernel's owner for access, in the name of the hub's client."""
        self._check("POST", path)
        subject = await self.caller()
        try:
            body = json.loads(self.request.body)
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise ProblemError(400, "invalid_json", "The body is no JSON object.")
        if body.keys() - ASKED:
            raise ProblemError(422, "invalid_input", "The members of the body are name and scopes.")
        question = {**body, "subject": subject, "returnTo": self.vault.return_to}
        self.answer_as(await self.vault.send("POST", path, [], json.dumps(question).encode()))

    def _check(self, method: str, path: str) -> None:
        """Raises ProblemError for a call that is not passed on."""
        if not ROUTES[method].fullmatch(path):
            raise ProblemError(404, "not_found", "The hub's service has no such call.")


class DoneHandler(RequestHandler):
    """The page to which the browser returns after the person's answer. The kernel asks the vault for the answer."""

    def get(self) -> None:
        """A page of one line. It shows nothing of the address: a browser can invent that."""
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
        self.finish("<!doctype html><title>Token vault</title><p>Go back to your notebook. You can close this tab.")


class HealthHandler(RequestHandler):
    """Answers 200 when the service runs; the hub asks it."""

    def get(self) -> None:
        """An empty answer."""
        self.finish()


def application(settings: Settings, http: httpx.AsyncClient) -> Application:
    """The service as a Tornado application."""
    parts = {"hub": HubApi(HubAuth(cache_max_age=HUB_MEMORY_SECONDS), http), "vault": UpstreamVault(settings, http)}
    prefix = re.escape(settings.prefix)
    return Application(
        [
            (prefix + re.escape(MANAGER) + "/(.+)", VaultHandler, parts),
            (prefix + "/done", DoneHandler),
            (prefix + "/?", HealthHandler),
        ],
        log_function=lambda _handler: None,  # addresses hold ids of grants
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
