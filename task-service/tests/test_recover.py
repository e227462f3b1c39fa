"""The sweep: silent workers by the monotonic clock, orphans, and a cost that does not grow with the queue."""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_vault import ScriptedVault

from service_kit.postgres.database import LOCK_TIMEOUT_SECONDS, Database
from task_service.adapters.engine.watch import ProcrastinateWatch
from task_service.adapters.postgres.attempts import PostgresAttempts
from task_service.application.execute import ExecuteTasks
from task_service.application.manage import ManageTasks, Person
from task_service.application.recover import FORGET_SECONDS, SILENT_SECONDS, Recover, SilentWorkers
from task_service.domain.attempt import AttemptKey
from task_service.domain.status import TaskStatus
from task_service.domain.task import TokenStatus

Look = Callable[..., list[tuple[object, ...]]]
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Clock:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Sweeper:
    """A process that sweeps, and what it noticed."""

    def __init__(self, watch: ProcrastinateWatch, attempts: PostgresAttempts) -> None:
        self.clock = Clock()
        self.noticed: list[tuple[str, AttemptKey, bool]] = []
        workers = SilentWorkers(self.clock)
        self.ended: list[UUID] = []
        self._recover = Recover(
            watch, attempts, workers, lambda *notice: self.noticed.append(notice), self.ended.append
        )

    def sweep(self, after: float = 0.0) -> int:
        """One sweep, so many seconds after the last."""
        self.clock.now += after
        return self._recover.sweep()


@pytest.fixture
def sweeper(watch: ProcrastinateWatch, attempts: PostgresAttempts) -> Sweeper:
    """A process that has just started."""
    return Sweeper(watch, attempts)


@pytest.fixture
def begin(
    manage: ManageTasks,
    execution: ExecuteTasks,
    vault: ScriptedVault,
    alice: Person,
    attempts: PostgresAttempts,
    look: Look,
) -> Callable[[], UUID]:
    """Makes tasks, the attempt of each begun by a registered worker of its own."""

    def begin() -> UUID:
        task = manage.create(alice, "Data Processing", "")
        execution.link(alice, task.id, vault.knows(alice.owner, TokenStatus.ACTIVE))
        execution.execute(alice, task.id)
        (worker,) = look("select * from procrastinate_register_worker_v1()")
        look("select id from procrastinate_fetch_job_v2(null, %s)", worker[0])
        assert attempts.begin(AttemptKey(task.id, 1)) is not None
        return task.id

    return begin


@pytest.fixture
def begun(begin: Callable[[], UUID]) -> UUID:
    """A task whose attempt a registered worker has begun."""
    return begin()


def test_a_silent_workers_attempt_is_taken_over(
    sweeper: Sweeper, begun: UUID, manage: ManageTasks, alice: Person, look: Look
) -> None:
    """After SILENT_SECONDS and not before; its job is replaced by a new one, and its row goes in the end."""
    sweeper.sweep()
    sweeper.sweep(after=SILENT_SECONDS - 0.1)
    assert sweeper.noticed == []
    sweeper.sweep(after=0.1)
    assert sweeper.noticed == [("worker_silent", AttemptKey(begun, 1), True)]
    assert manage.find(alice, begun).status is TaskStatus.QUEUED
    assert look("select status::text, args->>'fence' from procrastinate_jobs") == [("todo", "2")]
    assert look("select count(*) from procrastinate_workers") == [(1,)]
    sweeper.sweep(after=FORGET_SECONDS)
    assert look("select count(*) from procrastinate_workers") == [(0,)]
    assert len(sweeper.noticed) == 1


@pytest.mark.parametrize("hours", [-1, 1, 24 * 365])
def test_a_server_clock_that_is_set_ends_no_worker_that_beats(
    sweeper: Sweeper, begun: UUID, look: Look, hours: int
) -> None:
    """A clock that is set back or forward: the heartbeats continue, with other times."""
    for second in range(20):
        beat = NOON + timedelta(hours=hours if second > 5 else 0, seconds=second)
        look("update procrastinate_workers set last_heartbeat = %s returning id", beat)
        sweeper.sweep(after=2.0)
    assert sweeper.noticed == []


