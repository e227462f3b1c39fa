"""`vault-service doctor` names what is wrong, with advice."""

import io
import os
from base64 import urlsafe_b64encode
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import psycopg
import pytest
from replica import ROOT_KEY, Replica

from vault_service import cli


@dataclass(frozen=True)
class Done:
    """How the command has ended, and what it has written."""

    returncode: int
    stdout: str
    stderr: str


def doctor(database_url: str, folder: Path, **changes: str) -> Done:
    """Runs it in this process against a database, without Redis and authorization server."""
    key = folder / "root.key"
    if not key.exists():
        key.write_text(urlsafe_b64encode(ROOT_KEY).decode())
        key.chmod(0o400)
    environ = {
        "PATH": os.environ["PATH"],
        "VAULT_DATABASE_URL": database_url,
        "VAULT_ROOT_KEY_FILE": str(key),
        "VAULT_SPOOL_DIR": str(folder / "spool"),
        "PUBLIC_URL": "http://localhost:3000",
        "ISSUER": "http://127.0.0.1:9/realms/demo",
        "VAULT_CLIENT_SECRET": "s",
        **changes,
    }
    out, err = io.StringIO(), io.StringIO()
    with patch.dict(os.environ, environ, clear=True), redirect_stdout(out), redirect_stderr(err):
        status = cli.main(["doctor"])
    return Done(status, out.getvalue(), err.getvalue())


def state(done: Done, subject: str) -> str:
    """The state of a check: ok, warn or fail."""
    (line,) = [line for line in done.stdout.splitlines() if line[7:].startswith(f"{subject}:")]
    return line.split()[0]


def test_an_unreachable_provider_fails_and_the_rest_is_ok(vault: Replica, database_url: str, tmp_path: Path) -> None:
    """Exit 1, one line for each check, advice below those that fail."""
    vault.grant()
    done = doctor(database_url, tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    assert state(done, "provider default") == "fail"
    assert "→ check its issuer" in done.stdout
    assert state(done, "durability") == "fail"  # the tests' server runs without fsync
    for subject in ("settings", "schema", "root key", "audit", "clock", "outbox", "audit chain", "spool", "redis"):
        assert state(done, subject) == "ok", done.stdout


@pytest.mark.parametrize(
    ("change", "subject", "expected"),
    [
        ("grant update on audit to vault", "audit", "fail"),
        ("drop table schema_migrations", "schema", "fail"),
        (
            """insert into revocations (id, grant_id, issuer, subject, provider, created_at)
               values (gen_random_uuid(), gen_random_uuid(), 'i', 's', 'p', now() - interval '2 hours')""",
            "outbox",
            "warn",
        ),
        ("update audit set at = at - interval '5 minutes'", "audit chain", "warn"),
    ],
)
def test_failures_in_the_database_are_named(
    vault: Replica, database_url: str, owner_url: str, tmp_path: Path, change: str, subject: str, expected: str
) -> None:
    """Each failure is named."""
    vault.grant()
    with psycopg.connect(owner_url, autocommit=True) as owner:
        owner.execute(change.encode())
    done = doctor(database_url, tmp_path)
    assert state(done, subject) == expected, done.stdout


def test_the_wrong_root_key(vault: Replica, database_url: str, tmp_path: Path) -> None:
    """The key itself is not shown."""
    vault.grant()
    (tmp_path / "root.key").write_text(urlsafe_b64encode(bytes(32)).decode())
    (tmp_path / "root.key").chmod(0o400)
    done = doctor(database_url, tmp_path)
    assert state(done, "root key") == "fail"
    assert urlsafe_b64encode(bytes(32)).decode() not in done.stdout


def test_without_a_database_the_rest_is_still_checked(tmp_path: Path) -> None:
    """All failures are shown at once."""
    done = doctor("postgresql://vault@127.0.0.1:9/vault", tmp_path, REDIS_URL="redis://127.0.0.1:9/0")
    assert (state(done, "database"), state(done, "redis"), state(done, "spool")) == ("fail", "warn", "ok")


def test_outcomes_in_the_spool_are_counted(tmp_path: Path) -> None:
    """The spool has the only copy of a rotated token."""
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "1.2").write_text("{}")
    done = doctor("postgresql://vault@127.0.0.1:9/vault", tmp_path)
    assert state(done, "spool") == "warn"
