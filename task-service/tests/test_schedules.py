"""Schedules on a real database: ticks, overlap, revocation, and what a tick costs."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import psycopg
import pytest
from scripted_vault import ScriptedVault

from service_kit.postgres.database import Database
from task_service.adapters.postgres.attempts import PostgresAttempts
from task_service.adapters.postgres.schedules import PostgresSchedules
from task_service.adapters.postgres.tasks import PostgresTasks
from task_service.application.errors import ScheduleNotFoundError, TaskNotFoundError
from task_service.application.execute import ExecuteTasks
from task_service.application.manage import ManageTasks, Person
from task_service.application.ports.vault import LinkedGrant
from task_service.application.schedules import AT_ONCE, ManageSchedules, Tick
from task_service.domain.attempt import AttemptKey
from task_service.domain.schedule import Forecast, Overlap, Rule, Schedule, ScheduleStatus, StopReason
from task_service.domain.status import TaskStatus
from task_service.domain.task import Policy, TokenStatus

Look = Callable[..., list[tuple[object, ...]]]
SELDOM = Rule(cron="0 0 29 2 *")
DUE = "update schedules set next_run_at = now() - interval '3 minutes' where status = 'active' returning 1"


@pytest.fixture
def tick(database: Database) -> Tick:
    """A worker's tick."""
    return Tick(PostgresSchedules(database))


@pytest.fixture
def scheduled(
    manage: ManageTasks, execution: ExecuteTasks, vault: ScriptedVault, alice: Person
) -> Callable[..., tuple[UUID, UUID]]:
    """Makes tasks with a schedule and an active token: the ids of both."""

    def make(rule: Rule = SELDOM) -> tuple[UUID, UUID]:
        task = manage.create(alice, "Data Processing", "", Policy(schedule=rule))
        token_id = vault.knows(alice.owner, TokenStatus.ACTIVE)
        execution.link(alice, task.id, token_id)
        return task.id, token_id

    return make


@pytest.fixture
def schedule_of(manage: ManageTasks, alice: Person) -> Callable[[UUID], Schedule]:
    """A task's schedule as its owner sees it."""

    def find(task_id: UUID) -> Schedule:
        schedule = manage.find(alice, task_id).schedule
        assert schedule is not None
        return schedule

    return find


def finish(attempts: PostgresAttempts, task_id: UUID, fence: int) -> None:
    """A worker makes the attempt."""
    attempt = attempts.begin(AttemptKey(task_id, fence))
    assert attempt is not None
    assert attempts.complete(attempt, "done")


def test_a_schedule_runs_its_task_again_and_again(
    tick: Tick,
    scheduled: Callable[..., tuple[UUID, UUID]],
    schedule_of: Callable[[UUID], Schedule],
    manage: ManageTasks,
    attempts: PostgresAttempts,
    alice: Person,
    look: Look,
) -> None:
    """Also a completed one, and while its owner is not there: three runs, each of the cause `schedule`."""
    task_id, _ = scheduled()
    assert tick.tick() == 0
    for number in (1, 2, 3):
        look(DUE)
        assert tick.tick() == 1
        assert tick.tick() == 0
        assert manage.find(alice, task_id).status is TaskStatus.QUEUED
        finish(attempts, task_id, number)
    assert look("select number, cause, status from runs order by number") == [
        (number, "schedule", "completed") for number in (1, 2, 3)
    ]
    schedule = schedule_of(task_id)
    assert schedule.next_run_at is not None
    assert schedule.next_run_at > datetime.now(UTC)


def test_of_ticks_at_once_one_makes_the_run(
    database: Database, scheduled: Callable[..., tuple[UUID, UUID]], look: Look
) -> None:
    """Of each of many schedules; none waits for another."""
    for _ in range(3 * AT_ONCE):
        scheduled()
    look(DUE)
    with ThreadPoolExecutor(8) as pool:
        ticks = [Tick(PostgresSchedules(database)) for _ in range(8)]
        assert sum(pool.map(lambda each: each.tick(), ticks)) <= 3 * AT_ONCE
    Tick(PostgresSchedules(database)).tick()
    assert look("select count(*), count(distinct task_id), max(number) from runs") == [(3 * AT_ONCE, 3 * AT_ONCE, 1)]
    assert look("select count(*) from procrastinate_jobs") == [(3 * AT_ONCE,)]


def test_a_tick_waits_for_no_lock(
    tick: Tick, scheduled: Callable[..., tuple[UUID, UUID]], tasks_url: str, look: Look
) -> None:
    """A locked task is run by a later tick, the others now."""
    held, _ = scheduled()
    free, _ = scheduled()
    look(DUE)
    with psycopg.connect(tasks_url) as other:
        other.execute("select from tasks where id = %s for update", [held])
        assert tick.tick() == 1
        assert look("select task_id from runs") == [(free,)]
    assert tick.tick() == 1


