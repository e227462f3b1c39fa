"""The contract of executors: whatever runs an attempt, it reports, ends, stops and is lost in the same way."""

import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from dask_parts import dask_cluster
from elsewhere_parts import PLUGINS, PROGRAM, AskedHere, Elsewhere, HttpVault, ended, http_vault
from kubernetes_parts import kubernetes_cluster

from task_service.application.handler import Stop
from task_service.domain.journal import Level
from task_service.domain.retry import RetryPolicy
from task_service.executors.base import Executor
from task_service.executors.dask import DaskExecutor
from task_service.executors.process import ProcessExecutor
from task_service.executors.slurm import SlurmExecutor

pytestmark = pytest.mark.process
SECRET = "the-service-s-own"


def process() -> Iterator[Executor]:
    """Programs on this machine."""
    yield ProcessExecutor(PROGRAM)


def dask() -> Iterator[Executor]:
    """A scheduler and two workers, each a process."""
    pytest.importorskip("distributed", reason="the extra `dask` is not installed")
    with dask_cluster() as cluster:
        executor = DaskExecutor(cluster.address, PROGRAM)
        yield executor
        executor.close()


def slurm() -> Iterator[Executor]:
    """submitit with its local cluster, whose jobs are processes."""
    pytest.importorskip("submitit", reason="the extra `slurm` is not installed")
    with tempfile.TemporaryDirectory() as folder:
        yield SlurmExecutor(Path(folder), {"timeout_min": 5}, "local", PROGRAM)
        assert list(Path(folder).iterdir()) == [], "an attempt leaves nothing, and no file with its ticket"


def kubernetes() -> Iterator[Executor]:
    """An imitation of the API that runs the Jobs' commands as processes; there is no cluster here."""
    with kubernetes_cluster() as cluster:
        yield cluster.executor()
        cluster.expect_nothing()
        cluster.expect_valid()


def local() -> Iterator[None]:
    """In this process, as the worker runs the service's own kinds. Its functions are those that the others have."""
    sys.path.insert(0, str(PLUGINS))
    yield None
    sys.path.remove(str(PLUGINS))


EXECUTORS: dict[str, Callable[[], Iterator[Executor | None]]] = {
    "dask": dask,
    "kubernetes": kubernetes,
    "process": process,
    "slurm": slurm,
    "local": local,
}
OUTSIDE = [name for name in EXECUTORS if name != "local"]


def outside_only(why_not_local: str) -> pytest.MarkDecorator:
    """For what a thread of the worker cannot hold."""
    assert why_not_local
    return pytest.mark.parametrize("executor", OUTSIDE, indirect=True, scope="module")


@pytest.fixture(scope="module", params=EXECUTORS)
def executor(request: pytest.FixtureRequest) -> Iterator[Executor | None]:
    """Each in turn."""
    yield from EXECUTORS[request.param]()


@pytest.fixture
def vault(executor: Executor | None) -> Iterator[HttpVault]:
    """Gives tokens by ticket."""
    with http_vault(HttpVault if executor else AskedHere) as answering:
        yield answering


@pytest.fixture
def elsewhere(executor: Executor | None, vault: HttpVault) -> Elsewhere:
    """Runs functions there."""
    return Elsewhere(executor, vault)


class StopsWhen:
    """Asked whether to stop: not before a condition holds. at: when it first said so, on the monotonic clock."""

    def __init__(self, holds: Callable[[], object], reason: Stop = Stop.CANCELLED) -> None:
        self._holds, self._reason, self.at = holds, reason, 0.0

    def __call__(self) -> Stop | None:
        """The reason, from then on."""
        if not self.at and self._holds():
            self.at = time.monotonic()
        return self._reason if self.at else None


def logged(elsewhere: Elsewhere) -> Callable[[], bool]:
    """Holds when there is some line in the log."""

    def holds() -> bool:
        elsewhere.journal.flush()
        return bool(elsewhere.log)

    return holds


