"""A test's replica as the routes and the fast path of the HTTP edge see it."""

import asyncio
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from replica import ALICE, ROOT_KEY, SERVICE, Replica

from service_kit.server.fast_path import FastAnswer, Head
from service_kit.tokens.bearer import Claims, Verifier
from vault_service import bootstrap, config
from vault_service.http.app import create_app
from vault_service.http.fast_path import CachedTokens
from vault_service.http.vault import Vault


class Known:
    """A verifier that has just seen a service's token, and those of two people's clients."""

    def __init__(self, role: str) -> None:
        def claims(client: str, *roles: str) -> Claims:
            return Claims(ALICE.issuer, ALICE.sub, client, frozenset(), frozenset(roles), float("inf"))

        self._tokens = {
            "service": claims(SERVICE.client, role),
            "owner": claims("dev-cli"),
            "page": claims("task-ui"),
        }

    def must_be_bound(self, _: Claims) -> bool:
        """Stands for `Verifier.must_be_bound`: no token must be bound."""
        return False

    def remembered(self, token: str) -> Claims | None:
        """As `Verifier.remembered`."""
        return self._tokens.get(token)

    def verify(self, token: str) -> Claims:
        """As `Verifier.verify`."""
        return self._tokens[token]


@contextmanager
def routes_of(vault: Replica, folder: Path, database_url: str) -> Iterator[Vault]:
    """The replica as its routes see it. folder: an empty one."""
    (folder / "root.key").write_text(urlsafe_b64encode(ROOT_KEY).decode())
    (folder / "root.key").chmod(0o400)
    environ = {
        "VAULT_DATABASE_URL": database_url,
        "VAULT_ROOT_KEY_FILE": str(folder / "root.key"),
        "VAULT_CLIENT_SECRET": "s",
        "PUBLIC_URL": "http://localhost:3000",
        "ISSUER": ALICE.issuer,
        "VAULT_OWNER_CLIENTS": "dev-cli",
    }
    settings = config.read(environ)
    verifier = cast(Verifier, Known(settings.mint_role))
    with closing(bootstrap.build(settings)) as process:
        yield replace(process.vault, verifier=verifier, issue=vault.issuing)


def head(grant_id: object, bearer: str = "service", more: str = f"&subject={ALICE.sub}") -> Head:
    """A request for a token."""
    return Head(f"id={grant_id}{more}".encode(), f"Bearer {bearer}", "request-9")


def fast(http: Vault, request: Head) -> FastAnswer | None:
    """The answer of the fast path."""
    return asyncio.run(_answered(http, request))


async def _answered(http: Vault, request: Head) -> FastAnswer | None:
    return await CachedTokens(http).answer(request)


def by_the_route(http: Vault, request: Head) -> tuple[int, dict[str, str], dict[str, Any]]:
    """The answer of the route: status, headers, body."""
    headers = {"Authorization": request.authorization, "X-Request-ID": request.request_id}
    answer = create_app(http).test_client().get(f"{CachedTokens.path}?{request.query.decode()}", headers=headers)
    return answer.status_code, dict(answer.headers), answer.get_json()
