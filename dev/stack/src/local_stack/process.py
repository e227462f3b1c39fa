"""Background processes by pid file: start, check, stop. A pid is trusted only with the start time that was written
beside it.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from local_stack import environments
from local_stack.options import StackError

START_SECONDS = 30.0
STOP_SECONDS = 20.0
LOG_LINES = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One process of the stack.

    ready: true when it can be used; environ: its whole environment, None for the machine's variables only; user: the
    user it runs as, if root starts it.
    """

    name: str
    command: list[str]
    ready: Callable[[], bool]
    environ: Mapping[str, str] | None = None
    user: str | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    start_seconds: float = START_SECONDS
    cwd: Path | None = None


class Processes:
    """The processes of one stack, by name."""

    def __init__(self, run_dir: Path, log_dir: Path) -> None:
        self._run_dir = run_dir
        self._log_dir = log_dir
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._log_starts: dict[str, int] = {}

    def log(self, name: str) -> Path:
        """The log file of a part."""
        return self._log_dir / f"{name}.log"

    def pid(self, name: str) -> int | None:
        """The pid of a part that is alive, or None."""
        child = self._children.get(name)
        if child is not None:
            child.poll()  # reaps a child that has died
        pid, since = self._noted(name)
        return pid if pid is not None and started(pid) == since else None

    def has_died(self, name: str) -> bool:
        """True if a part was started, was not stopped, and is dead."""
        return self._noted(name)[0] is not None and self.pid(name) is None

    def start(self, part: Part) -> None:
        """Start a part in a session of its own, so that a Ctrl-C at the terminal does not reach it."""
        with self.log(part.name).open("ab") as log:
            self._log_starts[part.name] = log.tell()
            child = subprocess.Popen(
                part.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environments.of_part(part.name, {}, os.environ) if part.environ is None else part.environ,
                cwd=part.cwd,
                start_new_session=True,
                user=part.user,
                group=_group(part.user),
                extra_groups=[] if part.user else None,
                umask=0o077,
            )
        self._children[part.name] = child
        (self._run_dir / f"{part.name}.started").write_text(started(child.pid) or "")
        (self._run_dir / f"{part.name}.pid").write_text(f"{child.pid}\n")

    def wait_ready(self, part: Part) -> None:
        """Return when the part can be used. Raises StackError with its last lines when it dies or takes too long."""
        since = time.monotonic()
        while not self.is_ready(part, since=since):
            time.sleep(0.05)

    def is_ready(self, part: Part, *, since: float) -> bool:
        """True when the part can be used; since: when it was started, of `time.monotonic`.

        Raises StackError with its last lines when it is dead, or when its `start_seconds` have passed.
        """
        if part.ready():
            return True
        if self.pid(part.name) is None:
            raise StackError(f"{part.name} has died; its last lines:\n{self.last_lines(part.name)}")
        if time.monotonic() - since > part.start_seconds:
            raise StackError(
                f"{part.name} is not ready after {part.start_seconds:.0f} s:\n{self.last_lines(part.name)}"
            )
        return False

    def has_logged(self, name: str, words: str) -> bool:
        """True if a part has logged these words since its start, or if another command has started it."""
        start = self._log_starts.get(name)
        if start is None:
            return True
        with self.log(name).open("rb") as log:
            log.seek(start)
            return words.encode() in log.read()

    def last_lines(self, name: str) -> str:
        """The last lines of a part's log."""
        try:
            lines = self.log(name).read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return "  (no log)"
        return "\n".join(f"  {line[:400]}" for line in lines[-LOG_LINES:])

    def stop(self, name: str, stop_signal: signal.Signals = signal.SIGTERM) -> bool:
        """Stop a part and its children, with SIGKILL after STOP_SECONDS; True if it was running."""
        pid = self.pid(name)
        if pid is not None:
            os.kill(pid, stop_signal)
            deadline = time.monotonic() + STOP_SECONDS
            while self.pid(name) is not None and time.monotonic() < deadline:
                time.sleep(0.02)
            if self.pid(name) is not None:
                os.kill(pid, signal.SIGKILL)
        self.kill_remnants(name)
        child = self._children.pop(name, None)
        if child is not None:
            child.wait(STOP_SECONDS)
        for suffix in ("pid", "started"):
            (self._run_dir / f"{name}.{suffix}").unlink(missing_ok=True)
        return pid is not None

    def kill_remnants(self, name: str) -> None:
        """Kill the processes that outlive a part: nginx's workers, for example, would keep the port of a killed master.

        They are found by their session; the kernel does not reuse its number while one of them lives.
        """
        pid, since = self._noted(name)
        if pid is None or started(pid) not in {None, since}:
            return
        deadline = time.monotonic() + STOP_SECONDS
        while (remnants := _session(pid)) and time.monotonic() < deadline:
            for member in remnants:
                _kill(member)
            time.sleep(0.01)

    def _noted(self, name: str) -> tuple[int | None, str]:
        """The pid and the start time that were written when the part was started."""
        try:
            pid = int((self._run_dir / f"{name}.pid").read_text())
            return pid, (self._run_dir / f"{name}.started").read_text()
        except (OSError, ValueError):
            return None, ""


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _session(leader: int) -> list[int]:
    """The running processes of a session."""
    pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal())
    return [pid for pid in pids if _stat(pid)[3:4] == [str(leader)] and started(pid) is not None]


def started(pid: int) -> str | None:
    """The kernel's start time of a running process; None for ended processes and zombies.

    A zombie whose threads have not ended yet counts as running: it still holds its ports and files.
    """
    fields = _stat(pid)
    if not fields or (fields[0] in {"Z", "X"} and int(fields[17]) <= 1):
        return None
    return fields[19]


def _stat(pid: int) -> list[str]:
    """The fields of proc(5)'s `stat` from the third, `state`; empty for a process that does not exist."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def _group(user: str | None) -> int | None:
    if user is None:
        return None
    import pwd  # noqa: PLC0415 - not available on every system

    return pwd.getpwnam(user).pw_gid
