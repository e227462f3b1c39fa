"""Measures how cost grows with the number of tasks: the queue, the list, schedules, and a batch by filter."""

from functools import partial
from itertools import cycle
from uuid import UUID

from bench.tasks_rig import OWNER, Bench, Goal, TaskFigure, TaskPlan, median_ms
from task_service.adapters.engine.watch import ProcrastinateWatch
from task_service.adapters.postgres.attempts import PostgresAttempts
from task_service.adapters.postgres.listing import PostgresTaskList
from task_service.adapters.postgres.runs import PostgresRuns
from task_service.adapters.postgres.schedules import PostgresSchedules
from task_service.application.recover import Recover, SilentWorkers
from task_service.domain.listing import Position, TaskQuery
from task_service.domain.run import Cause
from task_service.domain.status import TaskStatus
from task_service.worker.engine import KEPT_PLANS

FETCH = "select id from procrastinate_fetch_job_v2(array['attempts'], %s::bigint)"
STEP = 100
"""Tasks of one step of a batch."""


def together(bench: Bench, _: TaskPlan) -> list[TaskFigure]:
    """One statement that changes many tasks of one owner, as when a token of theirs ends; the list is told of each."""
    bench.owner.execute(
        "insert into tasks (id, issuer, subject, name, description, persistent_token_id, token_status)"
        " select gen_random_uuid(), %s, %s, 'n', '', gen_random_uuid(), 'active' from generate_series(1, 10000)",
        [OWNER.issuer, OWNER.sub],
    )
    status = cycle(["failed", "active"])
    took = median_ms(lambda: bench.owner.execute("update tasks set token_status = %s", [next(status)]), 4)
    return [TaskFigure("token status of 10,000 tasks in one statement, ms", [took])]


def queue_length(bench: Bench, _: TaskPlan) -> list[TaskFigure]:
    """T6 and the sweep: with 1,000 and with 100,000 waiting."""
    fetched, swept = [], []
    bench.owner.execute(f"set {KEPT_PLANS}")  # as in the worker's sessions
    worker = bench.one("select worker_id from procrastinate_register_worker_v1()")
    sweep = Recover(
        ProcrastinateWatch(bench.database), PostgresAttempts(bench.database), SilentWorkers(), lambda *_: None,
        lambda _: None,
    ).sweep  # fmt: skip
    for waiting in (1000, 99_000):
        bench.owner.execute("set session_replication_role = replica")  # no notice for each, to be quick
        bench.owner.execute(
            "insert into procrastinate_jobs (queue_name, task_name, args)"
            " select 'attempts', 'x', '{}' from generate_series(1, %s)",
            [waiting],
        )
        bench.owner.execute("set session_replication_role = origin")
        bench.owner.execute("vacuum analyze procrastinate_jobs")
        fetched.append(median_ms(lambda: bench.owner.execute(FETCH, [worker]), 80))
        swept.append(median_ms(sweep, 30))
    bench.owner.execute("reset plan_cache_mode")
    return [
        TaskFigure("T6 fetch rate with 100,000 ÷ with 1,000 waiting", [fetched[0] / fetched[1]], Goal(least=0.9)),
        TaskFigure("sweep with 1,000 waiting, ms", [swept[0]]),
        TaskFigure("sweep with 100,000 waiting, ms", [swept[1]]),
        TaskFigure("sweep with 100,000 waiting ÷ with 1,000", [swept[1] / swept[0]], Goal(most=2)),
    ]


def list_length(bench: Bench, plan: TaskPlan) -> list[TaskFigure]:
    """T3 and T4: a poll without news, and a page of 50."""
    listing, figures = PostgresTaskList(bench.database), []
    for number in (1000, 10_000, plan.tasks):
        bench.empty()
        _add_completed(bench, number)
        poll = median_ms(lambda: listing.list_version(OWNER), 200)
        figures.append(TaskFigure(f"T3 version for a poll among {number:,}, ms", [poll], Goal(most=1)))
        page = median_ms(lambda: listing.page(OWNER, TaskQuery(), 50, None), 100)
        figures.append(TaskFigure(f"T4 page of 50 among {number:,}, ms", [page], Goal(most=10)))
    failed, found = TaskQuery(statuses=frozenset({TaskStatus.FAILED})), TaskQuery(search="needle")
    for name, query, after in (
        ("in the midst", TaskQuery(), _middle(bench)),
        ("of one state", failed, None),
        ("found", found, None),
    ):
        page = median_ms(partial(listing.page, OWNER, query, 50, after), 100)
        figures.append(TaskFigure(f"T4 page of 50 {name} among {plan.tasks:,}, ms", [page], Goal(most=10)))
    counts = median_ms(lambda: listing.counts(OWNER), 100)
    _add_runs(bench, 50)
    page = median_ms(lambda: listing.last_runs(listing.page(OWNER, TaskQuery(), 50, None)[0]), 100)
    return [
        *figures,
        TaskFigure("counts by state, ms", [counts]),
        TaskFigure(f"T4 page of 50 with the last ten runs of each among {plan.tasks:,}, ms", [page], Goal(most=10)),
    ]


