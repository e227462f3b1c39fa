"""The file that describes services, and what is wrong with one."""

from pathlib import Path

import pytest

from vault_service import services_file
from vault_service.domain.webhook import Webhook

EXAMPLE = Path(__file__).resolve().parents[2] / "deploy" / "services.example.toml"
MINIMAL = '[services.hub]\nname = "Hub"\nreturn_to = ["https://hub.example/"]\n'


SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
HOOK = f"{MINIMAL}webhook = 'https://hub.example/hook'\nwebhook_secret_file = 'secret'\n"


def secret(folder: Path, name: str = "secret", value: str = SECRET) -> None:
    """A file that only its owner reads."""
    (folder / name).write_text(value + "\n")
    (folder / name).chmod(0o400)


def test_the_example_file_can_be_read(tmp_path: Path) -> None:
    """The file that operators copy is valid."""
    secret(tmp_path, "jupyterhub_webhook_secret")
    path = tmp_path / "services.toml"
    path.write_text(EXAMPLE.read_text())
    hub = services_file.read(path)["jupyterhub"]
    assert hub.webhook == Webhook(url="https://hub.example.org/services/vault/events", secret=bytes(range(32)))
    assert hub.name == "JupyterHub"
    assert hub.return_to == ("https://hub.example.org/hub/", "https://hub.example.org/services/vault/done")


def test_no_file_means_no_services() -> None:
    """Then no service can ask."""
    assert services_file.optional_services("").by_client == {}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (('"Hub"', '""'), "service hub: Expected `str` of length >= 1"),
        (('"Hub"', '"H\\u0007b"'), "service hub: Expected `str` matching regex"),
        (("name", "nam"), "service hub: Object contains unknown field `nam`"),
        (('"https://hub.example/"', '"hub.example"'), "service hub: return_to: is not an absolute http(s) URL"),
        (('"https://hub.example/"', '"https://a@hub.example/"'), "service hub: return_to: has user information"),
        (('"https://hub.example/"', '"https://hub.example/?a=1"'), "service hub: return_to: has a query"),
        (("[services.hub]", "[service.hub]"), "Object contains unknown field `service`"),
        (("[services.hub]", "[services.hub"), "is not TOML"),
    ],
    ids=str,
)
def test_a_faulty_file_is_told_in_one_line(tmp_path: Path, change: tuple[str, str], told: str) -> None:
    """The line names file, service and field."""
    path = tmp_path / "services.toml"
    path.write_text(MINIMAL)
    assert list(services_file.read(path)) == ["hub"]
    path.write_text(MINIMAL.replace(*change))
    with pytest.raises(ValueError, match=r"services\.toml: ") as refused:
        services_file.read(path)
    assert told in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("'https://hub.example/hook'", "'hub.example'"), "webhook: is not an absolute http(s) URL"),
        (("https:", "http:"), "webhook: is not https"),
        (("'https://hub", "'https://a:b@hub"), "webhook: has user information"),
        (("webhook_secret_file", "#"), "webhook_secret_file: is not set"),
        (("webhook =", "#"), "webhook: is not set"),
        (("'secret'", "'nowhere'"), "webhook_secret_file: cannot read"),
        (("'secret'", "'short'"), "webhook_secret_file: is not of 24 to 64 bytes"),
        (("'secret'", "'open'"), "webhook_secret_file: "),
    ],
    ids=str,
)
def test_a_faulty_webhook_is_told_by_its_field(tmp_path: Path, change: tuple[str, str], told: str) -> None:
    """In one line, without the secret."""
    secret(tmp_path)
    secret(tmp_path, "short", "whsec_c2hvcnQ=")
    secret(tmp_path, "open")
    (tmp_path / "open").chmod(0o444)
    path = tmp_path / "services.toml"
    path.write_text(HOOK)
    assert services_file.read(path)["hub"].webhook is not None
    head, tail = HOOK[: len(MINIMAL)], HOOK[len(MINIMAL) :]
    path.write_text(head + tail.replace(*change))
    with pytest.raises(ValueError, match=r"service hub: ") as refused:
        services_file.read(path)
    assert told in str(refused.value)
    assert SECRET not in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


def test_a_private_webhook_may_use_http(tmp_path: Path) -> None:
    """A configured private webhook may use http."""
    secret(tmp_path)
    path = tmp_path / "services.toml"
    path.write_text(
        HOOK.replace("'https://hub.example/hook'", "'http://127.0.0.1:8000/hook'") + "webhook_private = true\n"
    )
    hook = services_file.read(path)["hub"].webhook
    assert hook is not None
    assert hook.allow_private
