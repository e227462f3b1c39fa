"""Limits: attempts of the queue and of one owner at the same time, tasks of one owner, open ones among them."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import psycopg
import pytest

from service_kit.postgres.database import Database
from task_service import config
from task_service.adapters.postgres.attempts import PostgresAttempts
from task_service.adapters.postgres.runs import PostgresRuns
from task_service.adapters.postgres.tasks import PostgresTasks
from task_service.application.errors import TooManyOpenTasksError, TooManyTasksError
from task_service.application.manage import Person
from task_service.application.ports.vault import LinkedGrant
from task_service.config import TaskSettings
from task_service.domain.attempt import AttemptKey
from task_service.domain.fairness import OwnerLimits, Priority
from task_service.domain.run import Cause
from task_service.domain.task import Policy, TokenStatus
from task_service.worker import engine

Look = Callable[..., list[tuple[object, ...]]]
TAKE = "select id, args->>'task_id', (args->>'fence')::integer from fetch_attempt('attempts', %s, %s, %s)"


def ready(database: Database, person: Person, priority: Priority = Priority.NORMAL) -> UUID:
    """A task that can be executed."""
    tasks = PostgresTasks(database)
    task = tasks.add(person.owner, "n", "", Policy(priority=priority))
    tasks.link(task.id, person.owner, LinkedGrant(uuid4(), TokenStatus.ACTIVE))
    return task.id


@pytest.fixture
def queue(database: Database) -> Callable[..., UUID]:
    """Queues a run of a new task."""

    def add(person: Person, priority: Priority = Priority.NORMAL) -> UUID:
        task_id = ready(database, person, priority)
        PostgresRuns(database).enqueue(task_id, person.owner, Cause.USER)
        return task_id

    return add


@pytest.fixture
def take(look: Look) -> Callable[..., UUID | None]:
    """A worker takes the next job within limits: its task."""
    ((worker,),) = look("select id from procrastinate_register_worker_v1() as id")

    def next_one(*, at_once: int = 0, of_one_owner: int = 0) -> UUID | None:
        ((_, task_id, _),) = look(TAKE, worker, at_once, of_one_owner)
        return UUID(str(task_id)) if task_id else None

    return next_one


@pytest.fixture
def settings(tasks_url: str) -> TaskSettings:
    """A worker's."""
    vault = {"ISSUER": "https://issuer.example", "VAULT_URL": "http://127.0.0.1:9", "TASK_SERVICE_CLIENT_SECRET": "s"}
    return config.read({"TASK_DATABASE_URL": tasks_url, **vault})


def ended(look: Look, task_id: UUID) -> None:
    """The worker has ended the job of a task."""
    look("delete from procrastinate_jobs where args->>'task_id' = %s returning 1", str(task_id))


def test_an_owner_runs_no_more_than_the_limit_and_others_go_on(
    queue: Callable[..., UUID], take: Callable[..., UUID | None], look: Look, alice: Person, bob: Person
) -> None:
    """When a run of the owner ends, the owner's next run starts, in the queue's order."""
    hers, his = [queue(alice) for _ in range(100)], [queue(bob), queue(bob)]
    taken = [take(of_one_owner=2) for _ in range(5)]
    assert taken[-1] is None
    assert set(taken[:-1]) == {*hers[:2], *his}
    ended(look, hers[1])
    assert take(of_one_owner=2) == hers[2]
    assert take(of_one_owner=2) is None
    assert take(of_one_owner=3) == hers[3]
    assert take() == hers[4]


def test_an_owner_behind_everything_of_another_is_found(
    queue: Callable[..., UUID], take: Callable[..., UUID | None], look: Look, alice: Person, bob: Person
) -> None:
    """However many wait before it, and whatever its priority."""
    first = queue(alice)
    assert take(of_one_owner=1) == first
    for _ in range(70):
        queue(alice)
    later, sooner = queue(bob), queue(bob, Priority.HIGH)
    look("update procrastinate_jobs set priority = priority - 1000 where args->>'task_id' = any (%s) returning 1",
         [str(later), str(sooner)])  # fmt: skip
    look("update runs set queue_tag = queue_tag + 1000 where subject = %s returning 1", bob.owner.sub)
    hers, *others = (take(of_one_owner=2) for _ in range(4))
    assert hers not in {None, first, later, sooner}
    assert (set(others[:2]), others[2]) == ({later, sooner}, None)


def test_the_whole_queue_runs_no_more_than_the_limit(
    queue: Callable[..., UUID], take: Callable[..., UUID | None], look: Look, alice: Person, bob: Person
) -> None:
    """The limit holds for the runs of all owners together."""
    for person in (alice, bob, alice):
        queue(person)
    taken = [take(at_once=2) for _ in range(3)]
    assert taken.count(None) == 1
    ended(look, next(task_id for task_id in taken if task_id))
    assert take(at_once=2) is not None


