"""The folder of a process's metrics: other processes' folders stay, and abandoned ones are removed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

PROGRAM = (
    "import os; from service_kit.process import metrics; metrics.prepare_folder();"
    "print(os.environ[metrics.FOLDER], flush=True); input()"
)


def test_a_killed_process_leaves_no_folder_and_a_living_one_keeps_its_own(tmp_path: Path) -> None:
    """kill -9 of a service left `metrics-*` in the temporary folder each time."""
    killed, living, later = (_start(tmp_path), _start(tmp_path), None)
    try:
        os.kill(killed[0].pid, signal.SIGKILL)
        killed[0].wait(30)
        assert killed[1].exists()
        later = _start(tmp_path)
        assert sorted(path for path in tmp_path.iterdir()) == sorted([living[1], later[1]])
    finally:
        for process, _ in filter(None, (killed, living, later)):
            process.kill()
            process.communicate()


def _start(folder: Path) -> "tuple[subprocess.Popen[str], Path]":
    """A process with metrics, and its folder."""
    environ = {"PATH": os.environ["PATH"], "TMPDIR": str(folder)}
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())
