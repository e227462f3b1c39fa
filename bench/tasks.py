"""Speed of the task service: T2 to T6 and what a task costs, on a database of its own.

Ratios are taken within one run, in turns: workers of the service against the plain engine that writes the same rows
(`task_worker`); short queues and lists against long ones. PostgreSQL confirms a commit when it is on the disk.
"""

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, perf_counter, sleep
from uuid import UUID, uuid4

import psycopg
from stack import ROOT, free_port

from bench.outcome import BenchError
from local_stack import postgres
from service_kit.postgres.database import Database
from task_service.adapters.engine import jobs
from task_service.adapters.engine.watch import ProcrastinateWatch
from task_service.adapters.postgres.attempts import PostgresAttempts
from task_service.adapters.postgres.database import MIGRATIONS, tasks_database
from task_service.adapters.postgres.listing import PostgresTaskList
from task_service.adapters.postgres.runs import PostgresRuns
from task_service.adapters.postgres.schedules import PostgresSchedules
from task_service.adapters.postgres.tasks import PostgresTasks
from task_service.application.ports.vault import LinkedGrant
from task_service.application.recover import Recover, SilentWorkers
from task_service.domain.attempt import AttemptKey
from task_service.domain.listing import Position, TaskQuery
from task_service.domain.owner import Owner
from task_service.domain.run import Cause
from task_service.domain.status import TaskStatus
from task_service.domain.task import TokenStatus

OWNER = Owner("https://issuer.example", "bench")
WAIT_SECONDS = 300.0
WORKERS = (1, 2, 3)
FILL_COMMITS = 3
"""Commits of making a task, linking it and queueing its run."""
STEPS_AT_ONCE = 16
"""Tasks with ten steps of progress that one worker runs at the same time."""
FETCH = "select id from procrastinate_fetch_job_v2(array['attempts'], %s::bigint)"
PLAIN = """
create table plain_runs (id uuid primary key, number integer, issuer text, subject text, cause text, status text,
    fence bigint, job_id bigint, progress smallint, result text, created_at timestamptz default now(),
    started_at timestamptz, completed_at timestamptz);
create table plain_attempts (id uuid primary key, fence bigint, run integer, persistent_token_id uuid,
    queued_at timestamptz default now(), started_at timestamptz, ended_at timestamptz, outcome text);
grant all on plain_runs, plain_attempts to tasks;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """rounds: medians are taken over so many; jobs: of one measurement of throughput; tasks: of the long list."""

    rounds: int
    jobs: int
    tasks: int


@dataclass(frozen=True, slots=True)
class Bench:
    """The database: as the service connects to it, and as its owner does."""

    database: Database
    url: str
    owner: psycopg.Connection


def measure(plan: Plan, folder: Path, say: Callable[[str], None]) -> dict[str, float]:
    """All figures, by name."""
    with _bench(folder) as bench:
        figures = _throughput(bench, plan, say)
        say(table(figures))
        for part in (_latency, _steps, _together, _queue_length, _list_length, _schedules):
            _empty(bench)
            measured = part(bench, plan)
            say(table(measured))
            figures |= measured
    return figures


def table(figures: dict[str, float]) -> str:
    """A line for each figure."""
    return "\n".join(f"{name:<72}{value:>12.2f}" for name, value in figures.items())


@contextmanager
def _bench(folder: Path) -> Iterator[Bench]:
    passwords = dict.fromkeys(("vault_owner", "vault", "tasks_owner", "tasks"), "bench")
    with ExitStack() as scope:
        data = Path(scope.enter_context(tempfile.TemporaryDirectory(dir=folder, ignore_cleanup_errors=True)))
        data.chmod(0o755)
        server = scope.enter_context(postgres.running(data / "postgres", free_port()))
        postgres.create_databases(server.url, passwords)
        host = server.url.rpartition("@")[2].partition("/")[0]
        MIGRATIONS.apply(f"postgresql://tasks_owner:bench@{host}/tasks")
        url = f"postgresql://tasks:bench@{host}/tasks"
        superuser = server.url.rpartition("/")[0] + "/tasks"
        owner = scope.enter_context(psycopg.connect(superuser, autocommit=True))
        owner.execute(PLAIN)
        database = tasks_database(url, name="bench", size=4)
        scope.callback(database.close)
        yield Bench(database, url, owner)


def _throughput(bench: Bench, plan: Plan, say: Callable[[str], None]) -> dict[str, float]:
    """T5: attempts a second with 1, 2 and 3 workers of one owner, beside the plain engine's."""
    rates: dict[tuple[str, int], list[float]] = {}
    commits: list[float] = []
    for number in range(plan.rounds):
        for workers in WORKERS:
            for kind in ("service", "plain"):
                _empty(bench)
                _fill(bench, kind, plan.jobs)
                before = _commits(bench)
                rates.setdefault((kind, workers), []).append(_run(bench, kind, workers, plan.jobs))
                if (kind, workers) == ("service", 1):
                    commits.append((_commits(bench) - before) / plan.jobs)
        say(f"round {number + 1} of {plan.rounds}")
    medians = {key: statistics.median(values) for key, values in rates.items()}
    figures = {}
    for workers in WORKERS:
        figures[f"T5 tasks a second, {workers} worker(s)"] = medians["service", workers]
        figures[f"T5 the same ÷ the plain engine, {workers} worker(s)"] = (
            medians["service", workers] / medians["plain", workers]
        )
    return {**figures, "commits a task, from queued to completed": statistics.median(commits)}


