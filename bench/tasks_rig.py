"""Shared parts of the task service's measurements: the database, workers and queued runs.

PostgreSQL confirms a commit when it is on the disk. It counts statements by `pg_stat_statements`, for all measurements
alike.
"""

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
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
from task_service.adapters.postgres.database import MIGRATIONS, tasks_database
from task_service.adapters.postgres.runs import PostgresRuns
from task_service.adapters.postgres.tasks import PostgresTasks
from task_service.application.ports.vault import LinkedGrant
from task_service.domain.owner import Owner
from task_service.domain.run import Cause
from task_service.domain.task import TokenStatus

OWNER = Owner("https://issuer.example", "bench")
WAIT_SECONDS = 300.0
PLAIN = """
create table plain_runs (id uuid primary key, number integer, issuer text, subject text, cause text, status text,
    fence bigint, job_id bigint, progress smallint, result text, created_at timestamptz default now(),
    started_at timestamptz, completed_at timestamptz);
create table plain_attempts (id uuid primary key, fence bigint, run integer, persistent_token_id uuid,
    queued_at timestamptz default now(), started_at timestamptz, ended_at timestamptz, outcome text);
grant all on plain_runs, plain_attempts to tasks;
"""
FILL = """
with made as (
    insert into tasks (id, issuer, subject, name, description, persistent_token_id, token_status, last_run)
    select gen_random_uuid(), %(issuer)s, %(subject)s || coalesce('-' || nullif(place %% %(owners)s, 0), ''), 'n', '',
           gen_random_uuid(), 'active', 1
    from generate_series(1, %(number)s) as place
    returning id, issuer, subject, persistent_token_id
), placed as (
    select *, 1 + row_number() over () as place from made
), job as (
    insert into procrastinate_jobs (queue_name, task_name, priority, args)
    select 'attempts', 'task_service.run_attempt', -place, jsonb_build_object('task_id', id, 'fence', 1) from placed
    returning id, priority, args
), tried as (
    insert into attempts (task_id, fence, run, persistent_token_id) select id, 1, 1, persistent_token_id from placed
)
insert into runs (task_id, number, issuer, subject, cause, status, fence, job_id, queue_tag, latest, task_created_at)
select placed.id, 1, issuer, subject, 'user', 'queued', 1, job.id, place, true, now()
from placed
join job on (args->>'task_id')::uuid = placed.id
"""
FILL_PLAIN = """
with made as (
    select gen_random_uuid() as id from generate_series(1, %(number)s)
), job as (
    insert into procrastinate_jobs (queue_name, task_name, args)
    select 'attempts', 'task_service.run_attempt', jsonb_build_object('task_id', id, 'fence', 1) from made
    returning id, args
), tried as (
    insert into plain_attempts (id, fence, run) select id, 1, 1 from made
)
insert into plain_runs (id, number, issuer, subject, cause, status, fence, job_id)
select (args->>'task_id')::uuid, 1, %(issuer)s, %(subject)s, 'user', 'queued', 1, id from job
"""
STATEMENTS = """
select coalesce(sum(calls), 0) from pg_stat_statements s join pg_roles r on r.oid = s.userid
where s.toplevel and r.rolname = 'tasks'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPlan:
    """rounds: medians are taken over so many; jobs: of one measurement of throughput; tasks: of the long list.

    parts: names of `bench.tasks.PARTS`.
    """

    rounds: int
    jobs: int
    tasks: int
    parts: Sequence[str]


@dataclass(frozen=True, slots=True)
class Goal:
    """The least or the most that a figure may be."""

    least: float | None = None
    most: float | None = None

    def __str__(self) -> str:
        return f"≥ {self.least:g}" if self.least is not None else f"≤ {self.most:g}"


@dataclass(frozen=True, slots=True)
class TaskFigure:
    """Measured values, of one round or of each. goal: None for what only explains others."""

    name: str
    values: Sequence[float]
    goal: Goal | None = None

    @property
    def median(self) -> float:
        """Of all rounds."""
        return statistics.median(self.values)

    @property
    def is_reached(self) -> bool:
        """True without a goal."""
        if self.goal is None:
            return True
        least, most = self.goal.least, self.goal.most
        return (least is None or self.median >= least) and (most is None or self.median <= most)

    def __str__(self) -> str:
        spread = f"({min(self.values):.2f} to {max(self.values):.2f})" if len(self.values) > 1 else ""
        goal = f"{self.goal}{'' if self.is_reached else ', not reached'}" if self.goal else ""
        return f"{self.name:<66}{self.median:>10.2f} {spread:<20} {goal}".rstrip()


@dataclass(frozen=True, slots=True)
class Bench:
    """The database: as the service connects to it, and as its owner does."""

    database: Database
    url: str
    owner: psycopg.Connection

    def one(self, query: str) -> float:
        """The number that a query finds; 0 for none."""
        row = self.owner.execute(query.encode()).fetchone()
        return float(row[0]) if row and row[0] is not None else 0.0

    def until(self, query: str, wanted: int) -> int:
        """Wait until a query counts so many; how often it was asked. Raises BenchError."""
        deadline, asked = monotonic() + WAIT_SECONDS, 1
        while self.one(query) != wanted:
            if monotonic() > deadline:
                raise BenchError(f"{wanted} was not reached: {query}")
            sleep(0.01 if wanted <= 1 else 0.1)
            asked += 1
        return asked

    def empty(self) -> None:
        """Remove all rows."""
        self.owner.execute(
            "truncate owners, list_versions, tasks, procrastinate_jobs, procrastinate_workers, plain_runs,"
            " plain_attempts cascade"
        )

    def statements(self) -> float:
        """Statements of the service so far; BEGIN and COMMIT are statements too."""
        return self.one(STATEMENTS)


@contextmanager
def running(folder: Path) -> Iterator[Bench]:
    """A database server of its own. folder: where its data are, on a disk."""
    passwords = dict.fromkeys(("vault_owner", "vault", "tasks_owner", "tasks"), "bench")
    with ExitStack() as scope:
        data = Path(scope.enter_context(tempfile.TemporaryDirectory(dir=folder, ignore_cleanup_errors=True)))
        data.chmod(0o755)
        counted = "shared_preload_libraries=pg_stat_statements"
        server = scope.enter_context(postgres.running(data / "postgres", free_port(), counted))
        postgres.create_databases(server.url, passwords)
        host = server.url.rpartition("@")[2].partition("/")[0]
        MIGRATIONS.apply(f"postgresql://tasks_owner:bench@{host}/tasks")
        url = f"postgresql://tasks:bench@{host}/tasks"
        superuser = server.url.rpartition("/")[0] + "/tasks"
        owner = scope.enter_context(psycopg.connect(superuser, autocommit=True))
        owner.execute(PLAIN)
        owner.execute("create extension pg_stat_statements")
        database = tasks_database(url, name="bench", size=4)
        scope.callback(database.close)
        yield Bench(database, url, owner)


def fill(bench: Bench, number: int, owners: int = 1) -> list[UUID]:
    """Queue so many runs of new tasks, of so many owners in turn; the tasks."""
    return [queue(bench, owner_of(place % owners)) for place in range(number)]


def owner_of(place: int) -> Owner:
    """One of many owners; the first is OWNER."""
    return Owner(OWNER.issuer, f"{OWNER.sub}-{place}") if place else OWNER


def queue(bench: Bench, owner: Owner) -> UUID:
    """Queue a run of a new task."""
    tasks = PostgresTasks(bench.database)
    task = tasks.add(owner, "n", "")
    tasks.link(task.id, owner, LinkedGrant(uuid4(), TokenStatus.ACTIVE))
    PostgresRuns(bench.database).enqueue(task.id, owner, Cause.USER)
    return task.id


def fill_many(bench: Bench, number: int, owners: int = 1) -> None:
    """The same in one statement, without what triggers do for a run that is queued."""
    _without_triggers(bench, FILL, number, owners)


def fill_plain(bench: Bench, number: int, _: int = 1) -> None:
    """Queue so many runs of the plain engine."""
    _without_triggers(bench, FILL_PLAIN, number, 1)


def _without_triggers(bench: Bench, statement: str, number: int, owners: int) -> None:
    values = {"issuer": OWNER.issuer, "subject": OWNER.sub, "number": number, "owners": owners}
    bench.owner.execute("set session_replication_role = replica")
    bench.owner.execute(statement.encode(), values)
    bench.owner.execute("set session_replication_role = origin")


@contextmanager
def worker(kind: str, url: str) -> Iterator[None]:
    """A process of `bench.task_worker`."""
    process = subprocess.Popen([sys.executable, "-m", "bench.task_worker", kind, url], cwd=ROOT)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def workers(bench: Bench, kind: str, number: int) -> Iterator[None]:
    """So many of them. What is queued before is given to them when all have started."""
    bench.owner.execute("update procrastinate_jobs set queue_name = 'held'")
    with ExitStack() as scope:
        for _ in range(number):
            scope.enter_context(worker(kind, bench.url))
        bench.until("select count(*) from procrastinate_workers", number)
        bench.owner.execute("update procrastinate_jobs set queue_name = %s", [jobs.QUEUE])
        bench.owner.execute("vacuum analyze procrastinate_jobs, runs, attempts")
        bench.owner.execute(
            "select pg_notify(%s, %s)",
            [f"procrastinate_queue_v1#{jobs.QUEUE}", '{"type": "job_inserted", "job_id": 0}'],
        )
        yield


def median_ms(work: Callable[[], object], times: int) -> float:
    """Milliseconds of a call, after one that is not counted."""
    work()
    taken = []
    for _ in range(times):
        started = perf_counter()
        work()
        taken.append((perf_counter() - started) * 1000)
    return statistics.median(taken)
