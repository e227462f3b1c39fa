"""The secrets of a compose stack: made once, never half, never open."""

import base64
import json
import stat

import make_secrets
import pytest
from make_secrets import EX_CONFIG, NAMES, OWN

from local_stack.options import ROOT

PUBLIC = {"PUBLIC_URL": "http://localhost:3000"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A volume that is empty, and the templates where the image has them."""
    beside = tmp_path / "opt"
    beside.mkdir()
    for template in (ROOT / "deploy/keycloak/realm-demo.json", ROOT / "deploy/compose/secrets/databases.sql"):
        (beside / template.name).write_text(template.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setattr(make_secrets, "__file__", str(beside / "make_secrets.py"))
    volume = tmp_path / "volume"
    volume.mkdir()
    return volume


def make(folder):
    return make_secrets.main([str(folder)], PUBLIC)


def contents(folder):
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_all_are_made_and_stay_as_they_are(folder):
    assert make(folder) == 0
    first = contents(folder)
    assert make(folder) == 0
    assert contents(folder) == first
    assert {f"{OWN}/{name}" for name in NAMES} < set(first)


def test_no_file_is_open_to_everybody_or_writable(folder):
    make(folder)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*") if path.is_file()}
    assert modes == {0o440}


def test_the_root_key_has_32_bytes(folder):
    make(folder)
    assert len(base64.urlsafe_b64decode(contents(folder)["vault/root_key"])) == 32


def test_secrets_differ(folder):
    make(folder)
    own = [text for name, text in contents(folder).items() if name.startswith(OWN)]
    assert len(set(own)) == len(NAMES)


def test_no_placeholder_is_left(folder):
    make(folder)
    written = contents(folder)
    assert "${" not in "".join(written.values())
    realm = json.loads(written["keycloak-realm/realm.json"])
    secrets = {client["clientId"]: client.get("secret") for client in realm["clients"]}
    assert secrets["token-vault"] == written["vault/client_secret"]
    assert secrets["task-service"] == written["tasks/client_secret"]


def test_no_part_reads_what_another_part_needs(folder):
    """The task side holds neither the root key nor a password of the vault's; the runtime no password of an owner."""
    make(folder)
    written = contents(folder)
    own = {name: written[f"{OWN}/{name}"] for name in NAMES}

    def held(*folders):
        text = "".join(content for name, content in written.items() if name.partition("/")[0] in folders)
        return {name for name, value in own.items() if value in text}

    assert held("tasks") == {"database_tasks", "task_service_client_secret"}
    assert held("vault") == {"root_key", "database_vault", "redis", "vault_client_secret"}
    assert held("vault-migrate") == {"database_vault_owner"}
    assert held("tasks-migrate") == {"database_tasks_owner"}


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda path: path.unlink(), "own/root_key missing: restore it from a backup"),
        (lambda path: path.chmod(0o444), "own/root_key is readable by everybody"),
        (lambda path: path.chmod(0o460), "writable by its group"),
        (lambda path: (path.chmod(0o600), path.write_text(" ")), "own/root_key is empty"),
        (lambda path: (path.chmod(0o600), path.write_text("it's")), "other characters than letters"),
    ],
    ids=["lost", "open", "writable", "empty", "quotes"],
)
def test_what_cannot_be_used_is_refused_in_one_line(folder, capsys, spoil, said):
    make(folder)
    before = contents(folder)
    capsys.readouterr()
    spoil(folder / OWN / "root_key")
    assert make(folder) == EX_CONFIG
    told = capsys.readouterr().err
    assert told.startswith("secrets: ")
    assert said in told
    assert told.count("\n") == 1
    after = contents(folder)
    assert {name: text for name, text in after.items() if not name.startswith(OWN)} == {
        name: text for name, text in before.items() if not name.startswith(OWN)
    }
