"""One forgotten transaction locks the rows of one owner. Others are served, and a refused request has no effect."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import psycopg
import pytest
from scripted_vault import ScriptedVault

from service_kit.postgres.database import LOCK_TIMEOUT_SECONDS, POOL_TIMEOUT_SECONDS, Database
from task_service.adapters.postgres.attempts import PostgresAttempts
from task_service.adapters.postgres.database import tasks_database
from task_service.adapters.postgres.tasks import PostgresTasks
from task_service.application.errors import TaskStorageUnavailableError
from task_service.application.execute import ExecuteTasks
from task_service.application.journal import GroupedJournal
from task_service.application.manage import ManageTasks, Person
from task_service.application.progress import GroupedProgress
from task_service.bootstrap import REQUEST_LOCK_SECONDS
from task_service.domain.attempt import Attempt, AttemptKey
from task_service.domain.journal import Level
from task_service.domain.task import TokenStatus

Look = Callable[..., list[tuple[object, ...]]]
PROGRESS = "select task_id, progress from runs"
LOG = "select task_id, message from run_log order by id"
TICKETS = "select task_id, ticket_id from attempts where ticket_id is not null"
OWNED = ("tasks", "owners", "list_versions")


@pytest.fixture
def requests_database(tasks_url: str) -> Iterator[Database]:
    """The pool of a service with two threads, as `build_service` makes it."""
    pool = tasks_database(tasks_url, name="test", size=4, lock_timeout=REQUEST_LOCK_SECONDS)
    yield pool
    pool.close()


def test_a_request_gives_a_locked_row_up_before_another_gives_up_its_wait_for_a_connection() -> None:
    """Otherwise requests for the locked rows would take all connections, and others would be refused."""
    assert REQUEST_LOCK_SECONDS < POOL_TIMEOUT_SECONDS


def test_others_go_on_and_what_is_answered_503_is_not_made(
    requests_database: Database,
    tasks_url: str,
    alice: Person,
    bob: Person,
    look: Look,
) -> None:
    """80 creates were answered 503, and all were made."""
    tasks = PostgresTasks(requests_database)
    tasks.add(alice.owner, "locked", "")
    tasks.add(bob.owner, "free", "")
    with psycopg.connect(_as_owner(tasks_url)) as forgotten, ThreadPoolExecutor(16) as pool:
        for table in OWNED:
            forgotten.execute(f"select from {table} where subject = %s for update".encode(), [alice.owner.sub])
        hers = [pool.submit(tasks.add, alice.owner, "refused", "") for _ in range(12)]
        his = [pool.submit(tasks.add, bob.owner, "made", "") for _ in range(4)]
        assert {each.result(30).name for each in his} == {"made"}
        outcomes = [each.exception(30) for each in hers]
        forgotten.rollback()
    made = sum(outcome is None for outcome in outcomes)
    assert all(isinstance(outcome, TaskStorageUnavailableError) for outcome in outcomes if outcome is not None)
    assert look("select count(*) from tasks where name = 'refused'") == [(made,)]
    assert tasks.add(alice.owner, "after", "").name == "after"


@pytest.fixture
def begin(
    manage: ManageTasks, execution: ExecuteTasks, vault: ScriptedVault, alice: Person, attempts: PostgresAttempts
) -> Callable[[], Attempt]:
    """Makes a task and begins its attempt."""

    def begin() -> Attempt:
        task = manage.create(alice, "Data Processing", "")
        execution.link(alice, task.id, vault.knows(alice.owner, TokenStatus.ACTIVE))
        execution.execute(alice, task.id)
        attempt = attempts.begin(AttemptKey(task.id, 1))
        assert attempt is not None
        return attempt

    return begin


def test_the_progress_of_a_workers_other_attempts_is_written_beside_a_locked_run(
    begin: Callable[[], Attempt], attempts: PostgresAttempts, tasks_url: str, look: Look
) -> None:
    """The locked one's waits for the next group; its attempt is not taken for one that others have taken over."""
    locked, free = begin(), begin()
    progress = GroupedProgress(attempts)
    with psycopg.connect(tasks_url) as forgotten:
        forgotten.execute("select from runs where task_id = %s for update", [locked.key.task_id])
        assert progress.report(locked, 40)
        assert progress.report(free, 60)
        began = time.monotonic()
        progress.flush()
        assert time.monotonic() - began < LOCK_TIMEOUT_SECONDS
        assert set(look(PROGRESS)) == {(locked.key.task_id, 0), (free.key.task_id, 60)}
    progress.flush()
    assert set(look(PROGRESS)) == {(locked.key.task_id, 40), (free.key.task_id, 60)}
    assert progress.report(locked, 50)


@pytest.mark.parametrize("table", ["runs", "attempts"])
def test_the_journal_of_a_workers_other_attempts_is_written_beside_a_locked_row(
    begin: Callable[[], Attempt], journal: GroupedJournal, tasks_url: str, look: Look, table: str
) -> None:
    """The locked one's waits for the next group, and comes before what is logged later."""
    locked, free = begin(), begin()
    tickets = {locked.key.task_id: uuid4(), free.key.task_id: uuid4()}
    with psycopg.connect(tasks_url) as forgotten:
        forgotten.execute(f"select from {table} where task_id = %s for update".encode(), [locked.key.task_id])
        for attempt in (locked, free):
            journal.log(attempt, Level.INFO, "first")
            journal.access(attempt, tickets[attempt.key.task_id])
        began = time.monotonic()
        journal.flush()
        assert time.monotonic() - began < LOCK_TIMEOUT_SECONDS
        assert (free.key.task_id, "first") in look(LOG)
        assert (free.key.task_id, tickets[free.key.task_id]) in look(TICKETS)
        assert len(look(LOG)) + len(look(TICKETS)) == 3, "one of the locked attempt's waits"
    journal.log(locked, Level.INFO, "second")
    journal.flush()
    assert [line for task_id, line in look(LOG) if task_id == locked.key.task_id] == ["first", "second"]
    assert set(look(TICKETS)) == set(tickets.items())
    journal.flush()
    assert len(look(LOG)) == 3, "nothing is written twice"


def test_an_end_waits_for_no_commit_of_another_task_of_the_same_owner(
    begin: Callable[[], Attempt], attempts: PostgresAttempts, tasks_url: str, look: Look
) -> None:
    """Each takes a counter of the owner's that is free; a new one if none is. The sums are right in the end."""
    ending = [begin() for _ in range(3)]
    look("delete from list_versions where slot <> (select min(slot) from list_versions) returning 1")
    with psycopg.connect(_as_owner(tasks_url)) as forgotten:
        forgotten.execute("select from list_versions for update")
        began = time.monotonic()
        assert all(attempts.complete(each, "done") for each in ending)
        assert time.monotonic() - began < LOCK_TIMEOUT_SECONDS
    assert look("select sum(completed)::integer from list_versions") == [(3,)]


def _as_owner(url: str) -> str:
    """The URL of the schema's owner, who may lock every row."""
    return url.replace("tasks:test@", "tasks_owner:test@")
