"""A supervisor for tests to start: `python supervised.py WORK FILE` supervises a child that does WORK and notes it."""

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from task_service.worker import supervisor


def _note(path: Any, word: str) -> None:
    with Path(path).open("a", encoding="utf-8") as file:
        file.write(f"{word} {os.getpid()}\n")


def dies(path: Any) -> None:
    """As of a segmentation fault."""
    _note(path, "started")
    os._exit(3)


def obeys(path: Any) -> None:
    """Ends in its own way when it is told to."""
    ended = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
    _note(path, "started")
    while not ended:
        time.sleep(0.01)
    _note(path, "ended")


def hangs(path: Any) -> None:
    """Does not listen."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _note(path, "started")
    time.sleep(600)


if __name__ == "__main__":
    supervisor.RESTART_PAUSE_SECONDS = 0.05
    supervisor.SHUTDOWN_SECONDS = 0.5
    sys.exit(supervisor.supervise(sys.argv[2], {"dies": dies, "obeys": obeys, "hangs": hangs}[sys.argv[1]]))  # type: ignore[arg-type]
