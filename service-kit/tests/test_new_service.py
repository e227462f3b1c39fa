"""docs/new-service.md: the service that the page shows is extracted, started on a real PostgreSQL, and called."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
import requests
from psycopg import sql
from served import listens
from stub_issuer import SigningKey, StubIssuer

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "new-service.md"
PASSWORD = "test"
ROLES = ("notes", "notes_owner")


@dataclass(frozen=True)
class Notes:
    """The running service."""

    url: str
    metrics_url: str
    issuer: StubIssuer

    def call(self, method: str, path: str = "", sub: str = "alice", **kwargs: object) -> requests.Response:
        """A request with a person's access token."""
        now = time.time()
        claims = self.issuer.claims(sub=sub, aud="notes-service", iat=now, exp=now + 300)
        headers = {"Authorization": f"Bearer {self.issuer.token(payload=claims)}"}
        return requests.request(method, f"{self.url}/api/notes{path}", headers=headers, timeout=10, **kwargs)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of the page."""
    folder = tmp_path_factory.mktemp("notes")
    files = re.findall(r"^```\w+ (notes_service/\S+)\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    for name, content in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def database(postgres_url: str) -> Iterator[Callable[[str], str]]:
    """The database `notes`; its URL for a role."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        for role in ROLES:
            connection.execute(
                sql.SQL("create role {} login password {}").format(sql.Identifier(role), sql.Literal(PASSWORD))
            )
        connection.execute("create database notes owner notes_owner")
        host = postgres_url.rpartition("@")[2].partition("/")[0]
        yield lambda role: f"postgresql://{role}:{PASSWORD}@{host}/notes"
        connection.execute("drop database notes with (force)")
        for role in ROLES:
            connection.execute(sql.SQL("drop role {}").format(sql.Identifier(role)))


@pytest.fixture(scope="module")
def issuer() -> Iterator[StubIssuer]:
    """An authorization server."""
    stub = StubIssuer(SigningKey("key-1"))
    yield stub
    stub.close()


def free_port() -> int:
    """A free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def migrate(source: Path, url: str) -> "subprocess.CompletedProcess[str]":
    """The page's first command."""
    return subprocess.run(
        [sys.executable, "-m", "notes_service.cli", "migrate"],
        cwd=source,
        env={**os.environ, "NOTES_MIGRATION_DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture(scope="module")
def notes(source: Path, database: Callable[[str], str], issuer: StubIssuer) -> Iterator[Notes]:
    """The service of the page, started as the page says."""
    migrated = migrate(source, database("notes_owner"))
    assert (migrated.returncode, migrated.stdout) == (0, "applied: 0001_notes.pre.sql\n"), migrated.stderr
    port, metrics_port = free_port(), free_port()
    environ = {
        **os.environ,
        "BIND": f"127.0.0.1:{port}",
        "METRICS_BIND": f"127.0.0.1:{metrics_port}",
        "WEB_WORKERS": "1",
        "NOTES_DATABASE_URL": database("notes"),
        "ISSUER": issuer.url,
    }
    command = [sys.executable, "-m", "gunicorn", "-c", "python:service_kit.server.gunicorn_config"]
    log = source / "log"
    with (
        log.open("wb") as written,
        subprocess.Popen([*command, "notes_service.wsgi:app"], cwd=source, env=environ, stderr=written) as process,
    ):
        try:
            deadline = time.monotonic() + 30
            while not (listens(port) and listens(metrics_port)):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.05)
            yield Notes(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{metrics_port}", issuer)
        finally:
            process.terminate()


def test_it_stores_a_note_and_gives_it_to_its_owner_only(notes: Notes) -> None:
    created = notes.call("POST", json={"text": "buy milk"})
    assert created.status_code == 201
    note = created.json()
    assert notes.call("GET", f"/{note['id']}").json() == {"id": note["id"], "text": "buy milk"}
    others = notes.call("GET", f"/{note['id']}", sub="bob")
    assert (others.status_code, others.json()["code"]) == (404, "note_not_found")


def test_it_refuses_bad_input_and_callers_without_a_token(notes: Notes) -> None:
    unknown = notes.call("POST", json={"text": "buy milk", "color": "red"})
    assert (unknown.status_code, unknown.json()["code"]) == (422, "invalid_input")
    nobody = requests.post(f"{notes.url}/api/notes", json={"text": "buy milk"}, timeout=10)
    assert (nobody.status_code, nobody.json()["code"]) == (401, "unauthorized")


def test_it_says_that_it_is_ready_and_describes_and_measures_itself(notes: Notes) -> None:
    ready = requests.get(f"{notes.url}/readyz", timeout=10).json()
    assert ready == {"status": "ok", "checks": {"database": "ok", "schema": "ok", "issuer": "ok"}}
    document = requests.get(f"{notes.url}/api/notes/openapi.json", timeout=10).json()
    assert set(document["paths"]) == {"/api/notes", "/api/notes/{note_id}"}
    assert 'route="/readyz"' in requests.get(f"{notes.metrics_url}/metrics", timeout=10).text


def test_a_second_migration_finds_nothing_to_do(notes: Notes, source: Path, database: Callable[[str], str]) -> None:
    assert migrate(source, database("notes_owner")).stdout == "the schema is up to date\n"


def test_it_does_not_start_without_its_settings(source: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from notes_service import preflight; preflight.check()"],
        cwd=source,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 78
    assert done.stderr == "notes-service cannot start: NOTES_DATABASE_URL: is not set; ISSUER: is not set\n"


FIRST_PARTY = """lint.isort.known-first-party=["notes_service", "service_kit"]"""
TOOLS = {
    "ruff rules": ["ruff", "check", "--config", str(ROOT / "pyproject.toml"), "--config", FIRST_PARTY],
    "ruff format": ["ruff", "format", "--check", "--config", str(ROOT / "pyproject.toml")],
    "mypy": ["mypy", "--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(ROOT / ".mypy_cache")],
}


@pytest.mark.parametrize("tool", TOOLS)
def test_its_code_passes_what_the_services_code_passes(source: Path, tool: str) -> None:
    program, *arguments = TOOLS[tool]
    done = subprocess.run(
        [str(Path(sys.executable).parent / program), *arguments, "notes_service"],
        cwd=source,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert done.returncode == 0, done.stdout + done.stderr
