"""Functions that tests have run elsewhere: installed as the entry points of this folder's `dist-info`."""

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from task_service.application.errors import HandlerError
from task_service.application.handler import HandlerContext
from task_service.domain.journal import Level
from task_service.domain.result import Document


def steps(context: HandlerContext, count: int, seconds: float = 0.0) -> str:
    """Reports progress and a line for each step, with a token."""
    token = context.token()
    for step in range(1, count + 1):
        context.wait(seconds)
        context.log(f"step {step}", Level.WARNING)
        context.progress(100 * step // count)
    return f"{token.value} for {context.attempt.owner.sub}, {context.attempt.idempotency_key}"


def looks(context: HandlerContext, paths: list[str], processes: list[int]) -> dict[str, Any]:
    """All that it can see: its environment, its folder, files, the environments of processes; whom it can signal."""
    seen: dict[str, Any] = {"environ": dict(os.environ), "argv": sys.argv, "files": {}, "signals": []}
    for path in [*paths, *(f"/proc/{each}/environ" for each in processes)]:
        try:
            seen["files"][path] = Path(path).read_bytes().decode("utf-8", "replace")
        except OSError as error:
            seen["files"][path] = type(error).__name__
    for each in processes:
        try:
            os.kill(each, 0)
            seen["signals"].append(each)
        except OSError:
            continue
    return seen


def searches(context: HandlerContext) -> dict[str, Any]:
    """Reports all that the function can see: command line, environment, files of its folder, open descriptors."""
    files = {
        str(path): path.read_bytes().decode("utf-8", "replace") for path in Path.cwd().rglob("*") if path.is_file()
    }
    descriptors = [str(each.readlink()) for each in Path("/proc/self/fd").iterdir() if each.is_symlink()]
    return {"argv": sys.argv, "environ": dict(os.environ), "files": files, "descriptors": descriptors}


def dies(context: HandlerContext) -> None:
    """As of a segmentation fault."""
    context.log("about to die")
    os.kill(os.getpid(), signal.SIGKILL)


def sleeps(context: HandlerContext, note: str = "") -> None:
    """Never asks whether it should stop, and has a program of its own under it. note: prints its process's id."""
    _started(note)
    context.progress(1)
    while True:
        try:
            time.sleep(600)
        except Exception:  # noqa: BLE001 - it does not want to stop
            continue


def hangs(context: HandlerContext, note: str = "") -> None:
    """The same in code that lets no other thread of its process run."""
    _started(note)
    ctypes.PyDLL(None).sleep(600)


def _started(note: str) -> None:
    """A program in a session of its own, as a notebook's kernel is."""
    child = subprocess.Popen(["sleep", "600"], start_new_session=True)
    sys.stdout.write(f"{note}{os.getpid()} {child.pid}\n")


def fetches(context: HandlerContext, times: int, seconds: float) -> str:
    """Needs a token again and again."""
    values = []
    for number in range(times):
        values.append(context.token().value)
        context.progress(number)
        context.wait(seconds)
    return f"{len(set(values))} tokens"


def prints(context: HandlerContext, text: str) -> str:
    """To both outputs, from itself and from a program; a line without its end comes last."""
    sys.stdout.write(f"{text}\n")
    sys.stderr.write(f"{text} to the other\n")
    subprocess.run(["echo", f"{text} from a program"], check=True)
    sys.stdout.write(f"{text} without end")
    return "printed"


def gives(context: HandlerContext, size: int, document: bool = False) -> str | Document:
    """A result of that size."""
    if document:
        return Document(b"\x00" * size, "application/octet-stream", "zeros.bin", "Zeros.")
    return "ä" * (size // 2)


def raises(context: HandlerContext, what: str) -> None:
    """An error."""
    raise {"handler": HandlerError("Not today."), "passing": TimeoutError("slow"), "other": KeyError("inside")}[what]


def writes(context: HandlerContext) -> str:
    """A file in its folder and one in its temporary folder."""
    Path("deep/er").mkdir(parents=True)
    Path("deep/er/file").write_text("x")
    tempfile.mkstemp()
    return str(Path.cwd())


def ancestors(context: HandlerContext, count: int) -> list[str]:
    """The environments of itself and of the processes above it."""
    found, process = [], os.getpid()
    for _ in range(count):
        found.append(Path(f"/proc/{process}/environ").read_text())
        process = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    return found