def test_a_server_clock_that_is_set_back_hides_no_dead_worker(sweeper: Sweeper, begun: UUID, look: Look) -> None:
    """The dead worker's last heartbeat lies an hour ahead."""
    look("update procrastinate_workers set last_heartbeat = now() + interval '1 hour' returning id")
    sweeper.sweep()
    sweeper.sweep(after=SILENT_SECONDS)
    assert sweeper.noticed == [("worker_silent", AttemptKey(begun, 1), True)]


def test_the_attempt_of_a_worker_that_is_not_registered_any_more_is_taken_over_at_once(
    sweeper: Sweeper, begun: UUID, look: Look
) -> None:
    """The worker has left, and its job has none."""
    look("delete from procrastinate_workers returning id")
    sweeper.sweep()
    assert sweeper.noticed == [("worker_silent", AttemptKey(begun, 1), True)]


def test_the_ticket_of_an_attempt_that_is_taken_over_is_ended(
    sweeper: Sweeper, begun: UUID, attempts: PostgresAttempts, look: Look
) -> None:
    """By the sweep, since its worker cannot; once."""
    ticket_id = uuid4()
    look("update attempts set ticket_id = %s returning 1", ticket_id)
    sweeper.sweep()
    for _ in range(3):
        sweeper.sweep(after=SILENT_SECONDS)
    assert sweeper.ended == [ticket_id]


def test_two_that_sweep_at_once_replace_an_attempt_once(
    watch: ProcrastinateWatch, attempts: PostgresAttempts, begun: UUID, look: Look
) -> None:
    """The second finds an old fence, and ends nothing else."""
    first, second = Sweeper(watch, attempts), Sweeper(watch, attempts)
    for sweeper in (first, second):
        sweeper.sweep()
        sweeper.clock.now += SILENT_SECONDS
    (job,) = watch.jobs_without_worker([int(str(look("select id from procrastinate_workers")[0][0]))])
    first.sweep()
    assert not attempts.replace_crashed(AttemptKey(begun, 1), job.id)
    second.sweep()
    assert (len(first.noticed), second.noticed) == (1, [])
    assert look("select fence, crashes from runs") == [(2, 1)]


@pytest.mark.parametrize("table", ["tasks", "runs", "attempts"])
def test_a_locked_row_holds_up_no_other_attempt(
    sweeper: Sweeper, begin: Callable[[], UUID], tasks_url: str, look: Look, table: str
) -> None:
    """Neither of the silent worker nor in the next sweep; what was locked is taken over when it is free."""
    locked, free = begin(), begin()
    column = "id" if table == "tasks" else "task_id"
    sweeper.sweep()
    with psycopg.connect(tasks_url) as forgotten:
        forgotten.execute(f"select from {table} where {column} = %s for update".encode(), [locked])
        began = time.monotonic()
        sweeper.sweep(after=SILENT_SECONDS)
        assert time.monotonic() - began < LOCK_TIMEOUT_SECONDS
        assert {key.task_id: replaced for _, key, replaced in sweeper.noticed} == {locked: False, free: True}
    sweeper.sweep(after=0.1)
    assert sweeper.noticed[-1] == ("worker_silent", AttemptKey(locked, 1), True)
    assert look("select count(*) from procrastinate_jobs where status = 'doing'") == [(0,)]


def test_a_job_that_is_removed_or_given_up_leaves_its_run_to_the_sweep(
    sweeper: Sweeper, begun: UUID, look: Look
) -> None:
    """As the engine does when an attempt ends with an error."""
    look("update procrastinate_jobs set status = 'failed' returning id")
    sweeper.sweep()
    look("delete from procrastinate_jobs where status = 'todo' returning id")
    sweeper.sweep()
    without_job = [("without_job", AttemptKey(begun, fence), True) for fence in (1, 2)]
    assert sweeper.noticed == without_job
    sweeper.sweep()
    assert sweeper.noticed == without_job


