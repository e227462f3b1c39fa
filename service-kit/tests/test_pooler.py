"""Behind pgbouncer nothing is served: one session's statements would meet another's (a GET deleted a person's task)."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from local_stack import ports
from service_kit.postgres.database import Database, PoolerError
from service_kit.postgres.migrations import Migrations
from service_kit.process.start import EX_CONFIG, or_exit

PGBOUNCER = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin")
needs_pgbouncer = pytest.mark.skipif(PGBOUNCER is None, reason="needs pgbouncer: apt-get install pgbouncer")


class AwayError(Exception):
    """The database is unavailable."""


@pytest.fixture
def pooled(postgres_url: str, server_folder: Path) -> Iterator[Callable[[str, str], str]]:
    """Starts pgbouncer before the tests' server in a pool mode and with parameters to ignore; gives its URL."""
    folder = server_folder / "pgbouncer"
    folder.mkdir(exist_ok=True, mode=0o755)
    started: list[subprocess.Popen[bytes]] = []

    def start(mode: str, ignored: str) -> str:
        server = urlsplit(postgres_url)
        port = ports.choose(folder / "ports.json", ["pgbouncer"], set())["pgbouncer"]
        backend = f"host={server.hostname} port={server.port} user={server.username} password={server.password}"
        lines = [
            *("[databases]", f"postgres = {backend} dbname=postgres"),
            *("[pgbouncer]", "listen_addr = 127.0.0.1", f"listen_port = {port}", "unix_socket_dir ="),
            *("auth_type = any", f"pool_mode = {mode}", f"ignore_startup_parameters = {ignored}"),
        ]
        (folder / "pgbouncer.ini").write_text("\n".join(lines) + "\n")
        command = [str(PGBOUNCER), "--user=nobody", str(folder / "pgbouncer.ini")]
        log = (folder / "pgbouncer.log").open("ab")
        started.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log))
        log.close()
        url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        deadline = time.monotonic() + 15
        while not _answers(url):
            assert time.monotonic() < deadline, (folder / "pgbouncer.log").read_text()
            time.sleep(0.05)
        return url

    yield start
    for each in started:
        each.kill()
        each.wait()


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def database(url: str) -> Database:
    """A pool that has not connected yet."""
    return Database(url, name="test", size=2, unavailable=AwayError)


@needs_pgbouncer
@pytest.mark.parametrize("ignored", ["extra_float_digits", "extra_float_digits,options"])
@pytest.mark.parametrize("mode", ["transaction", "statement", "session"])
def test_a_pooler_is_refused_with_one_line(
    pooled: Callable[[str, str], str], capsys: pytest.CaptureFixture[str], mode: str, ignored: str
) -> None:
    """By the options that it refuses, and by the process id that it invents if it ignores them."""
    behind = database(pooled(mode, ignored))
    with pytest.raises(SystemExit) as exit_status:
        or_exit("task-service", behind.demand_direct)
    assert exit_status.value.code == EX_CONFIG
    told = capsys.readouterr().err
    assert told.startswith("task-service cannot start: The database URL leads to a connection pooler such as pgbouncer")
    assert told.count("\n") == 1


@needs_pgbouncer
def test_nothing_is_migrated_through_a_pooler(pooled: Callable[[str, str], str], postgres_url: str) -> None:
    """Behind a pooler no session would hold the advisory lock between two migrations."""
    url = pooled("transaction", "extra_float_digits,options")
    with pytest.raises(PoolerError):
        Migrations("service_kit", "kit", command="migrate").apply(url)
    with psycopg.connect(postgres_url) as connection:
        assert connection.execute("select to_regclass('schema_migrations')").fetchone() == (None,)


def test_a_direct_connection_is_accepted(postgres_url: str) -> None:
    """The process id of a direct connection is the server's own."""
    database(postgres_url).demand_direct()


def test_a_wrong_password_is_named(postgres_url: str) -> None:
    """The message names the password, not a failed connection."""
    wrong = database(postgres_url.replace(f":{urlsplit(postgres_url).password}@", ":wrong@"))
    with pytest.raises(AwayError, match="password authentication failed"):
        wrong.demand_direct()


def test_each_service_checks_it_before_it_serves_and_when_it_is_asked_for_readiness(postgres_url: str) -> None:
    """Both call `Migrations.check`, in their preflight and as the ping `schema`."""
    with pytest.raises(AwayError):
        Migrations("service_kit", "kit", command="migrate").check(database("postgresql://x:y@127.0.0.1:1/none"))
