"""`vault-service keys`: what an operator types and what it prints."""

from base64 import urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path

import pytest
from replica import ALICE, ROOT_KEY, Replica

from vault_service import cli

NEW_ROOT_KEY = bytes(range(32, 64))
Rows = Callable[..., list[tuple[object, ...]]]
Keys = Callable[..., tuple[int, str, str]]


@pytest.fixture
def keys(
    tmp_path: Path,
    database_url: str,
    owner_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Keys:
    """Runs it; exit status, stdout, stderr. root_key: the configured one."""

    def run(*arguments: str, root_key: bytes = ROOT_KEY) -> tuple[int, str, str]:
        monkeypatch.setenv("VAULT_DATABASE_URL", database_url)
        monkeypatch.setenv("VAULT_MIGRATION_DATABASE_URL", owner_url)
        monkeypatch.setenv("VAULT_ROOT_KEY_FILE", key_file(tmp_path / f"{root_key.hex()}.key", root_key))
        monkeypatch.setenv("VAULT_SPOOL_DIR", str(tmp_path / "spool"))
        monkeypatch.setenv("VAULT_CLIENT_SECRET", "unused")
        monkeypatch.setenv("PUBLIC_URL", "http://localhost:3000")
        monkeypatch.setenv("ISSUER", ALICE.issuer)
        status = cli.main(["keys", *arguments])
        return status, *capsys.readouterr()

    return run


def key_file(path: Path, key: bytes) -> str:
    """A root key's file."""
    if not path.exists():
        path.write_text(urlsafe_b64encode(key).decode())
        path.chmod(0o400)
    return str(path)


def test_from_the_first_version_to_the_second(vault: Replica, keys: Keys, rows: Rows) -> None:
    """Each step prints what it did; a step that comes too early is refused with its reason and exit status."""
    grant_id = vault.grant()
    assert keys("rotate")[:2] == (0, "data key 3 is active; running processes take it up within a minute\n")
    status, _, error = keys("retire", "1")
    assert (status, error) == (69, "vault-service: key 1 still seals 1 values: rewrap first\n")
    assert keys("rewrap")[:2] == (0, "grants: 1 sealed again, 0 changed meanwhile, 0 cannot be opened\n")
    assert keys("rewrap")[:2] == (0, "everything is sealed by the active key\n")
    rows("update sealing_keys set inactive_since = inactive_since - interval '1 hour' where id = 1 returning 1")
    assert keys("retire", "1")[:2] == (0, "key 1 is destroyed\n")
    states = [line.split()[:3] for line in keys("list")[1].splitlines()]
    assert states == [["1", "data", "retired"], ["2", "audit", "active"], ["3", "data", "active"]]
    assert vault.issue(grant_id).value


def test_unreadable_values_are_counted_and_fail(vault: Replica, keys: Keys, rows: Rows) -> None:
    """The other values are sealed again all the same."""
    broken, _ = vault.grant(), vault.grant()
    rows("update grants set generation = 7 where id = %s returning 1", broken)
    keys("rotate")
    assert keys("rewrap")[:2] == (1, "grants: 1 sealed again, 0 changed meanwhile, 1 cannot be opened\n")


def test_nothing_is_retired_while_outcomes_wait_on_the_spool(vault: Replica, keys: Keys, tmp_path: Path) -> None:
    """Outcomes on the spool may be sealed by the version to retire."""
    vault.grant()
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "grant.1").write_text("{}")
    status, _, error = keys("retire", "1")
    assert status == 69
    assert "1 outcomes wait" in error


def test_a_new_root_key(vault: Replica, keys: Keys, tmp_path: Path) -> None:
    """With the old one a command prints one line and exits with status 78."""
    vault.grant()
    new = key_file(tmp_path / "new.key", NEW_ROOT_KEY)
    status, said, _ = keys("rewrap-root", "--new-root-key-file", new)
    assert (status, said.partition(":")[0]) == (0, "2 keys are wrapped by the new root key")
    status, _, error = keys("list")
    assert (status, len(error.splitlines())) == (78, 1)
    assert keys("list", root_key=NEW_ROOT_KEY)[0] == 0


def test_a_new_root_key_that_everybody_can_read(vault: Replica, keys: Keys, tmp_path: Path) -> None:
    """The key is refused, and nothing changes."""
    vault.grant()
    new = key_file(tmp_path / "new.key", NEW_ROOT_KEY)
    Path(new).chmod(0o444)
    status, _, error = keys("rewrap-root", "--new-root-key-file", new)
    assert status == 69
    assert "chmod 400" in error
    assert keys("list")[0] == 0