def test_jobs_of_no_attempt_are_ended(sweeper: Sweeper, look: Look) -> None:
    """Such as a sweep of an older version, whose worker died."""
    look(
        "insert into procrastinate_jobs (queue_name, task_name, status) values ('maintenance', 'other', 'doing')"
        " returning id"
    )
    sweeper.sweep()
    assert look("select count(*) from procrastinate_jobs") == [(0,)]
    assert sweeper.noticed == []


def test_what_waits_is_counted_up_to_a_limit(watch: ProcrastinateWatch, sweeper: Sweeper, look: Look) -> None:
    """So that a long queue costs no more than a short one."""
    add = (
        "insert into procrastinate_jobs (queue_name, task_name)"
        " select 'attempts', 'x' from generate_series(1, %s) returning 1"
    )
    look(add, 3)
    assert sweeper.sweep() == 3
    look(add, 1500)
    assert sweeper.sweep() == 1000
    assert watch.waiting(10) == 10


def test_the_sweep_reads_no_more_of_a_long_queue_than_of_a_short_one(
    sweeper: Sweeper, begun: UUID, database: Database, tasks_url: str, look: Look
) -> None:
    """Counted in index and table rows that PostgreSQL has read, which no neighbour on the machine changes."""
    short = rows_read(sweeper, database, tasks_url)
    look(
        "with jobs as (insert into procrastinate_jobs (queue_name, task_name) select 'attempts', 'x'"
        " from generate_series(1, 5000) returning id), made as (insert into tasks (id, issuer, subject, name,"
        " description, last_run) select gen_random_uuid(), 'i', 's', 'n', '', 1 from jobs returning id)"
        " insert into runs (task_id, number, issuer, subject, cause, status, fence, job_id)"
        " select m.id, 1, 'i', 's', 'user', 'queued', 1, 999999 from made m returning 1"
    )
    with psycopg.connect(tasks_url.replace("tasks:test@", "tasks_owner:test@"), autocommit=True) as connection:
        connection.execute("analyze")
    assert rows_read(sweeper, database, tasks_url) - short <= 1100  # what waits, counted up to 1000


def rows_read(sweeper: Sweeper, database: Database, url: str) -> int:
    """The number of rows that a sweep reads, from tables and through indexes."""

    def so_far() -> int:
        with psycopg.connect(url, autocommit=True) as connection:
            query = "select sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)) from pg_stat_user_tables"
            row = connection.execute(query).fetchone()
            assert row is not None
            return int(row[0])

    sweeper.sweep()
    flush_statistics(database)
    before = so_far()
    sweeper.sweep()
    flush_statistics(database)
    return so_far() - before


def flush_statistics(database: Database) -> None:
    """A backend reports what it has read."""
    database.one(b"select pg_stat_force_next_flush()", {})
    database.ping()


@given(
    st.lists(
        st.tuples(st.floats(0.0, 20.0), st.dictionaries(st.integers(1, 3), st.integers(0, 5), max_size=3)), max_size=20
    )
)
def test_a_worker_is_silent_exactly_when_its_heartbeat_stood_still_that_long(
    observations: list[tuple[float, Mapping[int, int]]],
) -> None:
    """Against a plain account of all observations."""
    clock = Clock()
    workers = SilentWorkers(clock)
    account: dict[int, list[tuple[float, int]]] = {}
    for pause, beats in observations:
        clock.now += pause
        workers.observe({worker: NOON + timedelta(seconds=beat) for worker, beat in beats.items()})
        account = {worker: [*account.get(worker, []), (clock.now, beat)] for worker, beat in beats.items()}
        expected = []
        for worker, seen in account.items():
            since = clock.now
            for at, beat in reversed(seen):
                if beat != seen[-1][1]:
                    break
                since = at
            if clock.now - since >= SILENT_SECONDS:
                expected.append(worker)
        assert sorted(workers.silent_for(SILENT_SECONDS)) == sorted(expected)