def test_result_progress_log_and_token_come_back(elsewhere: Elsewhere, vault: HttpVault) -> None:
    """As of a handler in the worker; the ledger has the ticket and what its token was worth."""
    assert elsewhere.run("steps", count=4) == "completed"
    task = elsewhere.memory.attempt.key.task_id
    assert elsewhere.result == f"access-1 for alice-sub, {task}:3"
    lines = [(line.level, line.message) for line in elsewhere.lines]
    assert lines == [(Level.WARNING, f"step {number}") for number in (1, 2, 3, 4)]
    (note,) = elsewhere.journal.notes.values()
    assert note.token is not None
    assert note.token.scopes == {"openid", "profile"}
    assert vault.tickets == {}


@outside_only("its output is the worker's")
def test_what_is_printed_becomes_lines_of_the_log(elsewhere: Elsewhere) -> None:
    """Of both outputs, also of programs, and a last line without its end."""
    assert elsewhere.run("prints", text="hello") == "completed"
    assert elsewhere.result == "printed"
    expected = {"hello", "hello to the other", "hello from a program", "hello without end"}
    assert expected <= set(elsewhere.log)


@pytest.mark.parametrize("reason", [Stop.CANCELLED, Stop.SHUTDOWN])
def test_it_stops_at_its_next_step(elsewhere: Elsewhere, vault: HttpVault, reason: Stop) -> None:
    """As kinds do that wait or report. A cancelled run stops, that of a worker that shuts down is given back."""
    stop = StopsWhen(logged(elsewhere), reason)
    word = elsewhere.run("steps", stop, count=600, seconds=0.05)
    assert time.monotonic() - stop.at < 1.2
    assert word == {Stop.CANCELLED: "stopped", Stop.SHUTDOWN: "requeued"}[reason]
    assert elsewhere.memory.ended == ([("given back", "")] if reason is Stop.SHUTDOWN else [])
    assert vault.tickets == {}


@outside_only("a thread cannot be ended from outside; the service's kinds wait and report")
@pytest.mark.parametrize("reason", [Stop.CANCELLED, Stop.SHUTDOWN])
def test_it_stops_in_time_although_its_code_does_not_listen(elsewhere: Elsewhere, reason: Stop) -> None:
    """A cancelled run stops; that of a worker that shuts down is given back."""
    stop = StopsWhen(logged(elsewhere), reason)
    word = elsewhere.run("sleeps", stop)
    assert time.monotonic() - stop.at < 1.2
    assert word == {Stop.CANCELLED: "stopped", Stop.SHUTDOWN: "requeued"}[reason]
    assert elsewhere.memory.ended == ([("given back", "")] if reason is Stop.SHUTDOWN else [])


@outside_only("its process is the worker, whose death is in test_worker.py")
def test_a_lost_process_is_a_crash_and_another_attempt_is_queued(elsewhere: Elsewhere, vault: HttpVault) -> None:
    """A lost process counts like the death of a worker, and its ticket ends."""
    assert elsewhere.run("dies") == "lost"
    assert elsewhere.memory.ended == [("crashed", "")]
    assert elsewhere.log[0] == "about to die"
    assert elsewhere.log[-1].endswith("Another attempt is queued.")
    assert vault.tickets == {}


@outside_only("its process is the worker, whose death is in test_worker.py")
def test_a_program_that_is_killed_from_outside_is_taken_for_crashed_at_once(
    elsewhere: Elsewhere, vault: HttpVault
) -> None:
    """kill -9, as of a machine without memory: whatever the policy says, another attempt is queued within 15 s.

    What it has started ends, too, in whatever session it is.
    """
    killed: list[float] = []

    def kill() -> None:
        if not killed and logged(elsewhere)():
            os.kill(int(elsewhere.log[0].split()[0]), signal.SIGKILL)
            killed.append(time.monotonic())

    assert elsewhere.run("sleeps", kill) == "lost"
    assert time.monotonic() - killed[0] < 15
    ended(int(elsewhere.log[0].split()[1]))
    assert elsewhere.memory.ended == [("crashed", "")]
    assert elsewhere.log[-1].endswith("Another attempt is queued.")
    assert vault.tickets == {}