def batch(bench: Bench, _: TaskPlan) -> list[TaskFigure]:
    """A batch by filter on 100,000 tasks: to find the tasks of a step and count what is left, and to execute them."""
    _add_completed(bench, 100_000)
    bench.owner.execute("update tasks set persistent_token_id = gen_random_uuid(), token_status = 'active'")
    bench.owner.execute("vacuum analyze tasks, runs")
    listing, runs = PostgresTaskList(bench.database), PostgresRuns(bench.database)
    query, middle = TaskQuery(statuses=frozenset({TaskStatus.COMPLETED})), _middle(bench)

    def select(after: Position | None) -> list[UUID]:
        tasks, following = listing.page(OWNER, query, STEP, after)
        if following is not None:
            listing.count_after(OWNER, query.sort, following)
        return [task.id for task in tasks]

    def execute() -> None:
        for task_id in select(None):
            runs.enqueue(task_id, OWNER, Cause.BATCH, allowed=frozenset({TaskStatus.COMPLETED}))

    return [
        TaskFigure(
            "batch of 100,000: find the first 100 and count the rest, ms", [median_ms(partial(select, None), 20)]
        ),
        TaskFigure("batch of 100,000: find 100 in its midst and count, ms", [median_ms(partial(select, middle), 20)]),
        TaskFigure("batch of 100,000: execute 100, ms", [median_ms(execute, 5)]),
    ]


def schedules(bench: Bench, _: TaskPlan) -> list[TaskFigure]:
    """The tick with 100,000 schedules that are not due."""
    _add_completed(bench, 100_000)
    bench.owner.execute(
        "insert into schedules (task_id, issuer, subject, cron, timezone, overlap, status, next_run_at)"
        " select id, issuer, subject, '0 0 * * *', 'UTC', 'skip', 'active', now() + interval '1 day' from tasks"
    )
    bench.owner.execute("vacuum analyze schedules")
    store = PostgresSchedules(bench.database)
    took = median_ms(lambda: store.fire_due(20), 200)
    return [TaskFigure("tick with 100,000 schedules that are not due, ms", [took], Goal(most=5))]


def _add_completed(bench: Bench, number: int) -> None:
    """Tasks that have completed, and a hundredth that failed and is named otherwise; without triggers, to be quick."""
    bench.owner.execute("set session_replication_role = replica")
    bench.owner.execute(
        "insert into tasks (id, issuer, subject, name, description, last_run, created_at)"
        " select gen_random_uuid(), %s, %s, case when n %% 10000 = 5 then 'needle' else 'task ' || n end, '', 1,"
        " now() - n * interval '1 second' from generate_series(1, %s) as n",
        [OWNER.issuer, OWNER.sub, number],
    )
    bench.owner.execute(
        "insert into runs (task_id, number, issuer, subject, cause, status, fence, latest, task_created_at)"
        " select id, 1, issuer, subject, 'user', case when random() < 0.01 then 'failed' else 'completed' end, 1, true,"
        " created_at from tasks"
    )
    bench.owner.execute("set session_replication_role = origin")
    bench.owner.execute("vacuum analyze tasks, runs")


def _add_runs(bench: Bench, number: int) -> None:
    """Nine more runs of each of the newest tasks."""
    newest = "(select id from tasks order by created_at desc limit %s)"
    bench.owner.execute("set session_replication_role = replica")
    bench.owner.execute(f"update tasks set last_run = 10 where id in {newest}", [number])
    bench.owner.execute(f"update runs set latest = false where task_id in {newest}", [number])
    bench.owner.execute(
        "insert into runs (task_id, number, issuer, subject, cause, status, fence, latest, task_created_at)"
        " select id, n, issuer, subject, 'user', 'completed', n, n = 10, created_at"
        f" from tasks, generate_series(2, 10) as n where id in {newest}",
        [number],
    )
    bench.owner.execute("set session_replication_role = origin")
    bench.owner.execute("vacuum analyze tasks, runs")


def _middle(bench: Bench) -> Position:
    row = bench.owner.execute("select percentile_disc(0.5) within group (order by created_at) from tasks").fetchone()
    return Position(str(row[0] if row else None), UUID(int=0))
