"""The managed service between kernels and the vault: `python -m jupyterhub_token_vault.service`, started by the hub.

A kernel sends its hub token. The hub tells whose token that is, and its state tells the person's `sub`. The service
passes the request on to the vault with its own client's token and this `sub` as `subject`, and the vault's answer back
as it is. So a kernel reaches only grants of its owner that name the hub's client, and holds neither the client's secret
nor a refresh token. Only the calls in ROUTES are passed on. Consents are in `consents`. The service stores nothing.
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

from jupyterhub_token_vault.consents import PendingConsents
from jupyterhub_token_vault.upstream import MANAGER, Hub, LoginIssuer, ProblemError, Query, Settings, UpstreamVault
from token_vault_client import VaultError

ROUTES = {"GET": re.compile(r"access-token")}
"""What of the vault kernels may call, by method."""
HUB_MEMORY_SECONDS = 30
"""For so long a hub token that was taken back still works here."""
PASSED_BACK = ("Content-Type", "Retry-After", "X-Request-ID")


class HubHandler(RequestHandler):
    """Answers refusals as problem documents (RFC 9457)."""

    hub: Hub
    vault: UpstreamVault
    consents: PendingConsents

    def initialize(self, hub: Hub, vault: UpstreamVault, consents: PendingConsents) -> None:
        """The parts of this service."""
        self.hub, self.vault, self.consents = hub, vault, consents

    def check_xsrf_cookie(self) -> None:
        """No cookie is a credential here."""

    async def caller(self) -> str:
        """The `sub` of the kernel's owner. Raises ProblemError."""
        scheme, _, token = self.request.headers.get("Authorization", "").partition(" ")
        return await self.hub.subject(token if scheme.lower() in {"bearer", "token"} else "")

    def answer_json(self, status: int, body: dict[str, Any]) -> None:
        """One answer; nobody stores it."""
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
            problem = ProblemError(status_code, "internal_error", HTTPStatus(status_code).phrase)
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
        method = self.request.method or ""
        if method not in ROUTES or not ROUTES[method].fullmatch(path):
            raise ProblemError(404, "not_found", "The hub's service has no such call.")
        answer = await self.vault.send(method, path, self._query(await self.caller()), b"")
        self.set_status(answer.status_code)
        for name in PASSED_BACK:
            if name in answer.headers:
                self.set_header(name, answer.headers[name])
        self.set_header("Cache-Control", "no-store")
        self.finish(answer.content)

    def _query(self, subject: str) -> Query:
        """The kernel's query, with the owner as its only subject."""
        given: Query = [
            (name, value.decode())
            for name, values in self.request.query_arguments.items()
            for value in values
            if name != "subject"
        ]
        return [*given, ("subject", subject)]


class NewConsentHandler(HubHandler):
    """A kernel asks for a consent."""

    async def post(self) -> None:
        """The address that the person opens."""
        subject = await self.caller()
        try:
            body = json.loads(self.request.body)
            name, scopes = str(body["name"]), [str(scope) for scope in body.get("scopes", [])]
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ProblemError(422, "invalid_input", "The body is {name, scopes?}.") from None
        self.answer_json(201, {"consent": self.consents.ask(subject, name, scopes)})


class ConsentStateHandler(HubHandler):
    """A kernel asks whether the person has begun."""

    async def get(self, consent: str) -> None:
        """`{persistentTokenId}`, or `{}` while the person has not opened the address."""
        found = self.consents.grant_of(consent, await self.caller())
        self.answer_json(200, {"persistentTokenId": found} if found else {})


class OpenConsentHandler(HubHandler):
    """The person opens the address: to the authorization server, to learn who they are."""

    async def get(self, consent: str) -> None:
        """A redirect."""
        self.redirect(await self.consents.sign_in_url(consent), status=303)


class CallbackHandler(HubHandler):
    """The person comes back, and goes on to the consent."""

    async def get(self) -> None:
        """A redirect."""
        state, code = self.get_query_argument("state", ""), self.get_query_argument("code", "")
        self.redirect(await self.consents.consent_url(state, code), status=303)


class HealthHandler(RequestHandler):
    """Answers 200 when the service runs; the hub asks it."""

    def get(self) -> None:
        """An empty answer."""
        self.finish()


def application(settings: Settings, http: httpx.AsyncClient) -> Application:
    """The service as a Tornado application."""
    issuer = LoginIssuer(settings, http)
    parts = {
        "hub": Hub(HubAuth(cache_max_age=HUB_MEMORY_SECONDS), http),
        "vault": UpstreamVault(settings, http, issuer),
        "consents": PendingConsents(settings, http, issuer),
    }
    prefix = re.escape(settings.prefix)
    return Application(
        [
            (prefix + re.escape(MANAGER) + "/(.+)", VaultHandler, parts),
            (prefix + "/api/consents", NewConsentHandler, parts),
            (prefix + "/api/consents/([^/]+)", ConsentStateHandler, parts),
            (prefix + "/consent/([^/]+)", OpenConsentHandler, parts),
            (prefix + "/callback", CallbackHandler, parts),
            (prefix + "/?", HealthHandler),
        ],
        log_function=lambda _handler: None,  # addresses hold codes and states
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
