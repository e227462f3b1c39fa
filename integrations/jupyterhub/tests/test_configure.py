"""`configure` adds the service, its roles and the spawner hook to a hub's configuration."""

import asyncio
from types import SimpleNamespace
from typing import Any

from jupyterhub_token_vault.configure import configure, spawner_hook


class Section(SimpleNamespace):
    """A section of traitlets' configuration, as far as it is used."""

    def __contains__(self, name: str) -> bool:
        return hasattr(self, name)


def configured(**spawner: Any) -> SimpleNamespace:
    """A configuration with a service and a role of the operator's own, after `configure`."""
    hub = Section(services=[{"name": "own"}], load_roles=[{"name": "own"}])
    c = SimpleNamespace(JupyterHub=hub, Spawner=Section(**spawner))
    configure(
        c,
        vault_url="https://vault.example",
        issuer="https://login.example",
        client_id="jupyterhub",
        client_secret_file="/etc/secret",
        hub_url="https://hub.example/",
    )
    return c


def environment_after(hook: Any) -> dict[str, str]:
    spawner = SimpleNamespace(environment={"OWN": "1"})
    asyncio.run(hook(spawner))
    return dict(spawner.environment)


def test_the_operators_own_settings_stay() -> None:
    hub = configured().JupyterHub
    assert [service["name"] for service in hub.services] == ["own", "token-vault"]
    assert [role["name"] for role in hub.load_roles] == ["own", "token-vault", "user", "server"]


def test_the_service_gets_the_secrets_file_and_not_the_secret() -> None:
    environ = configured().JupyterHub.services[-1]["environment"]
    assert environ["CLIENT_SECRET_FILE"] == "/etc/secret"
    assert environ.keys() == {"VAULT_URL", "ISSUER", "CLIENT_ID", "CLIENT_SECRET_FILE", "RETURN_TO"}
    assert environ["RETURN_TO"] == "https://hub.example/services/token-vault/done"


def test_kernels_get_one_address_more_and_no_secret() -> None:
    after = environment_after(configured().Spawner.pre_spawn_hook)
    assert after == {"OWN": "1", "TOKEN_VAULT_URL": "https://hub.example/services/token-vault"}


def test_a_hook_of_the_operator_runs_first_be_it_a_coroutine_or_not() -> None:
    seen = []

    async def waits(spawner: Any) -> None:
        seen.append("waits")

    def at_once(spawner: Any) -> None:
        seen.append("at once")

    for before in (waits, at_once):
        configured(pre_spawn_hook=before)
        environment_after(spawner_hook("https://hub.example/services/token-vault", before))
    assert seen == ["waits", "at once"]
