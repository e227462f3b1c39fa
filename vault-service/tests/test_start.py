"""The vault refuses to start when it cannot work: one clear line and an exit status, no traceback."""

import json
import os
import subprocess
import sys
import threading
from base64 import urlsafe_b64encode
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psycopg
import pytest
from replica import ROOT_KEY, SERVICE, Replica

from service_kit.postgres.migrations import SchemaMismatchError, due
from vault_service import bootstrap, config
from vault_service.adapters.encryption.keyring import Keyring
from vault_service.adapters.encryption.root_key import LocalRootKey, WrongRootKeyError
from vault_service.adapters.postgres.database import MIGRATIONS, vault_database
from vault_service.application.token_request import TokenRequest
from vault_service.http.app import create_app

pytestmark = pytest.mark.process


def start(**changes: str | None) -> "subprocess.CompletedProcess[str]":
    """Start gunicorn, which must exit."""
    environ = {
        "PATH": os.environ["PATH"],
        "BIND": "127.0.0.1:9",
        "VAULT_DATABASE_URL": "postgresql://vault@127.0.0.1:9/vault",
        "PUBLIC_URL": "http://localhost:3000",
        "ISSUER": "http://localhost:8080/realms/demo",
        "VAULT_CLIENT_SECRET": "s",
        **{name: value for name, value in changes.items() if value is not None},
    }
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        "-c",
        "python:service_kit.server.gunicorn_config",
        "vault_service.wsgi:app",
    ]
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
    """All missing settings are in one message."""
    done = start(ISSUER="nonsense")
    assert done.returncode == 78
    assert done.stderr.startswith("vault-service cannot start: ")
    assert "VAULT_ROOT_KEY_FILE" in done.stderr
    assert "ISSUER" in done.stderr


def test_the_wrong_root_key_for_this_database(tmp_path: Path, database_url: str) -> None:
    """The wrong key is detected before the first request."""
    database = vault_database(database_url, name="test", size=1)
    Keyring(database, LocalRootKey(ROOT_KEY)).load()
    database.close()
    wrong = key_file(tmp_path, urlsafe_b64encode(bytes(32)).decode())
    done = start(VAULT_ROOT_KEY_FILE=wrong, VAULT_DATABASE_URL=database_url)
    assert done.returncode == 78
    assert "the root key does not open" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_wrong_root_key_that_is_detected_later(tmp_path: Path, vault: Replica, database_url: str) -> None:
    """The database was unreachable at the start: the vault is not ready, and issues no token without its keys."""
    need = TokenRequest(
        grant_id=vault.grant(), requester=SERVICE, scopes=frozenset(), min_valid=0.0, request_id="request-1"
    )
    environ = {
        "VAULT_DATABASE_URL": database_url,
        "VAULT_ROOT_KEY_FILE": key_file(tmp_path, urlsafe_b64encode(bytes(32)).decode()),
        "VAULT_CLIENT_SECRET": "s",
        "PUBLIC_URL": "http://localhost:3000",
        "ISSUER": "http://127.0.0.1:9/realms/demo",
    }
    with closing(bootstrap.build(config.read(environ))) as process:
        answer = create_app(process.vault).test_client().get("/readyz")
        assert answer.status_code == 503
        checks = answer.get_json()["checks"]
        assert (checks["database"], checks["schema"], checks["keys"]) == ("ok", "ok", "unavailable")
        with pytest.raises(WrongRootKeyError):
            process.vault.issue.issue(need)


def test_a_browser_client_cannot_be_an_owner_client(tmp_path: Path) -> None:
    """A token of the page must never get an access token."""
    key = key_file(tmp_path, urlsafe_b64encode(ROOT_KEY).decode())
    done = start(VAULT_ROOT_KEY_FILE=key, VAULT_OWNER_CLIENTS="task-ui dev-cli")
    assert done.returncode == 78
    assert "task-ui runs in a browser" in done.stderr


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("insert into schema_migrations (name) values ('9999_later.post.sql')", "is of a newer version"),
        (
            "delete from schema_migrations where name like '0001%'",
            "lacks 0001_vault.pre.sql: run `vault-service migrate`",
        ),
        ("drop table schema_migrations", "lacks 0001_vault.pre.sql"),
    ],
)
def test_a_schema_of_another_version(tmp_path: Path, owner_url: str, change: str, reason: str) -> None:
    """The vault refuses a schema that is too new (`post`) or too old."""
    with psycopg.connect(owner_url, autocommit=True) as owner:
        owner.execute(change.encode())
    key = key_file(tmp_path, urlsafe_b64encode(ROOT_KEY).decode())
    done = start(VAULT_ROOT_KEY_FILE=key, VAULT_DATABASE_URL=owner_url.replace("vault_owner", "vault"))
    assert (done.returncode, len(done.stderr.splitlines())) == (78, 1)
    assert reason in done.stderr


def test_pre_migrations_of_a_newer_version_are_no_obstacle(database_url: str, owner_url: str) -> None:
    """The old version runs on during a roll-out, and starts again when the roll-out is undone."""
    with psycopg.connect(owner_url, autocommit=True) as owner:
        owner.execute("insert into schema_migrations (name) values ('9999_later.pre.sql')")
    database = vault_database(database_url, name="test", size=1)
    MIGRATIONS.check(database)
    database.close()
    assert MIGRATIONS.apply(owner_url) == []
    assert MIGRATIONS.apply(owner_url, pre_only=True) == []
    with psycopg.connect(owner_url, autocommit=True) as owner:
        owner.execute("insert into schema_migrations (name) values ('9999_later.post.sql')")
    with pytest.raises(SchemaMismatchError, match=r"9999_later\.post"):
        MIGRATIONS.apply(owner_url)


def test_post_migrations_can_wait() -> None:
    """Before the roll-out and after it, each in the order of its numbers."""
    known = {"0001_a.pre.sql", "0002_b.post.sql", "0003_c.pre.sql", "0004_d.post.sql"}
    assert due({"0001_a.pre.sql"}, known, pre_only=True) == ["0003_c.pre.sql"]
    assert due({"0001_a.pre.sql"}, known, pre_only=False) == [
        "0002_b.post.sql",
        "0003_c.pre.sql",
        "0004_d.post.sql",
    ]


class _OtherIssuer(BaseHTTPRequestHandler):
    """An authorization server that names another issuer."""

    def do_GET(self) -> None:
        """Discovery."""
        names = ("authorization_endpoint", "token_endpoint", "jwks_uri")
        document = {"issuer": "https://other.example", **dict.fromkeys(names, "https://other.example/x")}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(document).encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Log nothing."""


def test_a_server_with_another_issuer_stops_the_start(tmp_path: Path, database_url: str) -> None:
    """Another issuer is refused (RFC 8414 section 3.3)."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _OtherIssuer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        done = start(
            ISSUER=f"http://127.0.0.1:{server.server_port}/realms/demo",
            VAULT_ROOT_KEY_FILE=key_file(tmp_path, urlsafe_b64encode(ROOT_KEY).decode()),
            VAULT_DATABASE_URL=database_url,
        )
        server.shutdown()
    assert done.returncode == 78
    assert "the server says https://other.example" in done.stderr
    assert "Traceback" not in done.stderr
