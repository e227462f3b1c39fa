"""The executor `slurm`, where it is more than the contract: the job's environment, and its death."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from elsewhere_parts import PROGRAM, Elsewhere, http_vault

from task_service import config
from task_service.application.handler import Stop
from task_service.executors import registry
from task_service.executors.registry import ExecutorSettings
from task_service.executors.slurm import SlurmExecutor

pytest.importorskip("submitit", reason="the extra `slurm` is not installed")
pytestmark = pytest.mark.process
SECRET = "the-service-s-own"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Elsewhere]:
    """Runs functions as jobs of submitit's local cluster."""
    with http_vault() as vault:
        yield Elsewhere(SlurmExecutor(tmp_path, {"timeout_min": 5}, "local", PROGRAM), vault)


def parent(process_id: int) -> int:
    """The process that has started another."""
    return int(Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[1])


def test_the_job_does_not_inherit_the_worker_s_environment(
    elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slurm and submitit pass on the environment of the submitting program."""
    monkeypatch.setenv("TASK_SERVICE_CLIENT_SECRET", SECRET)
    assert elsewhere.run("ancestors", count=3) == "completed"
    *program, job = json.loads(elsewhere.result)
    assert "SUBMITIT_LOCAL_JOB_ID" in job
    assert not any(SECRET in environment for environment in (*program, job))


def test_the_death_of_the_job_is_a_crash(elsewhere: Elsewhere, tmp_path: Path) -> None:
    """The job's program ends with it, and its files are removed."""
    killed: list[int] = []

    def kill() -> Stop | None:
        elsewhere.journal.flush()
        if not killed and elsewhere.log:
            program = int(elsewhere.log[0].split()[0])
            killed.append(parent(parent(program)))  # its keeper's
            os.kill(killed[0], signal.SIGKILL)
        return None

    assert elsewhere.run("sleeps", kill) == "lost"
    assert elsewhere.memory.ended == [("crashed", "")]
    assert list(tmp_path.iterdir()) == []


def test_its_settings_are_checked_at_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that all nodes share, and the extra."""
    assert config.options("slurm_partition=batch mem_gb=4") == {"slurm_partition": "batch", "mem_gb": 4}
    for wrong in ("mem_gb", "mem_gb=", "a=1 a=2", "-x=1"):
        with pytest.raises(ValueError, match="name=value"):
            config.options(wrong)
    with pytest.raises(ValueError, match="TASK_SLURM_FOLDER"):
        registry.executor_of("slurm", ExecutorSettings())
    with pytest.raises(ValueError, match="not a folder that can be written"):
        registry.executor_of("slurm", ExecutorSettings(slurm_folder=tmp_path / "missing"))
    monkeypatch.setattr("task_service.executors.slurm.find_spec", lambda _: None)
    with pytest.raises(ValueError, match=r"pip install 'task-service\[slurm\]'"):
        registry.executor_of("slurm", ExecutorSettings(slurm_folder=tmp_path))
