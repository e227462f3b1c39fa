"""The secrets of a compose stack: made once, never half, never open."""

import base64
import json
import shutil
import stat

import make_secrets
import pytest
from make_secrets import EX_CONFIG, MADE, NAMES, OWN

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


def test_what_a_newer_release_introduces_is_made_and_missed_from_then_on(folder, monkeypatch, capsys):
    make(folder)
    before = contents(folder)
    monkeypatch.setattr(make_secrets, "NAMES", (*NAMES, "newer"))
    assert make(folder) == 0
    after = contents(folder)
    assert set(after) - set(before) == {f"{OWN}/newer"}
    assert {name for name in before if after[name] != before[name]} == {MADE}
    (folder / OWN / "newer").unlink()
    capsys.readouterr()
    assert make(folder) == EX_CONFIG
    assert capsys.readouterr().err == "secrets: own/newer missing: restore it from a backup\n"


def test_what_is_made_for_a_newer_release_and_not_listed_yet_stays(folder, monkeypatch):
    """A crash between the two: the value may have been used already."""
    make(folder)
    listed = (folder / MADE).read_text()
    monkeypatch.setattr(make_secrets, "NAMES", (*NAMES, "newer"))
    make(folder)
    first = contents(folder)
    (folder / MADE).unlink()
    (folder / MADE).write_text(listed)
    assert make(folder) == 0
    assert contents(folder) == first


@pytest.mark.parametrize("written", range(len(NAMES) + 1))
def test_a_first_start_that_was_cut_short_is_begun_anew(folder, monkeypatch, written):
    """Whatever the crash came after, the last one before the list."""
    write, calls = make_secrets.write, []

    def crash(path, text):
        if len(calls) == written:
            raise KeyboardInterrupt
        calls.append(path)
        write(path, text)

    with monkeypatch.context() as patched:
        patched.setattr(make_secrets, "write", crash)
        with pytest.raises(KeyboardInterrupt):
            make(folder)
    assert make(folder) == 0
    assert {path.name for path in (folder / OWN).iterdir()} == set(NAMES)
    assert (folder / MADE).read_text().split() == sorted(NAMES)
    assert not (folder / make_secrets.DRAFT).exists()


def test_all_of_them_lost_are_not_made_anew(folder, capsys):
    make(folder)
    shutil.rmtree(folder / OWN)
    assert make(folder) == EX_CONFIG
    assert "own/root_key" in capsys.readouterr().err
    assert not (folder / OWN).exists()


def test_a_volume_of_a_release_that_kept_no_list_is_one_that_has_had_all_of_its_names(folder, monkeypatch, capsys):
    make(folder)
    before = contents(folder)
    (folder / MADE).unlink()
    (folder / OWN / "redis").rename(folder / "aside")
    assert make(folder) == EX_CONFIG
    assert "own/redis missing" in capsys.readouterr().err
    (folder / "aside").rename(folder / OWN / "redis")
    monkeypatch.setattr(make_secrets, "NAMES", (*NAMES, "newer"))
    assert make(folder) == 0
    after = contents(folder)
    assert after[MADE].split() == sorted((*NAMES, "newer"))
    assert {name: after[name] for name in before if name != MADE} == {
        name: text for name, text in before.items() if name != MADE
    }


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
