"""The executor `dask`, where it is more than the contract: workers, schedulers and owners."""

import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from dask_parts import DaskCluster, dask_cluster
from elsewhere_parts import PROGRAM, Elsewhere, HttpVault, http_vault

from task_service.application.handler import Stop
from task_service.domain.retry import RetryPolicy
from task_service.executors.dask import DaskExecutor

pytest.importorskip("distributed", reason="the extra `dask` is not installed")
pytestmark = pytest.mark.process


@pytest.fixture
def cluster() -> Iterator[DaskCluster]:
    """Of two workers."""
    with dask_cluster() as cluster:
        yield cluster


@pytest.fixture
def executor(cluster: DaskCluster) -> Iterator[DaskExecutor]:
    """Connected to it."""
    executor = DaskExecutor(cluster.address, PROGRAM)
    yield executor
    executor.close()


@pytest.fixture
def vault() -> Iterator[HttpVault]:
    """Gives tokens by ticket."""
    with http_vault() as answering:
        yield answering


def test_two_owners_are_mixed_and_the_grant_of_one_is_revoked_in_mid_run(
    executor: DaskExecutor, vault: HttpVault
) -> None:
    """Her runs fail at their next token; the other's complete."""
    vault.lifetime = vault.lifetime * 0

    def run(owner: str) -> str:
        return Elsewhere(executor, vault, owner=owner).run("fetches", times=40, seconds=0.1)

    with ThreadPoolExecutor(4) as pool:
        futures = {pool.submit(run, owner): owner for owner in ("alice-sub", "bob-sub") * 2}
        deadline = time.monotonic() + 60
        while len(set(vault.asking)) < 4 and time.monotonic() < deadline:
            time.sleep(0.02)
        vault.revoke("alice-sub")
        outcomes = [(owner, future.result()) for future, owner in futures.items()]
    assert sorted(outcomes) == [("alice-sub", "token_failed")] * 2 + [("bob-sub", "completed")] * 2


def test_a_dask_worker_holds_the_attempts_ticket_and_no_secret_of_the_service(
    executor: DaskExecutor, cluster: DaskCluster, vault: HttpVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looked for in the whole memory of the workers and of what they run, while an attempt asks for tokens."""
    secret, other = f"secret-{uuid4().hex}", f"tvt_{uuid4().hex}"
    monkeypatch.setenv("TASK_SERVICE_CLIENT_SECRET", secret)
    vault.tickets[uuid4()] = other  # of another attempt
    seen: list[bytes] = []

    def look() -> Stop | None:
        if len(vault.asking) > 2 and not seen:
            seen.append(cluster.memory())
        return None

    vault.lifetime = vault.lifetime * 0
    assert Elsewhere(executor, vault).run("fetches", look, times=20, seconds=0.1) == "completed"
    (memory,) = seen
    assert vault.asking[0].encode() in memory
    assert [word for word in (secret, other) if word.encode() in memory] == []


def test_the_death_of_its_dask_worker_is_a_crash(
    executor: DaskExecutor, cluster: DaskCluster, vault: HttpVault
) -> None:
    """Also where Dask would begin it anew on another one, or wait for one."""
    elsewhere = Elsewhere(executor, vault)
    killed: list[float] = []

    def kill() -> Stop | None:
        elsewhere.journal.flush()
        if not killed and elsewhere.journal.lines:
            killed.append(time.monotonic())
            cluster.kill_workers()
        return None

    assert elsewhere.run("sleeps", kill) == "lost"
    assert time.monotonic() - killed[0] < 15
    assert elsewhere.memory.ended == [("crashed", "")]


def test_a_scheduler_that_does_not_answer_can_come_back(vault: HttpVault, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run fails, or is retried by its policy."""
    monkeypatch.setattr("task_service.executors.dask.CONNECT_SECONDS", 0.5)
    elsewhere = Elsewhere(DaskExecutor("tcp://127.0.0.1:9", PROGRAM), vault)
    assert elsewhere.run("steps", count=1) == "failed"
    assert elsewhere.result == "The Dask scheduler does not answer."
    assert elsewhere.run("steps", retry=RetryPolicy(2, 0.0, 0.0), count=1) == "retrying"


def test_without_the_extra_it_is_refused_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one line that says what to install."""
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ValueError, match=r"pip install 'task-service\[dask\]'"):
        DaskExecutor("tcp://127.0.0.1:9")
