"""Tasks on a real, fresh database, with a vault that the test holds in its hands."""

from collections.abc import Callable, Iterator

import psycopg
import pytest
from scripted_vault import ScriptedVault

from service_kit.postgres.database import Database
from task_service.adapters.database import MIGRATIONS, tasks_database
from task_service.adapters.tasks import PostgresAttempts, PostgresTasks
from task_service.application.tasks import Caller, ManageTasks
from task_service.domain.task import Subject

ISSUER = "https://issuer.example/realms/demo"


@pytest.fixture(scope="session")
def migrated_tasks(postgres_url: str) -> None:
    """The database `tasks` has the schema; others are copied from it."""
    host = postgres_url.rpartition("@")[2].partition("/")[0]
    MIGRATIONS.apply(f"postgresql://tasks_owner:test@{host}/tasks")


@pytest.fixture
def tasks_url(migrated_tasks: None, new_database: Callable[[str, str], str]) -> str:
    """A fresh database of the task service's, as the runtime role."""
    return new_database("tasks", "tasks")


@pytest.fixture
def database(tasks_url: str) -> Iterator[Database]:
    """A pool on it."""
    pool = tasks_database(tasks_url, name="test", size=24)
    yield pool
    pool.close()


@pytest.fixture
def tasks(database: Database) -> PostgresTasks:
    """The owner's side."""
    return PostgresTasks(database)


@pytest.fixture
def attempts(database: Database) -> PostgresAttempts:
    """The worker's side."""
    return PostgresAttempts(database)


@pytest.fixture
def vault() -> ScriptedVault:
    """The vault."""
    return ScriptedVault()


@pytest.fixture
def manage(tasks: PostgresTasks, vault: ScriptedVault) -> ManageTasks:
    """The use cases."""
    return ManageTasks(tasks, vault)


@pytest.fixture
def alice() -> Caller:
    """Who calls."""
    return Caller(Subject(ISSUER, "alice-sub"), "alice-token")


@pytest.fixture
def bob() -> Caller:
    """Who else calls."""
    return Caller(Subject(ISSUER, "bob-sub"), "bob-token")


@pytest.fixture
def look(tasks_url: str) -> Callable[..., list[tuple[object, ...]]]:
    """Looks into the database."""

    def run(query: str, *parameters: object) -> list[tuple[object, ...]]:
        with psycopg.connect(tasks_url, autocommit=True) as connection:
            return connection.execute(query.encode(), parameters).fetchall()

    return run
