"""Expand and contract: the previous version works on the new schema, beside the new version, and its data read right.

`previous_version` has that version's queries. The new schema is what `migrate --pre-only` leaves; the contracted one
what `migrate` leaves.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from previous_version import PreviousVersion, apply_previous_schema

from service_kit.postgres.database import Database, session
from task_service.adapters.postgres.attempts import PostgresAttempts
from task_service.adapters.postgres.database import MIGRATIONS, tasks_database
from task_service.adapters.postgres.listing import PostgresTaskList
from task_service.adapters.postgres.runs import PostgresRuns
from task_service.adapters.postgres.tasks import PostgresTasks
from task_service.application.errors import TaskNotExecutableError
from task_service.application.ports.vault import LinkedGrant
from task_service.domain.attempt import Attempt, AttemptKey
from task_service.domain.listing import TaskQuery
from task_service.domain.owner import Owner
from task_service.domain.run import Cause
from task_service.domain.status import TaskStatus
from task_service.domain.task import Task, TokenStatus

ALICE = Owner("https://issuer.example/realms/demo", "alice-sub")


@dataclass
class Upgrade:
    """A database with the previous schema, and both versions' code on it."""

    url: str
    owner_url: str
    database: Database
    connection: psycopg.Connection

    @cached_property
    def old(self) -> PreviousVersion:
        """The previous version."""
        return PreviousVersion(self.connection, ALICE)

    @cached_property
    def tasks(self) -> PostgresTasks:
        """The new version's tasks."""
        return PostgresTasks(self.database)

    @cached_property
    def listing(self) -> PostgresTaskList:
        """The new version's list."""
        return PostgresTaskList(self.database)

    @cached_property
    def runs(self) -> PostgresRuns:
        """The new version's queue."""
        return PostgresRuns(self.database)

    @cached_property
    def attempts(self) -> PostgresAttempts:
        """The new version's worker."""
        return PostgresAttempts(self.database)

    def expand(self) -> list[str]:
        """Apply the migrations that run before the new version is rolled out."""
        return MIGRATIONS.apply(self.owner_url, pre_only=True)

    def contract(self) -> list[str]:
        """Apply the migrations that run after the roll-out."""
        return MIGRATIONS.apply(self.owner_url)

    def new_task(self) -> UUID:
        """A task with an active token, made by the new version."""
        task = self.tasks.add(ALICE, "new", "")
        self.tasks.link(task.id, ALICE, LinkedGrant(uuid4(), TokenStatus.ACTIVE))
        return task.id

    def find(self, task_id: UUID) -> Task:
        """The task as the new version shows it."""
        return self.tasks.find(task_id, ALICE)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """A look into the database."""
        return self.connection.execute(query.encode()).fetchall()

    def fence(self, task_id: UUID) -> int:
        """The fence of the task's latest run; 1 before the first."""
        query = "select fence from runs where task_id = %s order by number desc limit 1"
        row = self.connection.execute(query, [task_id]).fetchone()
        return int(row[0]) if row else 1


