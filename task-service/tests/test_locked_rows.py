"""One forgotten transaction holds the rows of one owner: everybody else goes on, and what is refused is not done."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from service_kit.postgres.database import POOL_TIMEOUT_SECONDS, Database
from task_service.adapters.postgres.database import tasks_database
from task_service.adapters.postgres.tasks import PostgresTasks
from task_service.application.errors import TaskStorageUnavailableError
from task_service.application.manage import Person
from task_service.bootstrap import REQUEST_LOCK_SECONDS

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
    look: Callable[..., list[tuple[object, ...]]],
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


def _as_owner(url: str) -> str:
    """The URL of the schema's owner, who may lock every row."""
    return url.replace("tasks:test@", "tasks_owner:test@")