def test_a_run_that_is_due_while_the_task_is_under_way_is_left_out(
    tick: Tick,
    scheduled: Callable[..., tuple[UUID, UUID]],
    schedule_of: Callable[[UUID], Schedule],
    look: Look,
) -> None:
    """The default; the schedule says which one was missed."""
    task_id, _ = scheduled()
    look(DUE)
    tick.tick()
    look(DUE)
    due = schedule_of(task_id).next_run_at
    tick.tick()
    assert look("select count(*) from runs") == [(1,)]
    assert schedule_of(task_id).missed_at == due


def test_a_queued_run_comes_when_the_one_under_way_has_ended(
    tick: Tick,
    scheduled: Callable[..., tuple[UUID, UUID]],
    schedule_of: Callable[[UUID], Schedule],
    attempts: PostgresAttempts,
    look: Look,
) -> None:
    """One, however many times have passed; a run at a time is not lost either."""
    task_id, _ = scheduled(Rule(cron="0 0 29 2 *", overlap=Overlap.QUEUE))
    look(DUE)
    tick.tick()
    look(DUE)
    assert tick.tick() == 1
    assert schedule_of(task_id).held
    assert tick.tick() == 0
    finish(attempts, task_id, 1)
    assert not schedule_of(task_id).held
    assert tick.tick() == 1
    assert tick.tick() == 0
    assert look("select number, status from runs order by number") == [(1, "completed"), (2, "queued")]


def test_a_run_that_ends_while_the_tick_looks_leaves_no_schedule_behind(
    tick: Tick,
    scheduled: Callable[..., tuple[UUID, UUID]],
    schedule_of: Callable[[UUID], Schedule],
    tasks_url: str,
    look: Look,
) -> None:
    """The worker has written the end and not committed yet: the schedule stays due."""
    task_id, _ = scheduled(Rule(cron="0 0 29 2 *", overlap=Overlap.QUEUE))
    look(DUE)
    tick.tick()
    look(DUE)
    with psycopg.connect(tasks_url) as worker:
        worker.execute("update runs set status = 'failed' where task_id = %s", [task_id])
        tick.tick()
        assert not schedule_of(task_id).held
    assert tick.tick() == 1
    assert look("select count(*) from runs") == [(2,)]


def test_a_run_at_a_time_is_made_once(
    tick: Tick,
    scheduled: Callable[..., tuple[UUID, UUID]],
    schedule_of: Callable[[UUID], Schedule],
    attempts: PostgresAttempts,
    look: Look,
) -> None:
    """Also when that time had passed before it was set."""
    past = datetime(2020, 1, 1, tzinfo=UTC)
    task_id, _ = scheduled(Rule(run_at=past))
    assert tick.tick() == 1
    finish(attempts, task_id, 1)
    assert tick.tick() == 0
    schedule = schedule_of(task_id)
    assert (schedule.status, schedule.last_run_at, schedule.next_run_at) == (ScheduleStatus.ENDED, past, None)


def test_a_schedule_stops_with_its_grant_and_says_so(
    tick: Tick,
    scheduled: Callable[..., tuple[UUID, UUID]],
    schedule_of: Callable[[UUID], Schedule],
    schedules: ManageSchedules,
    tasks: PostgresTasks,
    attempts: PostgresAttempts,
    alice: Person,
    look: Look,
) -> None:
    """The worker learns it first: that run fails, and no other is made until the owner has granted access again."""
    task_id, _ = scheduled()
    look(DUE)
    tick.tick()
    attempt = attempts.begin(AttemptKey(task_id, 1))
    assert attempt is not None
    assert attempts.fail(attempt, "Token request failed. Please try again.", token_failed=True)
    stopped = schedule_of(task_id)
    assert (stopped.status, stopped.stop_reason) == (ScheduleStatus.STOPPED, StopReason.TOKEN_FAILED)
    assert look(DUE) == []
    assert tick.tick() == 0
    tasks.link(task_id, alice.owner, LinkedGrant(uuid4(), TokenStatus.ACTIVE))
    assert schedules.resume(alice, task_id).status is ScheduleStatus.ACTIVE
    look(DUE)
    assert tick.tick() == 1


def test_a_schedule_without_a_usable_token_misses_its_runs_and_goes_on(
    tick: Tick, manage: ManageTasks, schedule_of: Callable[[UUID], Schedule], alice: Person, look: Look
) -> None:
    """The schedule's owner may grant access later."""
    task = manage.create(alice, "a", "", Policy(schedule=SELDOM))
    look(DUE)
    assert tick.tick() == 1
    schedule = schedule_of(task.id)
    assert schedule.status is ScheduleStatus.ACTIVE
    assert schedule.missed_at is not None
    assert look("select count(*) from runs") == [(0,)]


