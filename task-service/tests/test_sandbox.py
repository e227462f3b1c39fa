"""Programs of the executor `process` under Landlock: none of the worker's secrets is in their reach."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from elsewhere_parts import PROGRAM, Elsewhere, HttpVault, ended, eventually, http_vault

from task_service.executors import registry, sandbox
from task_service.executors.order import Sandbox
from task_service.executors.process import ProcessExecutor
from task_service.executors.registry import ExecutorSettings

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(sandbox.version() == 0, reason="this kernel has no Landlock; `process` refuses to start there"),
]
SECRET = "the-service-s-own"
TESTS = str(Path(__file__).parent)


@pytest.fixture
def vault() -> Iterator[HttpVault]:
    """Gives tokens by ticket."""
    with http_vault() as answering:
        yield answering


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[int]:
    """The id of a process of the same user that has the secret in its environment."""
    program = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], env={"SECRET": SECRET})
    yield program.pid
    program.kill()
    program.wait()


def test_neither_files_nor_environments_of_other_processes_can_be_read(
    vault: HttpVault, worker: int, tmp_path: Path
) -> None:
    """Although they are the same user's; the tests show that without the sandbox they could be."""
    secret = tmp_path / "client_secret"
    secret.write_text(SECRET)
    secret.chmod(0o400)
    paths = [str(secret), "/etc/shadow", str(Path(TESTS).parents[1] / "pyproject.toml")]
    closed = Elsewhere(ProcessExecutor(PROGRAM), vault, Sandbox(readable=(TESTS,)))
    assert closed.run("looks", paths=paths, processes=[worker, os.getpid()]) == "completed"
    seen = closed.json
    assert set(seen["files"].values()) == {"PermissionError"}
    assert SECRET not in closed.result
    if sandbox.version() >= 6:
        assert seen["signals"] == []
    opened = Elsewhere(ProcessExecutor(PROGRAM), vault)
    assert opened.run("looks", paths=paths, processes=[worker]) == "completed"
    assert opened.json["files"][str(secret)] == SECRET
    assert SECRET in opened.json["files"][f"/proc/{worker}/environ"]


def test_the_environment_has_nothing_of_the_worker_s(vault: HttpVault, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four variables, whatever the worker has; the ticket is in none, and not on the command line."""
    monkeypatch.setenv("ANYTHING", SECRET)
    closed = Elsewhere(ProcessExecutor(PROGRAM), vault, Sandbox(readable=(TESTS,)))
    assert closed.run("looks", paths=[], processes=[]) == "completed"
    environ = closed.json["environ"]
    assert set(environ) - {"LC_CTYPE"} == {"PATH", "HOME", "TMPDIR", "LANG"}
    assert "tvt_" not in closed.result


def test_its_own_folder_can_be_written_and_is_removed(vault: HttpVault) -> None:
    """Together with all that is in it."""
    closed = Elsewhere(ProcessExecutor(PROGRAM), vault, Sandbox(readable=(TESTS,)))
    assert closed.run("writes") == "completed"
    folder = Path(closed.result)
    assert folder.name.startswith("task-")
    assert not folder.exists()


@pytest.mark.parametrize("function", ["sleeps", "hangs"])
def test_the_program_ends_with_the_worker(tmp_path: Path, function: str) -> None:
    """A worker that is killed leaves nothing: neither the program, nor what the program has started, nor its folder.

    Also when the program is in code that lets none of its threads run.
    """
    script = tmp_path / "worker.py"
    script.write_text(
        "import sys\n"
        f"sys.path.insert(0, {TESTS!r})\n"
        "from elsewhere_parts import PROGRAM, Elsewhere, http_vault\n"
        "from task_service.executors.process import ProcessExecutor\n"
        "class Telling(ProcessExecutor):\n"
        "    def start(self, order):\n"
        "        running = super().start(order)\n"
        "        take = running.take\n"
        "        def told(seconds):\n"
        "            lines = take(seconds)\n"
        "            for line in lines: print(line.decode(), flush=True)\n"
        "            return lines\n"
        "        running.take = told\n"
        "        return running\n"
        "with http_vault() as vault:\n"
        f"    Elsewhere(Telling(PROGRAM), vault).run({function!r}, note='ids ')\n"
    )
    worker = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    assert worker.stdout is not None
    line = next(line for line in worker.stdout if line.startswith("ids "))
    program, child = (int(word) for word in line.split()[1:])
    folder = Path(f"/proc/{program}/cwd").readlink()
    worker.send_signal(signal.SIGKILL)
    worker.wait(30)
    worker.stdout.close()
    for each in (program, child):
        ended(each)
    eventually(lambda: not folder.exists(), "its folder is removed")


def test_a_kernel_without_landlock_is_refused_unless_the_sandbox_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one line that says what to set."""
    monkeypatch.setattr(sandbox, "version", lambda: 0)
    with pytest.raises(ValueError, match="TASK_SANDBOX=off"):
        registry.executor_of("process", ExecutorSettings(sandboxed=True))
    assert isinstance(registry.executor_of("process", ExecutorSettings(sandboxed=False)), ProcessExecutor)