def test_racing_workers_keep_the_limit(
    queue: Callable[..., UUID], take: Callable[..., UUID | None], tasks_url: str, look: Look, alice: Person
) -> None:
    """Twenty that fetch at the same moment see what the others have taken."""
    for _ in range(20):
        queue(alice)
    workers = [look("select id from procrastinate_register_worker_v1() as id")[0][0] for _ in range(20)]

    def fetch(worker: object) -> bool:
        with psycopg.connect(tasks_url, autocommit=True) as connection:
            row = connection.execute(TAKE, [worker, 0, 3]).fetchone()
        return row is not None and row[0] is not None

    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(fetch, workers)) == 3


class Noted:
    """In the place of `RunAttempt`: ends at once, and notes which attempts were under way together."""

    def __init__(self, number: int) -> None:
        """number: of attempts after which it has ended."""
        self.number = number
        self.running: set[UUID] = set()
        self.together: list[frozenset[UUID]] = []
        self.ended = threading.Event()

    def run(self, key: AttemptKey, _: object) -> str:
        """Run for a moment."""
        self.running.add(key.task_id)
        self.together.append(frozenset(self.running))
        time.sleep(0.005)  # the work of the attempt, beside which others run
        self.running.discard(key.task_id)
        if len(self.together) == self.number:
            self.ended.set()
        return "noted"  # the engine removes its job, unlike that of an attempt that has completed


def test_a_worker_at_its_limits_takes_the_next_attempt_when_one_ends(
    monkeypatch: pytest.MonkeyPatch, settings: TaskSettings, queue: Callable[..., UUID], alice: Person, bob: Person
) -> None:
    """And not when it looks the next time: here it never does."""
    monkeypatch.setattr(engine, "POLL_SECONDS", 1000.0)
    hers, his = {queue(alice) for _ in range(12)}, {queue(bob) for _ in range(4)}
    noted = Noted(len(hers | his))

    async def work() -> None:
        app = engine.create_app(settings, noted)  # type: ignore[arg-type] # it only notes what it is given
        async with app.open_async():
            working = asyncio.create_task(engine.work(app, 8, engine.RunningLimits(at_once=3, of_one_owner=2)))
            await asyncio.to_thread(noted.ended.wait, 30)
            working.cancel()
            await asyncio.wait([working])

    asyncio.run(work())
    assert max(len(running & hers) for running in noted.together) <= 2
    assert max(len(running) for running in noted.together) <= 3
    assert {task_id for running in noted.together for task_id in running} == hers | his


def test_the_engines_sessions_keep_their_plans(settings: TaskSettings) -> None:
    """A fetch from a queue of 100,000 costs what it costs from one of 1,000: half of it was planning."""

    async def shown() -> str:
        app = engine.create_app(settings, Noted(0))  # type: ignore[arg-type] # nothing is run
        async with app.open_async():
            row = await app.connector.execute_query_one_async("show plan_cache_mode")
        return str(row["plan_cache_mode"])

    assert asyncio.run(shown()) == "force_generic_plan"


def test_a_cancelled_attempt_makes_room(
    database: Database, queue: Callable[..., UUID], take: Callable[..., UUID | None], alice: Person
) -> None:
    """Also before its worker has stopped: it does not count against its owner."""
    first, second = queue(alice), queue(alice)
    assert take(of_one_owner=1) == first
    assert PostgresAttempts(database).begin(AttemptKey(first, 1)) is not None
    PostgresRuns(database).cancel(first, alice.owner, "enough")
    assert take(of_one_owner=1) == second


def test_an_owner_has_no_more_tasks_than_the_limit(database: Database, alice: Person, bob: Person) -> None:
    """Deleting makes room; others have their own."""
    tasks = PostgresTasks(database, OwnerLimits(tasks=2, open=1))
    first = tasks.add(alice.owner, "a", "")
    tasks.add(alice.owner, "b", "")
    with pytest.raises(TooManyTasksError):
        tasks.add(alice.owner, "c", "")
    tasks.add(bob.owner, "his", "")
    tasks.delete(first.id, alice.owner)
    tasks.add(alice.owner, "c", "")


def test_an_owner_has_no_more_open_tasks_than_the_limit(database: Database, alice: Person, bob: Person) -> None:
    """Waiting and running tasks count. An ended task makes room, and a refused one can be executed later."""
    runs = PostgresRuns(database, OwnerLimits(tasks=100, open=2))
    hers, his = [ready(database, alice) for _ in range(3)], ready(database, bob)
    for task_id in hers[:2]:
        runs.enqueue(task_id, alice.owner, Cause.USER)
    assert PostgresAttempts(database).begin(AttemptKey(hers[0], 1)) is not None
    with pytest.raises(TooManyOpenTasksError):
        runs.enqueue(hers[2], alice.owner, Cause.USER)
    runs.enqueue(his, bob.owner, Cause.USER)
    runs.cancel(hers[1], alice.owner, "room")
    runs.enqueue(hers[2], alice.owner, Cause.USER)
