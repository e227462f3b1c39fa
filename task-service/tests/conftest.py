"""Tasks on a real, fresh database, with a vault that the test holds in its hands."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from scripted_vault import ScriptedVault, Userinfo

from service_kit.postgres.database import Database
from task_service.adapters.engine.watch import ProcrastinateWatch
from task_service.adapters.postgres.attempts import PostgresAttempts
from task_service.adapters.postgres.database import MIGRATIONS, tasks_database
from task_service.adapters.postgres.dependencies import PostgresDependencies
from task_service.adapters.postgres.history import PostgresHistory
from task_service.adapters.postgres.listing import PostgresTaskList
from task_service.adapters.postgres.receipts import PostgresReceipts
from task_service.adapters.postgres.results import PostgresResultFiles
from task_service.adapters.postgres.runs import PostgresRuns
from task_service.adapters.postgres.schedules import PostgresSchedules
from task_service.adapters.postgres.tasks import PostgresTasks
from task_service.adapters.postgres.token_statuses import PostgresTokenStatuses
from task_service.adapters.results.stores import FolderStore
from task_service.application.access import AttemptAccess
from task_service.application.batch import BatchTasks
from task_service.application.cursors import Cursors
from task_service.application.dependencies import ManageDependencies
from task_service.application.execute import ExecuteTasks
from task_service.application.journal import GroupedJournal
from task_service.application.listing import ListTasks
from task_service.application.manage import ManageTasks, Person
from task_service.application.progress import GroupedProgress
from task_service.application.run_attempt import RunAttempt
from task_service.application.schedules import ManageSchedules
from task_service.application.token_status import RefreshTokenStatuses
from task_service.domain.owner import Owner
from task_service.kinds.base import KindSettings, Tools
from task_service.kinds.demo import Demo
from task_service.kinds.registry import HereHandler, Kinds

TABLES = (
    *("tasks", "runs", "attempts", "run_log", "dependency_news", "idempotency_keys", "owners", "list_versions"),
    *("result_files", "procrastinate_jobs", "procrastinate_workers"),
)
"""What tests write. What hangs on a task goes with it."""
ISSUER = "https://issuer.example/realms/demo"


DEMO = Demo(Tools(userinfo=Userinfo(), settings=KindSettings(demo_step_seconds=0.0)))
KINDS = Kinds({"demo": DEMO}, {"demo": "local"})


@pytest.fixture(scope="session")
def migrated_tasks(postgres_url: str) -> None:
    """The database `tasks` has the schema; others are copied from it."""
    host = postgres_url.rpartition("@")[2].partition("/")[0]
    MIGRATIONS.apply(f"postgresql://tasks_owner:test@{host}/tasks")


@pytest.fixture(scope="session")
def shared_url(migrated_tasks: None, new_database: Callable[[str, str], AbstractContextManager[str]]) -> Iterator[str]:
    """A database of the task service's for all tests, as the runtime role."""
    with new_database("tasks", "tasks") as url:
        yield url


@pytest.fixture
def tasks_url(shared_url: str) -> str:
    """That database, emptied. (DELETE: TRUNCATE of a few rows costs fifty times as much.)"""
    with psycopg.connect(shared_url.replace("tasks:test@", "tasks_owner:test@"), autocommit=True) as connection:
        for table in TABLES:
            connection.execute(sql.SQL("delete from {}").format(sql.Identifier(table)))
    return shared_url


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
    """The use cases of definitions."""
    return ManageTasks(tasks, RefreshTokenStatuses(PostgresTokenStatuses(database), vault), vault, KINDS)


@pytest.fixture
def listing(database: Database, vault: ScriptedVault) -> ListTasks:
    """The list of an owner's tasks."""
    statuses = RefreshTokenStatuses(PostgresTokenStatuses(database), vault)
    return ListTasks(PostgresTaskList(database), statuses, Cursors("a secret"))


@pytest.fixture
def execution(tasks: PostgresTasks, database: Database, vault: ScriptedVault) -> ExecuteTasks:
    """Linking and executing."""
    return ExecuteTasks(tasks, PostgresRuns(database), vault)


@pytest.fixture
def schedules(tasks: PostgresTasks, database: Database, vault: ScriptedVault) -> ManageSchedules:
    """The schedules of tasks."""
    return ManageSchedules(tasks, PostgresSchedules(database), vault)


@pytest.fixture
def dependencies(database: Database) -> ManageDependencies:
    """The dependencies of tasks."""
    return ManageDependencies(PostgresDependencies(database))


@pytest.fixture
def watch(database: Database) -> ProcrastinateWatch:
    """The engine's workers and jobs."""
    return ProcrastinateWatch(database)


@pytest.fixture
def alice() -> Person:
    """The caller."""
    return Person(Owner(ISSUER, "alice-sub"))


@pytest.fixture
def bob() -> Person:
    """Another caller."""
    return Person(Owner(ISSUER, "bob-sub"))


@pytest.fixture
def look(tasks_url: str) -> Iterator[Callable[..., list[tuple[object, ...]]]]:
    """Looks into the database."""
    with psycopg.connect(tasks_url, autocommit=True) as connection:
        yield lambda query, *parameters: connection.execute(query.encode(), parameters).fetchall()


@pytest.fixture
def receipts(database: Database) -> PostgresReceipts:
    """Answers under idempotency keys."""
    return PostgresReceipts(database)


@pytest.fixture
def batch(manage: ManageTasks, tasks: PostgresTasks, database: Database, vault: ScriptedVault) -> BatchTasks:
    """One action on many tasks."""
    execution = partial(ExecuteTasks, tasks, PostgresRuns(database))
    return BatchTasks(manage, execution, vault, PostgresTaskList(database), Cursors("a secret"))


@pytest.fixture
def results(tmp_path: Path) -> FolderStore:
    """The store of results that are files."""
    return FolderStore(tmp_path)


@pytest.fixture
def files(database: Database) -> PostgresResultFiles:
    """Which results are files."""
    return PostgresResultFiles(database)


@pytest.fixture
def past(database: Database) -> PostgresHistory:
    """The use case of a task's history."""
    return PostgresHistory(database)


@pytest.fixture
def journal(past: PostgresHistory) -> GroupedJournal:
    """A worker's journal; a test flushes it."""
    return GroupedJournal(past)


@pytest.fixture
def run_demo(attempts: PostgresAttempts, journal: GroupedJournal, vault: ScriptedVault) -> RunAttempt:
    """A worker's use case, with a demonstration that does not wait."""
    return RunAttempt(attempts, GroupedProgress(attempts), journal, AttemptAccess(vault), {"demo": HereHandler(DEMO)})
