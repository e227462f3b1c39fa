"""The vault refuses to start with what it cannot work with: one clear line and an exit status, no trace."""

import os
import subprocess
import sys
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest
from replica import ROOT_KEY

from vault_service.adapters.database import Database
from vault_service.adapters.sealing import Keyring


def start(**changes: str | None) -> "subprocess.CompletedProcess[str]":
    """Import the entry point as gunicorn does."""
    environ = {
        "PATH": os.environ["PATH"],
        "VAULT_DATABASE_URL": "postgresql://vault@127.0.0.1:9/vault",
        "PUBLIC_URL": "http://localhost:3000",
        "ISSUER": "http://localhost:8080/realms/demo",
        "VAULT_CLIENT_SECRET": "s",
        **{name: value for name, value in changes.items() if value is not None},
    }
    command = [sys.executable, "-c", "import vault_service.wsgi"]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=60)


def key_file(folder: Path, content: str, mode: int = 0o400) -> str:
    """A root key's file."""
    path = folder / "root.key"
    path.write_text(content)
    path.chmod(mode)
    return str(path)


@pytest.mark.parametrize(
    ("content", "mode", "reason"),
    [
        (urlsafe_b64encode(ROOT_KEY).decode(), 0o644, "readable by everybody"),
        ("c2hvcnQ=", 0o400, "32 bytes"),
        ("ä not base64", 0o400, "base64url"),
    ],
)
def test_an_unusable_root_key(tmp_path: Path, content: str, mode: int, reason: str) -> None:
    """Exit 78; the key itself is not shown."""
    done = start(VAULT_ROOT_KEY_FILE=key_file(tmp_path, content, mode))
    assert done.returncode == 78
    assert len(done.stderr.splitlines()) == 1
    assert "VAULT_ROOT_KEY_FILE" in done.stderr
    assert reason in done.stderr
    assert content not in done.stderr


def test_missing_settings_are_named_all_at_once() -> None:
    """So that one look is enough."""
    done = start(ISSUER="nonsense")
    assert done.returncode == 78
    assert done.stderr.startswith("vault-service cannot start: ")
    assert "VAULT_ROOT_KEY_FILE" in done.stderr
    assert "ISSUER" in done.stderr


def test_the_wrong_root_key_for_this_database(tmp_path: Path, database_url: str) -> None:
    """Noticed before the first request."""
    database = Database(database_url, name="test", size=1)
    Keyring(database, ROOT_KEY).load()
    database.close()
    wrong = key_file(tmp_path, urlsafe_b64encode(bytes(32)).decode())
    done = start(VAULT_ROOT_KEY_FILE=wrong, VAULT_DATABASE_URL=database_url)
    assert done.returncode == 78
    assert "the root key does not open" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_browser_client_cannot_be_an_owner_client(tmp_path: Path) -> None:
    """The page's tokens must never mint."""
    key = key_file(tmp_path, urlsafe_b64encode(ROOT_KEY).decode())
    done = start(VAULT_ROOT_KEY_FILE=key, VAULT_OWNER_CLIENTS="task-ui dev-cli")
    assert done.returncode == 78
    assert "task-ui runs in a browser" in done.stderr