def _fill(bench: Bench, kind: str, number: int) -> list[UUID]:
    """Queue so many runs; the ids of their tasks, where there are tasks."""
    tasks, runs = PostgresTasks(bench.database), PostgresRuns(bench.database)
    made = []
    for _ in range(number):
        if kind == "service":
            task = tasks.add(OWNER, "n", "")
            tasks.link(task.id, OWNER, LinkedGrant(uuid4(), TokenStatus.ACTIVE))
            runs.enqueue(task.id, OWNER, Cause.USER)
            made.append(task.id)
        else:
            _add_plain(bench)
    return made


def _add_plain(bench: Bench) -> None:
    run_id = uuid4()
    with bench.database.transaction() as connection:
        job_id = jobs.enqueue(connection, AttemptKey(run_id, 1), 0)
        connection.execute(
            b"insert into plain_runs (id, number, issuer, subject, cause, status, fence, job_id)"
            b" values (%s, 1, %s, %s, 'user', 'queued', 1, %s)",
            [run_id, OWNER.issuer, OWNER.sub, job_id],
        )
        connection.execute(b"insert into plain_attempts (id, fence, run) values (%s, 1, 1)", [run_id])


def _run(bench: Bench, kind: str, workers: int, number: int) -> float:
    """Jobs a second, from the first that begins to the last that ends."""
    runs = "runs" if kind == "service" else "plain_runs"
    with ExitStack() as scope:
        for _ in range(workers):
            scope.enter_context(_worker(kind, bench.url))
        _until(bench, f"select count(*) from {runs} where status = 'completed'", number)
    return number / _one(bench, f"select extract(epoch from max(completed_at) - min(started_at)) from {runs}")


@contextmanager
def _worker(kind: str, url: str) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-m", "bench.task_worker", kind, url], cwd=ROOT)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def _latency(bench: Bench, _: Plan) -> dict[str, float]:
    """T2: with an idle worker, from `execute` to running, and from `cancel` until the worker has stopped."""
    begun, stopped = [], []
    runs = PostgresRuns(bench.database)
    with _worker("steps", bench.url):
        for number in range(41):
            (task_id,) = _fill(bench, "service", 1)
            _until(bench, "select count(*) from runs where status = 'running'", 1)
            if number == 0:  # the worker has only started
                runs.cancel(task_id, OWNER, "")
                _until(bench, "select count(*) from procrastinate_jobs", 0)
                continue
            begun.append(1000 * _one(bench, "select extract(epoch from max(started_at - created_at)) from runs"))
            started = perf_counter()
            runs.cancel(task_id, OWNER, "")
            _until(bench, "select count(*) from procrastinate_jobs", 0)
            stopped.append(1000 * (perf_counter() - started))
    return {
        "T2 from execute to running, ms": statistics.median(begun),
        "T2 from cancel to stopped, ms": statistics.median(stopped),
        "T2 the longest of 40 from cancel to stopped, ms": max(stopped),
    }


def _steps(bench: Bench, _: Plan) -> dict[str, float]:
    """Commits of a task with ten steps of progress, each of which is written: alone, and beside fifteen others."""
    figures = {}
    with _worker("steps", bench.url):
        _fill(bench, "service", 1)
        _until(bench, "select count(*) from runs where status = 'completed'", 1)
        before = _commits(bench)
        sleep(10)
        idle = (_commits(bench) - before) / 11.1
        for name, number in (("alone", 1), (f"beside {STEPS_AT_ONCE - 1} others", STEPS_AT_ONCE)):
            bench.owner.execute("truncate tasks cascade")
            before, started = _commits(bench), monotonic()
            _fill(bench, "service", number)
            own = FILL_COMMITS * number + _until(bench, "select count(*) from runs where status = 'completed'", number)
            took, after = monotonic() - started, _commits(bench)
            figures[f"commits of a task with ten steps, {name}"] = (after - before - own - idle * took) / number
    return figures


def _together(bench: Bench, _: Plan) -> dict[str, float]:
    """One statement that changes many tasks of one owner, as when a token of theirs ends; the list is told of each."""
    bench.owner.execute(
        "insert into tasks (id, issuer, subject, name, description, persistent_token_id, token_status)"
        " select gen_random_uuid(), %s, %s, 'n', '', gen_random_uuid(), 'active' from generate_series(1, 10000)",
        [OWNER.issuer, OWNER.sub],
    )
    status = iter(["failed", "active"] * 3)
    took = _median_ms(lambda: bench.owner.execute("update tasks set token_status = %s", [next(status)]), 4)
    return {"token status of 10,000 tasks in one statement, ms": took}


