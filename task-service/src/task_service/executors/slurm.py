"""`slurm`: each attempt as a Slurm job, submitted by submitit (extra `slurm`), with a folder that all nodes share.

Slurm gives a job the environment of the program that submits it. The worker therefore submits nothing: a program in a
clean environment does (`slurm_agent.py`), and passes the job's lines on. The job ends when the agent has removed its
file `wanted`, or has not touched it for SILENT_SECONDS.
"""

import json
import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

import msgspec

from task_service.application.errors import HandlerError, LostError
from task_service.executors.child import PROGRAM, Child
from task_service.executors.order import Order

AGENT = (sys.executable, "-I", "-m", "task_service.executors.slurm_agent")
LOOK_SECONDS = 0.1
BEAT_SECONDS = 10.0
SILENT_SECONDS = 60.0
WANTED, EVENTS = "wanted", "events"
LAST = b"\x04"
"""Begins the last line."""


class SlurmExecutor:
    """`executors.base.Executor`."""

    def __init__(
        self, folder: Path, options: Mapping[str, str | int], cluster: str = "slurm", command: Sequence[str] = PROGRAM
    ) -> None:
        """folder: shared by all nodes; options: submitit's parameters; cluster: `local` runs jobs here.

        Raises ValueError.
        """
        if find_spec("submitit") is None:
            raise ValueError("`slurm` needs the extra: pip install 'task-service[slurm]'")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise ValueError(f"TASK_SLURM_FOLDER: {folder} is not a folder that can be written")
        self._folder = folder
        self._options = dict(options)
        self._cluster = cluster
        self._command = tuple(command)

    def start(self, order: Order) -> "SlurmRunning":
        """Start the agent that submits the job."""
        folder = self._folder / f"task-{order.task_id}-{order.fence}-{uuid4()}"
        try:
            folder.mkdir(mode=0o700)
        except OSError:
            raise HandlerError("The folder for Slurm's jobs cannot be written.", can_pass=True) from None
        arguments = {
            "folder": str(folder),
            "cluster": self._cluster,
            "options": self._options,
            "command": self._command,
        }
        return SlurmRunning(Child(order, (*AGENT, json.dumps(arguments))), folder)


class SlurmRunning:
    """`executors.base.Running`."""

    def __init__(self, agent: Child, folder: Path) -> None:
        self._agent = agent
        self._folder = folder

    def take(self, seconds: float) -> Sequence[bytes]:
        """The lines that the agent passes on."""
        try:
            return self._agent.take(seconds)
        except LostError:
            raise LostError("The Slurm job that ran this attempt is gone.") from None

    def stop(self) -> None:
        """End the agent, which cancels the job; without its folder the job ends by itself."""
        try:
            self._agent.stop()
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)


def run_in_job(folder: str, order: bytes, command: Sequence[str]) -> None:
    """Run the program of the attempt in a Slurm job, until it ends or is not wanted any more."""
    wanted = Beats(Path(folder) / WANTED)
    child = Child(msgspec.json.decode(order, type=Order), command)
    beat_at = time.monotonic()
    try:
        with (Path(folder) / EVENTS).open("ab", buffering=0) as events:
            try:
                while wanted.go_on():
                    for line in child.take(LOOK_SECONDS):
                        events.write(line + b"\n")
                    if time.monotonic() >= beat_at:
                        events.write(b"\n")
                        beat_at = time.monotonic() + BEAT_SECONDS
            except LostError as lost:
                events.write(LAST + str(lost).encode() + b"\n")
    except OSError:  # the folder was removed
        return
    finally:
        child.stop()


class Beats:
    """Watches a file that another process touches. Only changes count, so that other machines' clocks do not matter."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last = (-1, -1)
        self._changed_at = time.monotonic()

    def go_on(self) -> bool:
        """False when the file is gone, or has not changed for SILENT_SECONDS."""
        try:
            found = self._path.stat()
        except OSError:
            return False
        if (found.st_mtime_ns, found.st_size) != self._last:
            self._last = (found.st_mtime_ns, found.st_size)
            self._changed_at = time.monotonic()
        return time.monotonic() - self._changed_at < SILENT_SECONDS
