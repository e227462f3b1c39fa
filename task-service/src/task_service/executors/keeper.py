"""The process above an attempt's program: ends whatever the program has started, when the program or the worker ends.

The program runs code of kinds. It can be killed, or hang in code that lets none of its threads run; then it cannot
clean up what it has started. So its parent runs no such code: it waits for the end of the program, and for the end of
the input, which means that whoever started the attempt is gone. What the program leaves behind becomes the keeper's
child (Linux).
"""

import ctypes
import os
import resource
import select
import shutil
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType

from task_service.executors.child import kill_below

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_WATCHED = (signal.SIGTERM, signal.SIGCHLD)


def keep(inputs: Sequence[int]) -> None:
    """Fork: return in the program; the calling process stays until that and all that it has started have ended.

    The caller ends as the program does. inputs: descriptors. The end of one means that
    whoever started the program is gone. Must be called before any thread is started.
    """
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    keeper = os.getpid()
    program = os.fork()
    if program == 0:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != keeper:
            os.kill(os.getpid(), signal.SIGKILL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED)
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    status = _status_of(program, inputs)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _end_all()
    if status is None:
        _remove_own_folder()
        os.killpg(0, signal.SIGKILL)
    _end_with(status or 0)


def _status_of(program: int, inputs: Sequence[int]) -> int | None:
    """Wait for the program's end, and pass SIGTERM on to it; its wait status. None: the input has ended before."""
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)

    def pass_on(number: int, _: FrameType | None) -> None:
        with suppress(ProcessLookupError):
            os.kill(program, number)

    signal.signal(signal.SIGTERM, pass_on)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED)
    while True:
        ready, _, _ = select.select([woken, *inputs], [], [])
        if woken in ready:
            os.read(woken, 4096)
        ended, status = _collected(program)
        if ended:
            return status
        if any(descriptor in ready and not os.read(descriptor, 4096) for descriptor in inputs):
            with suppress(ProcessLookupError):
                os.kill(program, signal.SIGKILL)
            return None


def _collected(program: int) -> tuple[bool, int]:
    """Collect the children that have ended; whether the program is among them, and its wait status."""
    found = (False, 0)
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == program:
                found = (True, ended[1])
    return found


def _end_all() -> None:
    """Kill what is below this process, and wait for its end. What starts meanwhile, or is left behind, follows."""
    with suppress(ChildProcessError):
        while True:
            kill_below(os.getpid())
            os.waitpid(-1, 0)


def _remove_own_folder() -> None:
    """Remove the folder that the attempt was given (`child.clean_environment`): its worker is gone."""
    here = str(Path.cwd())
    if here == os.environ.get("HOME") == os.environ.get("TMPDIR"):
        shutil.rmtree(here, ignore_errors=True)


def _end_with(status: int) -> None:
    """End this process by the signal, or with the exit status, that is in a wait status."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        os._exit(128 + number)  # the first process of a container is not ended by signals of its own
    os._exit(os.WEXITSTATUS(status))


def _prctl(option: int, value: int) -> None:
    """`prctl(2)`; nothing elsewhere than on Linux."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
