"""Real servers for the packages' tests: PostgreSQL and Valkey, one of each for a run (or for each of xdist's workers).

Where a container engine answers, testcontainers starts them; else the embedded ones serve, on loopback and in a folder
that is removed.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from pathlib import Path

import hypothesis
import psycopg
import pytest
from psycopg import sql

from local_stack import ports, postgres, valkey
from local_stack.process import Processes

hypothesis.settings.register_profile("any machine", deadline=None)  # a busy one takes long for a short example
hypothesis.settings.load_profile("any machine")

ROLE_PASSWORDS = dict.fromkeys(("vault_owner", "vault", "tasks_owner", "tasks"), "test")
SERVERS = {"postgres_url": "postgres", "redis_url": "redis"}
"""Fixtures that start a server, and how the tests that need them are marked."""
QUICK = (
    *("fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off", "file_copy_method=clone"),
    "scram_iterations=1",
)
"""No power cut is part of a unit test, its hundreds of databases are copies that live for a second, and a password that
everybody knows needs no 4096 rounds at each of thousands of logins."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a server, so that `make test-unit` can do without."""
    for item in items:
        for fixture, marker in SERVERS.items():
            if fixture in getattr(item, "fixturenames", ()):
                item.add_marker(marker)


@pytest.fixture(scope="session")
def server_folder() -> Iterator[Path]:
    """A folder that an unprivileged user can enter, which pytest's own are not."""
    folder = Path(tempfile.mkdtemp(prefix="offline-token-vault-unit-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_url(server_folder: Path) -> Iterator[str]:
    """The superuser's URL of a server with the databases and roles of the stack."""
    if _has_container_engine():
        from testcontainers.community.postgres import PostgresContainer  # noqa: PLC0415 - only where it can be used

        with PostgresContainer("postgres:18-bookworm", driver=None) as container:
            yield _prepared(container.get_connection_url())
        return
    free = ports.choose(server_folder / "postgres.json", ["postgres"], set())["postgres"]
    with postgres.running(server_folder / "postgres", free, *QUICK) as server:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("alter role postgres password 'test'")  # hashed again, by QUICK
        yield _prepared(server.url)


@pytest.fixture(scope="session")
def redis_url(server_folder: Path) -> Iterator[str]:
    """A Valkey, or a Redis."""
    if _has_container_engine():
        from testcontainers.community.redis import RedisContainer  # noqa: PLC0415

        with RedisContainer("redis:8-bookworm") as container:
            yield f"redis://{container.get_container_host_ip()}:{container.get_exposed_port(6379)}/0"
        return
    folder = server_folder / "redis"
    folder.mkdir()
    port = ports.choose(server_folder / "redis.json", ["redis"], set())["redis"]
    part = valkey.part(folder, port, "test")
    processes = Processes(folder, folder)
    processes.start(part)
    processes.wait_ready(part)
    yield f"redis://:test@127.0.0.1:{port}/0"
    processes.stop("redis")


@pytest.fixture(scope="session")
def new_database(postgres_url: str) -> Callable[[str, str], AbstractContextManager[str]]:
    """`with new_database(template, role) as url`: a copy of `template` for that role; it is dropped at the end.

    It belongs to the owner of the role's schema.
    """
    numbers = count(1)

    @contextmanager
    def make(template: str, role: str) -> Iterator[str]:
        name = f"{template}_{next(numbers)}"
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            statement = sql.SQL("create database {} template {} owner {} strategy file_copy")
            connection.execute(statement.format(*map(sql.Identifier, (name, template, f"{role}_owner"))))
        yield database_url(postgres_url, name, role)
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))

    return make


def database_url(superuser_url: str, database: str, role: str) -> str:
    """The URL of a database for one of the stack's roles."""
    host = superuser_url.rpartition("@")[2].partition("/")[0]
    return f"postgresql://{role}:{ROLE_PASSWORDS[role]}@{host}/{database}"


def _prepared(url: str) -> str:
    postgres.create_databases(url, ROLE_PASSWORDS)
    return url


def _has_container_engine() -> bool:
    try:
        return subprocess.run(["docker", "info"], capture_output=True, check=False, timeout=10).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
