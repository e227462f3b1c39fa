"""Tasks on a real, fresh database, with a vault that the test holds in its hands."""

from collections.abc import Callable, Iterator

import psycopg
import pytest
from scripted_vault import ScriptedVault

from service_kit.postgres.database import Database
from task_service.adapters.engine.watch import ProcrastinateWatch
from task_service.adapters.postgres.attempts import PostgresAttempts
from task_service.adapters.postgres.database import MIGRATIONS, tasks_database
from task_service.adapters.postgres.runs import PostgresRuns
from task_service.adapters.postgres.tasks import PostgresTasks, PostgresTokenStatuses
from task_service.application.execute import ExecuteTasks
from task_service.application.manage import ManageTasks, Person
from task_service.application.token_status import RefreshTokenStatuses
from task_service.domain.owner import Owner

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
def manage(tasks: PostgresTasks, database: Database, vault: ScriptedVault) -> ManageTasks:
    """What owners do with definitions."""
    return ManageTasks(tasks, RefreshTokenStatuses(PostgresTokenStatuses(database), vault))


@pytest.fixture
def execution(tasks: PostgresTasks, database: Database, vault: ScriptedVault) -> ExecuteTasks:
    """Linking and executing."""
    return ExecuteTasks(tasks, PostgresRuns(database), vault)


@pytest.fixture
def watch(database: Database) -> ProcrastinateWatch:
    """The engine's workers and jobs."""
    return ProcrastinateWatch(database)


@pytest.fixture
def alice() -> Person:
    """Who calls."""
    return Person(Owner(ISSUER, "alice-sub"), "alice-token")


@pytest.fixture
def bob() -> Person:
    """Who else calls."""
    return Person(Owner(ISSUER, "bob-sub"), "bob-token")


@pytest.fixture
def look(tasks_url: str) -> Callable[..., list[tuple[object, ...]]]:
    """Looks into the database."""

    def run(query: str, *parameters: object) -> list[tuple[object, ...]]:
        with psycopg.connect(tasks_url, autocommit=True) as connection:
            return connection.execute(query.encode(), parameters).fetchall()

    return run
