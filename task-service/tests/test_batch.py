"""A batch by filter on 100,000 tasks: in steps, each of which says how far it is."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from uuid import UUID

import psycopg
import pytest
from scripted_vault import ScriptedVault

from task_service.application.batch import MOST, BatchAction, BatchOptions, BatchTasks
from task_service.application.manage import Person
from task_service.domain.listing import TaskQuery
from task_service.domain.status import TaskStatus
from task_service.domain.task import TokenStatus

ISSUER = "https://issuer.example/realms/demo"
MANY = 100_000
TOKEN = UUID(int=7)
PENDING = TaskQuery(statuses=frozenset({TaskStatus.PENDING}))


@pytest.fixture(scope="module")
def tasks_url(
    postgres_url: str, migrated_tasks: None, new_database: Callable[[str, str], AbstractContextManager[str]]
) -> Iterator[str]:
    """A database of its own with the many; to be quick, without triggers and without the index of words."""
    with new_database("tasks", "tasks") as url:
        superuser = f"{postgres_url.rpartition('/')[0]}/{url.rpartition('/')[2]}"
        with psycopg.connect(superuser, autocommit=True) as connection:
            connection.execute("set session_replication_role = replica")
            connection.execute("drop index tasks_with_words")
            connection.execute(
                "with made as ("
                " insert into tasks (id, issuer, subject, name, description, persistent_token_id, token_status)"
                " select gen_random_uuid(), %s, 'alice-sub', 'n', '', %s, 'active' from generate_series(1, %s)"
                " returning id, issuer, subject, created_at)"
                " insert into unstarted_tasks (task_id, issuer, subject, created_at) select * from made",
                [ISSUER, TOKEN, MANY],
            )
            connection.execute("vacuum analyze tasks, unstarted_tasks")
        yield url


def test_a_filter_that_matches_100_000_is_done_in_steps_that_say_how_far(
    batch: BatchTasks, vault: ScriptedVault, alice: Person, bob: Person
) -> None:
    """Two steps as requests make them, which execute what they select; then on to the end, each task once."""
    vault.says(alice.owner, TOKEN, TokenStatus.ACTIVE)
    seen: list[UUID] = []
    cursor = None
    for left in (MANY - MOST, MANY - 2 * MOST):
        step = batch.select(alice, PENDING, MOST, cursor)
        outcomes = batch.act(alice, BatchOptions(BatchAction.EXECUTE), step.task_ids, None)
        assert {outcome.status for outcome in outcomes} == {"executing"}
        assert step.remaining == left
        seen += step.task_ids
        cursor = step.next_cursor
    while cursor is not None:
        step = batch.select(alice, PENDING, 25_000, cursor)
        seen += step.task_ids
        cursor = step.next_cursor
        assert step.remaining == MANY - len(seen)
    assert len(set(seen)) == len(seen) == MANY
    assert batch.select(bob, PENDING, MOST, None).task_ids == []
