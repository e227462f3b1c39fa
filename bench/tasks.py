"""Speed of the task service: T2 to T6 and what a task costs, on a database of its own.

Ratios are taken within one run, in turns: workers of the service against the plain engine that writes the same rows
(`task_worker`); short queues and lists against long ones.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, perf_counter, sleep

from bench import tasks_size
from bench.tasks_rig import (
    OWNER,
    Bench,
    Goal,
    TaskFigure,
    TaskPlan,
    fill,
    fill_many,
    fill_plain,
    owner_of,
    queue,
    running,
    worker,
    workers,
)
from task_service.adapters.postgres.runs import PostgresRuns

WORKERS = (1, 2, 3)
KINDS = {"one owner": ("service", 1), "100 owners": ("service", 100), "plain": ("plain", 1)}
"""What takes turns: the workers' kind, and the number of owners."""
STEPS_AT_ONCE = 16
"""Tasks with ten steps of progress that one worker runs at the same time."""
AHEAD = 10_000
"""Runs of one owner that wait when another owner's run is queued."""
OTHERS = 10
RATE = """
select count(*) / extract(epoch from max(ended) - min(ended))
from (select completed_at as ended, ntile(5) over (order by completed_at) as part from {runs}) as ends
where part > 1
"""
"""The first fifth is left out: each session of a worker plans its first statements anew."""
COMPLETED = "select count(*) from runs where status = 'completed'"
NEVER_SLOWER = Goal(least=0.95)
"""A worker more: 5 % are the spread of a measurement."""


def measure(plan: TaskPlan, folder: Path, say: Callable[[str], None]) -> list[TaskFigure]:
    """All figures, or those of the parts that the plan names."""
    found: list[TaskFigure] = []
    with running(folder) as bench:
        for name in plan.parts:
            bench.empty()
            figures = PARTS[name](bench, plan)
            say("\n".join(map(str, figures)))
            found += figures
    return found


def throughput(bench: Bench, plan: TaskPlan) -> list[TaskFigure]:
    """T5: attempts a second with 1, 2 and 3 workers, beside the plain engine's."""
    rates: dict[tuple[str, int], list[float]] = {}
    statements: list[float] = []
    for _ in range(plan.rounds):
        for number in WORKERS:
            for name in KINDS:
                rate, spent = _rate(bench, name, number, plan.jobs)
                rates.setdefault((name, number), []).append(rate)
                if (name, number) == ("one owner", 1):
                    statements.append(spent)
    figures = [
        TaskFigure(f"T5 tasks a second of {name}, {number} worker(s)", values)
        for (name, number), values in rates.items()
    ]
    for name in ("one owner", "100 owners"):
        for number in WORKERS:
            shares = _ratios(rates[name, number], rates["plain", number])
            figures.append(TaskFigure(f"T5 {name} ÷ plain engine, {number} worker(s)", shares, Goal(least=0.8)))
        for number in WORKERS[1:]:
            gained = _ratios(rates[name, number], rates[name, number - 1])
            figures.append(TaskFigure(f"T5 {name}: {number} workers ÷ {number - 1}", gained, NEVER_SLOWER))
    for number in WORKERS[1:]:
        gained = _ratios(rates["plain", number], rates["plain", number - 1])
        figures.append(TaskFigure(f"T5 plain engine: {number} workers ÷ {number - 1}", gained))
    return [*figures, TaskFigure("statements of a task without progress, from queued to completed", statements)]


def _ratios(values: list[float], others: list[float]) -> list[float]:
    return [value / other for value, other in zip(values, others, strict=True)]


def _rate(bench: Bench, name: str, number: int, jobs: int) -> tuple[float, float]:
    """Jobs a second; statements for each."""
    kind, owners = KINDS[name]
    runs = "runs" if kind == "service" else "plain_runs"
    bench.empty()
    (fill_many if kind == "service" else fill_plain)(bench, jobs, owners)
    before = bench.statements()
    with workers(bench, kind, number):
        bench.until(f"select count(*) from {runs} where status = 'completed'", jobs)
        bench.until("select count(*) from procrastinate_jobs", 0)
    return bench.one(RATE.format(runs=runs)), (bench.statements() - before) / jobs