def _queue_length(bench: Bench, _: Plan) -> dict[str, float]:
    """T6 and the sweep: with 100 and with 100,000 waiting."""
    fetched, swept = [], []
    worker = _one(bench, "select worker_id from procrastinate_register_worker_v1()")
    sweep = Recover(
        ProcrastinateWatch(bench.database), PostgresAttempts(bench.database), SilentWorkers(), lambda *_: None,
        lambda _: None,
    ).sweep  # fmt: skip
    for waiting in (100, 99_900):
        bench.owner.execute("set session_replication_role = replica")  # no notice for each, to be quick
        bench.owner.execute(
            "insert into procrastinate_jobs (queue_name, task_name, args)"
            " select 'attempts', 'x', '{}' from generate_series(1, %s)",
            [waiting],
        )
        bench.owner.execute("set session_replication_role = origin")
        bench.owner.execute("vacuum analyze procrastinate_jobs")
        fetched.append(_median_ms(lambda: bench.owner.execute(FETCH, [worker]), 80))
        swept.append(_median_ms(sweep, 30))
    return {
        "T6 fetch rate with 100,000 ÷ with 100 waiting": fetched[0] / fetched[1],
        "sweep with 100 waiting, ms": swept[0],
        "sweep with 100,000 waiting, ms": swept[1],
    }


def _list_length(bench: Bench, plan: Plan) -> dict[str, float]:
    """T3 and T4: a poll without news, and a page of 50."""
    listing, figures = PostgresTaskList(bench.database), {}
    for number in (1000, 10_000, plan.tasks):
        _empty(bench)
        _add_completed(bench, number)
        figures[f"T3 version for a poll among {number:,}, ms"] = _median_ms(lambda: listing.list_version(OWNER), 200)
        figures[f"T4 page of 50 among {number:,}, ms"] = _median_ms(
            lambda: listing.page(OWNER, TaskQuery(), 50, None), 100
        )
    middle = Position(str(_moment(bench)), UUID(int=0))
    failed = TaskQuery(statuses=frozenset({TaskStatus.FAILED}))
    search = TaskQuery(search="needle")
    for name, query, after in (
        ("in the midst", TaskQuery(), middle),
        ("of one state", failed, None),
        ("found", search, None),
    ):
        page = _median_ms(lambda query=query, after=after: listing.page(OWNER, query, 50, after), 100)  # type: ignore[misc]
        figures[f"T4 page of 50 {name} among {plan.tasks:,}, ms"] = page
    return {**figures, "counts by state, ms": _median_ms(lambda: listing.counts(OWNER), 100)}


def _schedules(bench: Bench, _: Plan) -> dict[str, float]:
    """The tick with 100,000 schedules that are not due."""
    _add_completed(bench, 100_000)
    bench.owner.execute(
        "insert into schedules (task_id, issuer, subject, cron, timezone, overlap, status, next_run_at)"
        " select id, issuer, subject, '0 0 * * *', 'UTC', 'skip', 'active', now() + interval '1 day' from tasks"
    )
    bench.owner.execute("vacuum analyze schedules")
    schedules = PostgresSchedules(bench.database)
    return {"tick with 100,000 schedules, ms": _median_ms(lambda: schedules.fire_due(20), 200)}


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


def _median_ms(work: Callable[[], object], times: int) -> float:
    work()
    taken = []
    for _ in range(times):
        started = perf_counter()
        work()
        taken.append((perf_counter() - started) * 1000)
    return statistics.median(taken)


def _until(bench: Bench, query: str, wanted: int) -> int:
    """Wait until a query counts so many; how often it was asked. Raises BenchError."""
    deadline, asked = monotonic() + WAIT_SECONDS, 1
    while _one(bench, query) != wanted:
        if monotonic() > deadline:
            raise BenchError(f"{wanted} was not reached: {query}")
        sleep(0.01 if wanted <= 1 else 0.1)
        asked += 1
    return asked


def _moment(bench: Bench) -> object:
    row = bench.owner.execute("select percentile_disc(0.5) within group (order by created_at) from tasks").fetchone()
    return row[0] if row else None


def _commits(bench: Bench) -> float:
    sleep(1.1)  # what backends have counted is visible after a second
    return _one(bench, "select xact_commit from pg_stat_database where datname = current_database()")


def _one(bench: Bench, query: str) -> float:
    row = bench.owner.execute(query.encode()).fetchone()
    return float(row[0]) if row and row[0] is not None else 0.0


def _empty(bench: Bench) -> None:
    bench.owner.execute(
        "truncate owners, list_versions, tasks, procrastinate_jobs, procrastinate_workers, plain_runs, plain_attempts"
        " cascade"
    )