def test_a_paused_schedule_makes_no_run_and_a_resumed_one_does(
    tick: Tick,
    scheduled: Callable[..., tuple[UUID, UUID]],
    schedules: ManageSchedules,
    alice: Person,
    look: Look,
) -> None:
    """Pausing and resuming twice is once."""
    task_id, _ = scheduled()
    look(DUE)
    for _ in range(2):
        assert schedules.pause(alice, task_id).status is ScheduleStatus.PAUSED
    assert tick.tick() == 0
    first = schedules.resume(alice, task_id)
    assert schedules.resume(alice, task_id) == first
    assert first.next_run_at is not None
    assert first.next_run_at > datetime.now(UTC)
    look(DUE)
    assert tick.tick() == 1


def test_schedules_are_their_owners(
    schedules: ManageSchedules,
    scheduled: Callable[..., tuple[UUID, UUID]],
    manage: ManageTasks,
    alice: Person,
    bob: Person,
    look: Look,
) -> None:
    """Another person's does not exist; a task's schedule goes with it."""
    task_id, _ = scheduled()
    for act in (
        lambda: schedules.put(bob, task_id, SELDOM),
        lambda: schedules.pause(bob, task_id),
        lambda: schedules.resume(bob, task_id),
        lambda: schedules.remove(bob, task_id),
        lambda: schedules.outlook(bob, task_id, 5),
    ):
        with pytest.raises(TaskNotFoundError):
            act()
    schedules.remove(alice, task_id)
    with pytest.raises(ScheduleNotFoundError):
        schedules.outlook(alice, task_id, 5)
    schedules.put(alice, task_id, SELDOM)
    manage.delete(alice, task_id)
    assert look("select count(*) from schedules") == [(0,)]


def test_the_outlook_says_ahead_whether_the_access_lasts(
    schedules: ManageSchedules,
    scheduled: Callable[..., tuple[UUID, UUID]],
    vault: ScriptedVault,
    alice: Person,
) -> None:
    """From the vault's word about the grant's end; unknown without one, and while the vault does not answer."""
    task_id, token_id = scheduled(Rule(cron="0 0 1 1 *"))
    soon, late = (datetime.now(UTC) + timedelta(days=days) for days in (1, 4000))
    said = []
    for status, ends_at in (
        (TokenStatus.ACTIVE, None),
        (TokenStatus.ACTIVE, soon),
        (TokenStatus.ACTIVE, late),
        (TokenStatus.FAILED, None),
    ):
        vault.says(alice.owner, token_id, status, ends_at)
        outlook = schedules.outlook(alice, task_id, 5)
        said.append(outlook.forecast)
        assert len(outlook.next_runs) == 5
        assert outlook.ends_at == ends_at
    vault.unavailable = True
    said.append(schedules.outlook(alice, task_id, 5).forecast)
    assert said == [
        Forecast.UNKNOWN,
        Forecast.ENDS_BEFORE_NEXT_RUN,
        Forecast.COVERED,
        Forecast.NO_ACCESS,
        Forecast.UNKNOWN,
    ]


def test_a_tick_reads_no_more_among_many_schedules(
    database: Database, tick: Tick, scheduled: Callable[..., tuple[UUID, UUID]], tasks_url: str, look: Look
) -> None:
    """Schedules that are not due cost nothing. A due one is found by its index."""
    look(
        "with made as (insert into tasks (id, issuer, subject, name, description)"
        " select gen_random_uuid(), 'i', 's' || number, 'n', '' from generate_series(1, 20000) as number"
        " returning id, subject)"
        " insert into schedules (task_id, issuer, subject, cron, timezone, overlap, status, next_run_at)"
        " select id, 'i', subject, '0 0 * * *', 'UTC', 'skip', 'active', now() + interval '1 hour' from made"
        " returning 1"
    )
    scheduled()
    with psycopg.connect(tasks_url.replace("tasks:test@", "tasks_owner:test@"), autocommit=True) as connection:
        connection.execute("vacuum analyze")
    query = "select coalesce(sum(seq_tup_read) + sum(idx_tup_fetch), 0) from pg_stat_user_tables where relname = %s"

    def read() -> int:
        database.one(b"select pg_stat_force_next_flush()", {})
        database.ping()
        return int(str(look(query, "schedules")[0][0]))

    tick.tick()
    before = read()
    tick.tick()
    assert read() - before <= 10  # other connections of the pool tell what they read when they like
    look("update schedules set next_run_at = now() where issuer <> 'i' returning 1")
    before = read()
    assert tick.tick() == 1
    assert read() - before <= 10