@pytest.fixture(scope="session")
def previous_schema(postgres_url: str) -> str:
    """A template database with the previous schema: its name."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("create database tasks_previous owner tasks_owner")
    host = postgres_url.rpartition("@")[2].partition("/")[0]
    apply_previous_schema(f"postgresql://tasks_owner:test@{host}/tasks_previous")
    return "tasks_previous"


@pytest.fixture
def upgrade(postgres_url: str, previous_schema: str) -> Iterator[Upgrade]:
    """A fresh database with the previous schema."""
    name = f"upgrade_{uuid4().hex}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"create database {name} template {previous_schema} owner tasks_owner".encode())
    host = postgres_url.rpartition("@")[2].partition("/")[0]
    url = f"postgresql://tasks:test@{host}/{name}"
    database = tasks_database(url, name="test", size=4)
    parameters = session("previous")
    with psycopg.connect(url, **parameters) as connection:
        yield Upgrade(url, f"postgresql://tasks_owner:test@{host}/{name}", database, connection)
    database.close()


def test_every_state_reads_right_after_the_migration(upgrade: Upgrade) -> None:
    """With its words, times and progress; earlier runs are kept with how they ended."""
    old = upgrade.old
    pending, linked = old.create(), old.ready()
    queued, running, completed, failed, crashed, again = (old.ready() for _ in range(6))
    for task_id in (queued, running, completed, failed, crashed, again):
        old.enqueue(task_id)
    for task_id in (running, completed, failed, again):
        assert old.begin(task_id, 1)
    old.progress(running, 1, 40)
    old.complete(completed, 1)
    old.fail(failed, 1)
    for fence in range(1, 6):
        old.begin(crashed, fence)
        old.replace(crashed, fence)
    old.enqueue(crashed)  # failed for its crashes, and executed again
    old.replace(again, 1, "requeued")
    old.begin(again, 2)
    old.fail(again, 2)
    old.enqueue(again)
    old.begin(again, 3)
    old.complete(again, 3, "second run")
    before = {task_id: old.see(task_id) for task_id in old.listed()}

    expanded = upgrade.expand()
    assert expanded[:3] == ["0004_runs.pre.sql", "0005_runs_under_way.pre.sql", "0006_runs_so_far.pre.sql"]
    assert all(name.endswith(".pre.sql") for name in expanded)
    assert {task_id: shown(upgrade.find(task_id)) for task_id in before} == before
    assert {task_id: old.see(task_id) for task_id in before} == before
    assert upgrade.contract()[:2] == ["0007_one_way.post.sql", "0008_runs.post.sql"]
    assert {task_id: shown(upgrade.find(task_id)) for task_id in before} == before
    assert [task.id for task in upgrade.listing.page(ALICE, TaskQuery(), 1000, None)[0]] == list(before)

    assert upgrade.find(pending).latest_run.number == upgrade.find(linked).latest_run.number == 0
    runs = upgrade.rows("select task_id, number, status, fence, crashes, cause from runs order by number")
    assert [run[1:] for run in runs if run[0] == again] == [
        (1, "failed", 2, 0, "user"),
        (2, "completed", 3, 0, "user"),
    ]
    assert [run[1:] for run in runs if run[0] == crashed] == [(1, "failed", 5, 5, "user"), (2, "queued", 7, 0, "user")]
    attempts = upgrade.rows("select task_id, fence, run from attempts order by fence")
    assert [attempt[1:] for attempt in attempts if attempt[0] == again] == [(1, 1), (2, 1), (3, 2)]
    assert upgrade.attempts.orphans() == []


def test_a_run_under_way_is_finished_by_the_new_version(upgrade: Upgrade) -> None:
    """Queued and running ones, also after the old columns have gone."""
    old = upgrade.old
    queued, running = old.ready(), old.ready()
    old.enqueue(queued)
    old.enqueue(running)
    old.begin(running, 1)
    upgrade.expand()
    upgrade.contract()
    attempt = upgrade.attempts.begin(AttemptKey(queued, 1))
    assert attempt is not None
    assert upgrade.attempts.complete(attempt, "new result")
    assert upgrade.find(queued).latest_run.result == "new result"
    assert upgrade.attempts.replace_crashed(AttemptKey(running, 1))
    assert upgrade.attempts.begin(AttemptKey(running, 2)) is not None


def test_the_previous_version_survives_the_expansion(upgrade: Upgrade) -> None:
    """A task's whole life by the previous version's statements, which the new version sees alike."""
    upgrade.expand()
    old = upgrade.old
    version = 0
    task_id = old.ready()
    for run in (1, 2):
        fence = old.enqueue(task_id)
        assert fence is not None
        assert old.enqueue(task_id) is None
        assert upgrade.find(task_id).latest_run.number == run
        assert old.begin(task_id, fence)
        assert old.progress(task_id, fence, 30)
        assert shown(upgrade.find(task_id)) == old.see(task_id)
        assert old.replace(task_id, fence)
        assert not old.progress(task_id, fence, 40)
        assert old.begin(task_id, fence + 1)
        assert old.fail(task_id, fence + 1) if run == 1 else old.complete(task_id, fence + 1)
        assert shown(upgrade.find(task_id)) == old.see(task_id)
        version, before = old.list_version(), version
        assert version > before
    assert upgrade.rows("select number, status, fence, crashes from runs order by number") == [
        (1, "failed", 2, 1),
        (2, "completed", 4, 1),
    ]
    assert upgrade.rows("select fence, run, outcome from attempts order by fence") == [
        (1, 1, "crashed"),
        (2, 1, "failed"),
        (3, 2, "crashed"),
        (4, 2, "completed"),
    ]
    old.delete(task_id)
    assert upgrade.rows("select (select count(*) from runs), (select count(*) from attempts)") == [(0, 0)]


def test_each_versions_sweep_mends_what_lost_its_job(upgrade: Upgrade) -> None:
    """And neither mistakes the other's runs for such."""
    upgrade.expand()
    task_id = upgrade.old.ready()
    upgrade.old.enqueue(task_id)
    mine = upgrade.new_task()
    upgrade.runs.enqueue(mine, ALICE, Cause.USER)
    assert (upgrade.old.orphans(), upgrade.attempts.orphans()) == ([], [])
    upgrade.rows("delete from procrastinate_jobs returning id")
    assert sorted(upgrade.old.orphans()) == sorted([(task_id, 1), (mine, 1)])
    assert set(upgrade.attempts.orphans()) == {AttemptKey(task_id, 1), AttemptKey(mine, 1)}
    assert upgrade.old.replace(mine, 1)
    assert upgrade.attempts.replace_crashed(AttemptKey(task_id, 1))
    assert (upgrade.old.orphans(), upgrade.attempts.orphans()) == ([], [])


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["old", "new"]),
        st.sampled_from(["enqueue", "begin", "progress", "complete", "fail", "replace"]),
    ),
    min_size=1,
    max_size=14,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_both_versions_agree_whoever_does_what(upgrade: Upgrade, steps: list[tuple[str, str]]) -> None:
    """Any mixture of old and new API and workers on one task: both allow the same and show the same."""
    upgrade.expand()  # once: the examples share a database
    task_id = upgrade.old.ready()
    for version, act in steps:
        allowed = may(upgrade, task_id, act)
        assert do(upgrade, version, act, task_id) == allowed, (version, act)
        assert shown(upgrade.find(task_id)) == upgrade.old.see(task_id)
    assert (upgrade.old.orphans(), upgrade.attempts.orphans()) == ([], [])
    assert upgrade.rows("select count(*) from attempts where run is null") == [(0,)]


