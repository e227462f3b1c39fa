"""The token vault in `jupyterhub_config.py`: one call.

from jupyterhub_token_vault.configure import configure

configure(c, vault_url="http://vault:8000", issuer="https://login.example.org/realms/institute",
          client_id="jupyterhub", client_secret_file="/etc/jupyterhub/client_secret",
          hub_url="https://hub.example.org")
"""

import inspect
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any

SERVICE = "token-vault"
USER_SCOPES = ("self",)
SERVER_SCOPES = ("users:activity!user", "access:servers!server")
"""The scopes that JupyterHub gives to its default roles."""
Hook = Callable[[Any], Awaitable[None] | None]


def configure(
    c: Any,
    *,
    vault_url: str,
    issuer: str,
    client_id: str,
    client_secret_file: str,
    hub_url: str,
    port: int = 10101,
    return_to: str | None = None,
) -> None:
    """Add the service, its roles and the spawner hook to a hub's configuration.

    issuer: the authorization server where people sign in to the hub, which is the vault's default one; client_id: the
    hub's client there, with the roles `token:mint` and `consent:request`; hub_url: the hub's address for browsers and
    kernels; port: of the service, on 127.0.0.1; return_to: where browsers go after a consent, which the vault's
    services file lists for this client, `HUB_URL/services/token-vault/done` if not given. Call it after your own
    settings of `load_roles`, `services` and `pre_spawn_hook`: it adds to them. It defines the roles `user` and `server`
    (JupyterHub's own scopes, and access to the service).
    """
    own_url = f"{hub_url.rstrip('/')}/services/{SERVICE}"
    c.JupyterHub.services.append(
        {
            "name": SERVICE,
            "url": f"http://127.0.0.1:{port}",
            "command": [sys.executable, "-m", "jupyterhub_token_vault.service"],
            "display": False,
            "environment": {
                "VAULT_URL": vault_url,
                "ISSUER": issuer,
                "CLIENT_ID": client_id,
                "CLIENT_SECRET_FILE": os.fspath(client_secret_file),
                "RETURN_TO": return_to or f"{own_url}/done",
            },
        }
    )
    c.JupyterHub.load_roles.extend(_roles())
    before = c.Spawner.pre_spawn_hook if "pre_spawn_hook" in c.Spawner else None
    c.Spawner.pre_spawn_hook = spawner_hook(own_url, before)


def _roles() -> list[dict[str, object]]:
    access = f"access:services!service={SERVICE}"
    return [
        {"name": SERVICE, "scopes": ["admin:auth_state", "read:users"], "services": [SERVICE]},
        {"name": "user", "scopes": [*USER_SCOPES, access]},
        {"name": "server", "scopes": [*SERVER_SCOPES, access]},
    ]


def spawner_hook(service_url: str, before: Hook | None = None) -> Hook:
    """A `pre_spawn_hook` that tells kernels the service's address. before: a hook that runs first."""

    async def hook(spawner: Any) -> None:
        if before is not None:
            outcome = before(spawner)
            if inspect.isawaitable(outcome):
                await outcome
        spawner.environment = {**spawner.environment, "TOKEN_VAULT_URL": service_url}

    return hook
