"""A separate program for one attempt: started in a clean environment, read line by line, ended with all it started.

The program gets its order on standard input, which stays open for as long as it may run. The end of its input tells its
keeper (`keeper.py`) that its parent has ended.
"""

import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, cast

import msgspec

from task_service.application.errors import LostError
from task_service.executors.order import MAX_LINE_BYTES, Order

PROGRAM = (sys.executable, "-I", "-m", "task_service.elsewhere")
PATH = "/usr/local/bin:/usr/bin:/bin"
STOP_SECONDS = 0.5
"""How long the program may take to clean up when it is told to stop; then it is killed."""
KILL_SECONDS = 0.5
"""How long its keeper may take for that; then the keeper is killed too."""
READ_BYTES = 65536


class Child:
    """One running program. Not safe to share between threads."""

    def __init__(self, order: Order, command: Sequence[str] = PROGRAM) -> None:
        """Start it, in a folder of its own."""
        self.folder = tempfile.mkdtemp(prefix="task-")
        self._lines = Lines()
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=clean_environment(self.folder),
                start_new_session=True,
                bufsize=0,
            )
            self._input = cast(IO[bytes], self._process.stdin)
            self._output = cast(IO[bytes], self._process.stdout)
            self._give(msgspec.json.encode(order) + b"\n")
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    @property
    def pid(self) -> int:
        """The process's id, which is that of its group."""
        return self._process.pid

    def take(self, seconds: float) -> Sequence[bytes]:
        """The lines since the last call; it waits for some, at most so long. Raises LostError after the last one."""
        ready, _, _ = select.select([self._output], [], [], seconds)
        if ready and (read := os.read(self._output.fileno(), READ_BYTES)):
            return self._lines.add(read)
        if not ready and not self._has_ended():
            return ()
        self._wait(STOP_SECONDS)  # it has closed its output, and may still be ending
        raise LostError(_words(self._ended_with()))

    def stop(self) -> None:
        """End it and whatever it has started, within STOP_SECONDS, and remove its folder."""
        try:
            if not self._has_ended():
                self._process.terminate()
                self._wait(STOP_SECONDS)
            self._input.close()  # its keeper kills what is left
            self._wait(KILL_SECONDS)
            self._ended_with()
        finally:
            self._input.close()
            self._output.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    def _give(self, order: bytes) -> None:
        with suppress(BrokenPipeError):  # it has ended already; `take` says how
            self._input.write(order)

    def _wait(self, seconds: float) -> None:
        """Until it has ended, at most so long."""
        deadline = time.monotonic() + seconds
        while not self._has_ended() and time.monotonic() < deadline:
            time.sleep(0.01)

    def _has_ended(self) -> bool:
        """Looks without collecting its status, so that its group's id stays its own."""
        if self._process.returncode is not None:
            return True
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def _ended_with(self) -> int:
        """Kill what is left of its group; its status."""
        if self._process.returncode is None:
            kill_below(self.pid)
            with suppress(ProcessLookupError, PermissionError):  # macOS refuses for a group of zombies
                os.killpg(self.pid, signal.SIGKILL)
        return self._process.wait()


def kill_below(process_id: int) -> None:
    """Kill what a process has started, and what that has started, also in sessions of their own. Linux only."""
    for thread in Path(f"/proc/{process_id}/task").glob("*"):
        children = ""
        with suppress(OSError):  # it has ended meanwhile
            children = (thread / "children").read_text()
        for child in children.split():
            kill_below(int(child))
            with suppress(OSError):
                os.kill(int(child), signal.SIGKILL)


class Lines:
    """Puts lines together from what was read. A line of more than MAX_LINE_BYTES is given in pieces."""

    def __init__(self) -> None:
        self._rest = b""

    def add(self, read: bytes) -> list[bytes]:
        """The lines that are complete now."""
        *lines, self._rest = (self._rest + read).split(b"\n")
        if len(self._rest) > MAX_LINE_BYTES:
            lines.append(self._rest)
            self._rest = b""
        return lines


def clean_environment(folder: str) -> dict[str, str]:
    """The whole environment of a program elsewhere."""
    return {"PATH": PATH, "HOME": folder, "TMPDIR": folder, "LANG": "C.UTF-8"}


def _words(status: int) -> str:
    how = f"was killed by signal {-status}" if status < 0 else f"has ended with status {status}"
    return f"The process that ran this attempt {how}."