def test_a_ticket_that_is_revoked_in_mid_run_ends_it_at_its_next_token(elsewhere: Elsewhere, vault: HttpVault) -> None:
    """The token has failed; nothing is retried."""
    vault.lifetime = vault.lifetime * 0
    began = time.monotonic()

    def revoke() -> None:
        if vault.given >= 2:
            vault.tickets.clear()

    word = elsewhere.run("fetches", revoke, RetryPolicy(5, 0.0, 0.0), times=1000, seconds=0.05)
    assert word == "token_failed"
    assert elsewhere.memory.ended[0][0] == "token_failed"
    assert time.monotonic() - began < 30


def test_a_run_that_outlives_its_token_gets_a_fresh_one(elsewhere: Elsewhere, vault: HttpVault) -> None:
    """By the same ticket."""
    vault.lifetime = vault.lifetime * 0
    assert elsewhere.run("fetches", times=3, seconds=0.0) == "completed"
    assert elsewhere.result == "3 tokens"


@pytest.mark.parametrize(
    ("what", "outcome", "message"),
    [
        ("handler", "failed", "Not today."),
        ("passing", "retry in 0 s", "The task failed unexpectedly."),
        ("other", "failed", "The task failed unexpectedly."),
    ],
)
def test_errors_are_those_of_the_worker(elsewhere: Elsewhere, what: str, outcome: str, message: str) -> None:
    """Messages for the owner reach the owner. Other errors stay in the worker's log."""
    inside = {"passing": "slow", "other": "inside"}.get(what)
    raised = (RuntimeError, ConnectionError) if elsewhere.executor else (TimeoutError, KeyError)
    with pytest.raises(raised, match=inside) if inside else nullcontext():
        elsewhere.run("raises", retry=RetryPolicy(2, 0.0, 0.0), what=what)
    assert elsewhere.memory.ended == [(outcome, message)]


@pytest.mark.parametrize("function", ["missing", "forbidden"])
def test_a_function_that_is_not_there_or_not_allowed_fails(elsewhere: Elsewhere, function: str) -> None:
    """With words that say which."""
    assert elsewhere.run(function) == "failed"
    assert function in elsewhere.result or "may be called here" in elsewhere.result


def test_a_result_of_64_kib_comes_back_whole(elsewhere: Elsewhere) -> None:
    """In parts that cut characters in two."""
    assert elsewhere.run("gives", size=65536) == "completed"
    assert elsewhere.result == "ä" * 32768


@outside_only("the service's kinds have limits of their own")
def test_what_takes_too_long_fails(elsewhere: Elsewhere) -> None:
    """And is ended."""
    elsewhere.seconds = 2.0
    assert elsewhere.run("steps", count=1, seconds=600) == "failed"
    assert elsewhere.result == "The task has taken longer than 2 s."


@outside_only("it shares the worker's process with the service's secrets, so only the service's own kinds run there")
def test_no_secret_of_the_service_is_given(
    elsewhere: Elsewhere, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither by the environment, nor in a file of its folder, nor by a descriptor that the worker has open."""
    secret = tmp_path / "client_secret"
    secret.write_text(SECRET)
    monkeypatch.setenv("TASK_SERVICE_CLIENT_SECRET", SECRET)
    monkeypatch.setenv("TASK_DATABASE_URL", f"postgresql://tasks:{SECRET}@db/tasks")
    with secret.open("rb") as opened:
        os.set_inheritable(opened.fileno(), True)
        assert elsewhere.run("searches") == "completed"
    assert SECRET not in elsewhere.result
    assert "PATH" in elsewhere.json["environ"]
    assert elsewhere.json["descriptors"]
    assert str(secret) not in elsewhere.json["descriptors"]