def latency(bench: Bench, _: TaskPlan) -> list[TaskFigure]:
    """T2: with an idle worker, from `execute` to running, and from `cancel` until the worker has stopped."""
    begun, stopped = [], []
    runs = PostgresRuns(bench.database)
    with _warm(bench):
        for _number in range(40):
            task_id = queue(bench, OWNER)
            bench.until("select count(*) from runs where status = 'running'", 1)
            took = f"select extract(epoch from started_at - created_at) from runs where task_id = '{task_id}'"
            begun.append(1000 * bench.one(took))
            started = perf_counter()
            runs.cancel(task_id, OWNER, "")
            bench.until("select count(*) from procrastinate_jobs", 0)
            stopped.append(1000 * (perf_counter() - started))
    return [
        TaskFigure("T2 from execute to running, ms", begun, Goal(most=50)),
        TaskFigure("T2 from cancel to stopped, ms", stopped),
        TaskFigure("T2 the longest of 40 from cancel to stopped, ms", [max(stopped)], Goal(most=1200)),
    ]


@contextmanager
def _warm(bench: Bench) -> Iterator[None]:
    """A worker whose tasks have ten slow steps, after its first one."""
    with worker("steps", bench.url):
        first = queue(bench, OWNER)
        bench.until("select count(*) from runs where status = 'running'", 1)
        PostgresRuns(bench.database).cancel(first, OWNER, "")
        bench.until("select count(*) from procrastinate_jobs", 0)
        yield


def steps(bench: Bench, _: TaskPlan) -> list[TaskFigure]:
    """Statements of a task with ten steps of progress, each of which is written: alone, and beside others.

    Those of making a task and queueing it, and those of an idle worker, are taken off.
    """
    before = bench.statements()
    fill(bench, 20)
    made = (bench.statements() - before) / 20
    bench.empty()
    figures = []
    with _warm(bench):
        before, started = bench.statements(), monotonic()
        sleep(10)
        idle = (bench.statements() - before) / (monotonic() - started)
        for name, number in (("alone", 1), (f"beside {STEPS_AT_ONCE - 1} others", STEPS_AT_ONCE)):
            bench.owner.execute("truncate tasks cascade")
            before, started = bench.statements(), monotonic()
            fill(bench, number)
            bench.until(COMPLETED, number)
            bench.until("select count(*) from procrastinate_jobs", 0)
            spent = bench.statements() - before - made * number - idle * (monotonic() - started)
            figures.append(TaskFigure(f"statements of a task with ten steps, {name}", [spent / number]))
    return figures


def fairness(bench: Bench, _: TaskPlan) -> list[TaskFigure]:
    """A run behind 10,000 of another owner: seconds until it begins, and how many of the others begin before."""
    fill(bench, 1)
    fill_many(bench, AHEAD - 1)
    delays, overtaken = [], []
    with workers(bench, "service", 1):
        bench.until(f"select least(count(*), 20) from ({COMPLETED.replace('count(*)', '1')}) as ended", 20)
        for number in range(1, OTHERS + 1):
            task_id = queue(bench, owner_of(number))
            began = f"from runs r join runs o on o.task_id = '{task_id}'"
            bench.until(f"select count(*) from runs where task_id = '{task_id}' and status = 'completed'", 1)
            delays.append(bench.one(f"select max(extract(epoch from o.started_at - o.created_at)) {began}"))
            overtaken.append(
                bench.one(f"select count(*) {began} where r.started_at > o.created_at and r.started_at < o.started_at")
            )
        left = bench.one("select count(*) from procrastinate_jobs")
    rate = bench.one(
        "select count(*) / extract(epoch from max(completed_at) - min(started_at)) from runs where status = 'completed'"
    )
    return [
        TaskFigure("another owner's run behind 10,000: seconds until it begins", delays, Goal(most=2)),
        TaskFigure("runs that begin between", overtaken),
        TaskFigure("seconds that it would wait for all that are left", [left / rate]),
    ]


PARTS: Mapping[str, Callable[[Bench, TaskPlan], list[TaskFigure]]] = {
    "throughput": throughput,
    "latency": latency,
    "steps": steps,
    "fairness": fairness,
    "together": tasks_size.together,
    "queue": tasks_size.queue_length,
    "list": tasks_size.list_length,
    "batch": tasks_size.batch,
    "schedules": tasks_size.schedules,
}
