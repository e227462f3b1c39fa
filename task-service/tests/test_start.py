"""Starting: the command line, the checks before the service serves, and the wiring of the whole."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from uuid import uuid4

import psycopg
import pytest
from http_parts import Asked, Reply, serving
from stub_issuer import SigningKey, StubIssuer

from service_kit.postgres.clock import DatabaseClock
from service_kit.postgres.migrations import SchemaMismatchError
from service_kit.process.settings import SettingsError
from service_kit.tokens.issuer import IssuerMismatchError
from task_service import bootstrap, cli, config
from task_service.adapters.postgres.database import MIGRATIONS
from task_service.config import TaskSettings
from task_service.http.app import create_app

NOBODY = "postgresql://tasks@127.0.0.1:9/tasks"


@pytest.fixture
def issuer() -> Iterator[str]:
    """An authorization server that describes itself at `/realms/demo`."""

    def answer(asked: Asked) -> Reply:
        base = f"http://{asked.headers['Host']}/realms/demo"
        names = ("authorization_endpoint", "token_endpoint", "jwks_uri")
        return Reply(content={"issuer": base, **{name: f"{base}/{name}" for name in names}})

    with serving(answer) as server:
        yield f"{server.url}/realms/demo"


@pytest.fixture
def empty_database(postgres_url: str) -> str:
    """A database without a schema, as its owner."""
    name = f"empty_{uuid4().hex}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"create database {name} owner tasks_owner".encode())
    return f"postgresql://tasks_owner:test@{postgres_url.rpartition('@')[2].partition('/')[0]}/{name}"


def settings(url: str, issuer: str) -> TaskSettings:
    """Settings for a test."""
    given = {"TASK_DATABASE_URL": url, "ISSUER": issuer, "VAULT_URL": issuer, "TASK_SERVICE_CLIENT_SECRET": "s3cret"}
    return config.read(given)


def test_all_faulty_settings_are_named_at_once_and_secrets_are_not_shown() -> None:
    """So that one look is enough."""
    with pytest.raises(SettingsError) as refused:
        config.read({"ISSUER": "nonsense", "TASK_SERVICE_CLIENT_SECRET": "s3cret", "TASK_CONCURRENCY": "0"})
    for name in ("TASK_DATABASE_URL", "ISSUER", "VAULT_URL", "TASK_CONCURRENCY"):
        assert f"{name}: " in str(refused.value)
    assert "s3cret" not in str(refused.value) + repr(settings(NOBODY, "http://127.0.0.1:9/realms/demo"))


def test_migrate_goes_in_two_steps_and_says_what_it_has_done(
    empty_database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--pre-only` before the roll-out, all after it; then there is nothing to do."""
    monkeypatch.setenv("TASK_MIGRATION_DATABASE_URL", empty_database)
    said = []
    for options in (["--pre-only"], [], []):
        assert cli.main(["migrate", *options]) == 0
        said.append(capsys.readouterr().out.strip())
    pre, post = said[0].removeprefix("applied: ").split(", "), said[1].removeprefix("applied: ").split(", ")
    assert {name.split(".")[1] for name in pre} == {"pre"}
    assert {name.split(".")[1] for name in post} == {"post"}
    assert set(pre) | set(post) == MIGRATIONS.available()
    assert said[2] == "the schema is up to date"