def may(upgrade: Upgrade, task_id: UUID, act: str) -> bool:
    """The actions that both versions should allow now."""
    status = upgrade.find(task_id).status
    return {
        "enqueue": status in {TaskStatus.PENDING, TaskStatus.FAILED, TaskStatus.CANCELLED},
        "begin": status in {TaskStatus.QUEUED, TaskStatus.RUNNING},
        "progress": status is TaskStatus.RUNNING,
        "complete": status is TaskStatus.RUNNING,
        "fail": status in {TaskStatus.QUEUED, TaskStatus.RUNNING},
        "replace": status in {TaskStatus.QUEUED, TaskStatus.RUNNING},
    }[act]


def do(upgrade: Upgrade, version: str, act: str, task_id: UUID) -> bool:
    """Let one of the versions do it; whether it did."""
    if act == "enqueue":
        return upgrade.old.enqueue(task_id) is not None if version == "old" else enqueued(upgrade, task_id)
    fence = upgrade.fence(task_id)
    old, new, key = upgrade.old, upgrade.attempts, AttemptKey(task_id, fence)
    if act in {"begin", "replace"}:
        acts: dict[tuple[str, str], Callable[[], object]] = {
            ("old", "begin"): lambda: old.begin(task_id, fence),
            ("new", "begin"): lambda: new.begin(key) is not None,
            ("old", "replace"): lambda: old.replace(task_id, fence),
            ("new", "replace"): lambda: new.replace_crashed(key),
        }
        return bool(acts[version, act]())
    if version == "old":
        return {
            "progress": lambda: old.progress(task_id, fence, 20),
            "complete": lambda: old.complete(task_id, fence),
        }.get(act, lambda: old.fail(task_id, fence))()
    attempt = attempt_of(upgrade, key)
    if attempt is None:
        return False
    if act == "progress":
        return new.write_progress([(attempt, 30)]) == {key: True}
    return new.complete(attempt, "new result") if act == "complete" else new.fail(attempt, "new error")


def enqueued(upgrade: Upgrade, task_id: UUID) -> bool:
    """True when the new version has queued a run."""
    try:
        upgrade.runs.enqueue(task_id, ALICE, Cause.USER)
    except TaskNotExecutableError:
        return False
    return True


def attempt_of(upgrade: Upgrade, key: AttemptKey) -> Attempt | None:
    """The attempt as a worker of the new version holds it, begun by either version."""
    task = upgrade.find(key.task_id)
    if task.latest_run.number == 0 or task.persistent_token_id is None:
        return None
    return Attempt(
        key=key,
        run=task.latest_run.number,
        owner=ALICE,
        task_name=task.name,
        kind=task.kind,
        parameters={},
        persistent_token_id=task.persistent_token_id,
    )


def shown(task: Task) -> dict[str, Any]:
    """A task of the new version as the previous one showed it."""
    run = task.latest_run
    return {
        "status": run.status.value,
        "created_at": task.created_at,
        "started_at": run.started_at,
        "completed_at": run.completed_at,
        "token": task.persistent_token_id,
        "token_status": task.token_status.value if task.token_status else None,
        "result": run.result,
        "error": run.error,
        "progress": run.progress,
    }
