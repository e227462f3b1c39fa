"""Workers of the task service beside the stack's own, and the stack's PostgreSQL with another clock: to be broken."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from stack import ROOT, TIMEOUT, Stack, eventually


class TaskWorker:
    """`task-service worker`: a supervisor and its child, in a process group of their own."""

    def __init__(self, stack: Stack, name: str, environ: Mapping[str, str]) -> None:
        """environ: what this one is told beside and instead of what the stack's worker is told."""
        self._log = stack.state_dir / "log" / f"{name}.log"
        self._environ = {**os.environ, **stack.values, "METRICS_BIND": "", **environ}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, without waiting."""
        command = [str(Path(sys.executable).parent / "task-service"), "worker"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command, env=self._environ, cwd=ROOT, stdout=log, stderr=log, start_new_session=True
            )

    def kill(self) -> None:
        """kill -9 supervisor and child at once."""
        self.signal(signal.SIGKILL)
        assert self._process is not None
        self._process.wait(TIMEOUT)
        self._process = None

    def signal(self, number: signal.Signals) -> None:
        """Send it to supervisor and child."""
        assert self._process is not None
        os.killpg(self._process.pid, number)

    def end(self) -> None:
        """Kill it if it runs, frozen or not."""
        if self._process is not None:
            self.kill()


class ShiftedPostgres:
    """The stack's PostgreSQL with a clock that is so many seconds off, from `start` to `end`."""

    def __init__(self, stack: Stack, library: str) -> None:
        """library: `shifted_clock.c`, compiled."""
        self._stack = stack
        self._library = library
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, shift: int) -> None:
        """kill -9 the server as it is, and start it again with another clock, without waiting."""
        running = Path(f"/proc/{self._stack.pid('postgres')}")
        command = (running / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
        variables = dict(
            each.split(b"=", 1) for each in (running / "environ").read_bytes().split(b"\0") if b"=" in each
        )
        owner, folder = running.stat(), (running / "cwd").readlink()
        self._stack.kill("postgres")
        eventually(lambda: not _is_served(folder), "no process of the killed server is left")
        (folder / "postmaster.pid").unlink(missing_ok=True)  # its process id may be that of a zombie
        with (self._stack.state_dir / "log" / "postgres.log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                env={**variables, b"LD_PRELOAD": self._library.encode(), b"CLOCK_SHIFT": str(shift).encode()},
                cwd="/",
                user=owner.st_uid,
                group=owner.st_gid,
                extra_groups=[] if os.geteuid() == 0 else None,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._become_the_stack_s(self._process.pid)

    def _become_the_stack_s(self, pid: int) -> None:
        """Write down what `local_stack` knows a part by: its pid, and when it started in the kernel's ticks."""
        ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
        run = self._stack.state_dir / "run"
        (run / "postgres.started").write_text(ticks)
        (run / "postgres.pid").write_text(f"{pid}\n")

    def end(self) -> None:
        """kill -9 it; `stack.start` starts the server with the machine's clock."""
        if self._process is not None:
            self._stack.kill("postgres")
            self._process.wait(TIMEOUT)
            self._process = None


def _is_served(data: Path) -> bool:
    """True when a process works in the data folder, as those of PostgreSQL do."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink() == data:
                return True
        except OSError:  # it has ended meanwhile
            continue
    return False