def test_migrate_refuses_with_one_line(
    empty_database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """75 when the database does not answer, 78 when settings or schema are unusable."""
    monkeypatch.delenv("TASK_MIGRATION_DATABASE_URL", raising=False)
    assert cli.main(["migrate"]) == 78
    assert capsys.readouterr().err == "task-service: TASK_MIGRATION_DATABASE_URL: is not set\n"
    monkeypatch.setenv("TASK_MIGRATION_DATABASE_URL", NOBODY)
    assert cli.main(["migrate"]) == 75
    assert capsys.readouterr().err.startswith("task-service: the database refuses: ")
    monkeypatch.setenv("TASK_MIGRATION_DATABASE_URL", empty_database)
    assert cli.main(["migrate"]) == 0
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute("insert into schema_migrations (name) values ('9999_newer.post.sql')")
    capsys.readouterr()
    assert cli.main(["migrate"]) == 78
    assert "the database is of a newer version: it has 9999_newer.post.sql" in capsys.readouterr().err


def test_a_command_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    """And an unknown one is refused."""
    for arguments in ([], ["dance"]):
        with pytest.raises(SystemExit) as refused:
            cli.main(arguments)
        assert refused.value.code == 2


def test_the_check_before_the_start(tasks_url: str, empty_database: str, issuer: str) -> None:
    """A schema that lacks something and an issuer of another name are refused; what does not answer is not."""
    bootstrap.check(settings(tasks_url, issuer))
    bootstrap.check(settings(NOBODY, "http://127.0.0.1:9/realms/demo"))
    with pytest.raises(SchemaMismatchError, match=r"lacks 0001_.*run `task-service migrate`"):
        bootstrap.check(settings(empty_database, issuer))
    with pytest.raises(IssuerMismatchError):
        bootstrap.check(settings(tasks_url, f"{issuer}/other"))


def test_the_wired_service_is_ready_when_all_it_needs_answers(tasks_url: str, issuer: str) -> None:
    """And says by name what does not."""
    with closing(bootstrap.build_service(settings(tasks_url, issuer))) as service:
        ready = create_app(service).test_client().get("/readyz")
    assert (ready.status_code, ready.get_json()["status"]) == (200, "degraded")
    assert ready.get_json()["checks"] == {"database": "ok", "schema": "ok", "issuer": "ok", "worker": "unavailable"}
    with closing(bootstrap.build_service(settings(NOBODY, issuer))) as service:
        unready = create_app(service).test_client().get("/readyz")
    assert unready.status_code == 503
    assert unready.get_json()["checks"] == {
        "database": "unavailable",
        "schema": "unavailable",
        "issuer": "ok",
        "worker": "unavailable",
    }


def test_tokens_are_judged_by_the_databases_clock(tasks_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the vault: one that was made two hours from now by this machine's clock is good."""

    class Ahead(DatabaseClock):
        def seconds(self) -> float:
            return super().seconds() + 7200.0

    monkeypatch.setattr(bootstrap, "DatabaseClock", Ahead)
    with closing(StubIssuer(SigningKey("key-1"))) as issuer:
        late = time.time() + 7200
        token = issuer.token(payload=issuer.claims(aud="task-service", iat=late, exp=late + 300))
        with closing(bootstrap.build_service(settings(tasks_url, issuer.url))) as service:
            assert service.verifier.verify(token).subject == "alice-id"


def test_building_connects_to_nothing(issuer: str) -> None:
    """Pools and clients open when they are first used."""
    bootstrap.build_service(settings(NOBODY, "http://127.0.0.1:9/realms/demo"))
    bootstrap.build_work(settings(NOBODY, "http://127.0.0.1:9/realms/demo")).close()


@pytest.mark.process
@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("import task_service.wsgi", "TASK_DATABASE_URL: is not set"),
        ("from task_service import preflight; preflight.check()", "TASK_DATABASE_URL: is not set"),
    ],
)
def test_unusable_settings_end_the_process_with_one_line(program: str, words: str) -> None:
    """Status 78: restarting will not help."""
    done = run(program, {})
    assert done.returncode == 78
    assert len(done.stderr.splitlines()) == 1
    assert words in done.stderr


@pytest.mark.process
def test_gunicorns_entry_point_is_the_wired_application(tasks_url: str, issuer: str) -> None:
    """The entry point logs its settings without secrets."""
    environ = {
        "TASK_DATABASE_URL": tasks_url,
        "ISSUER": issuer,
        "VAULT_URL": issuer,
        "TASK_SERVICE_CLIENT_SECRET": "s3cret",
    }
    program = (
        "from task_service import preflight; preflight.check()\n"
        "from task_service.wsgi import app\n"
        "print(app.test_client().get('/readyz').status_code)"
    )
    done = run(program, environ)
    assert (done.returncode, done.stdout) == (0, "200\n"), done.stderr
    assert '"event":"tasks.started"' in done.stderr
    assert "s3cret" not in done.stderr


def run(program: str, environ: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    """A small program with only these settings."""
    return subprocess.run(
        [sys.executable, "-c", program],
        env={"PATH": os.environ["PATH"], **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
