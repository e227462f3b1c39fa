"""Keycloak's administration (its Admin REST API), as far as tests need it."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import requests
from stack import TIMEOUT, Stack

ROTATION: dict[str, dict[str, object]] = {
    "off": {"revokeRefreshToken": False, "refreshTokenMaxReuse": 0},
    "reuse 0": {"revokeRefreshToken": True, "refreshTokenMaxReuse": 0},
    "reuse 1": {"revokeRefreshToken": True, "refreshTokenMaxReuse": 1},
}
"""What a realm does with a refresh token that was used, and the settings that say so."""


@dataclass
class KeycloakAdmin:
    """The administrator of the stack's Keycloak."""

    stack: Stack

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """One request below the realm; the answer's JSON, or None."""
        server, _, realm = self.stack["ISSUER"].partition("/realms/")
        answer = requests.request(
            method,
            f"{server}/admin/realms/{realm}{path}",
            json=body,
            headers={"Authorization": f"Bearer {self._token(server)}"},
            timeout=TIMEOUT,
        )
        answer.raise_for_status()
        return answer.json() if answer.content else None

    @contextmanager
    def realm(self, **settings: object) -> Iterator[None]:
        """The realm with other settings, for a while."""
        before = {name: value for name, value in self.call("GET", "").items() if name in settings}
        self.call("PUT", "", settings)
        try:
            yield
        finally:
            self.call("PUT", "", before)

    def user(self, name: str) -> dict[str, Any]:
        """A person's account."""
        (user,) = self.call("GET", f"/users?username={name}&exact=true")
        return dict(user)

    def client(self, client_id: str) -> dict[str, Any]:
        """A client."""
        (client,) = self.call("GET", f"/clients?clientId={client_id}")
        return dict(client)

    def _token(self, server: str) -> str:
        form = {
            "grant_type": "password",
            "client_id": "admin-cli",
            "username": self.stack["KEYCLOAK_ADMIN_USER"],
            "password": self.stack["KEYCLOAK_ADMIN_PASSWORD"],
        }
        answer = requests.post(f"{server}/realms/master/protocol/openid-connect/token", data=form, timeout=TIMEOUT)
        answer.raise_for_status()
        return str(answer.json()["access_token"])


def rotation(stack: Stack, mode: str) -> AbstractContextManager[None]:
    """That rule of `ROTATION` for a while, at a Keycloak; the development server has `reuse 1` anyhow."""
    return KeycloakAdmin(stack).realm(**ROTATION[mode]) if stack["IDP"] == "keycloak" else nullcontext()
