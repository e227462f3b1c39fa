"""Keeps one worker process running until it is told to stop."""

import multiprocessing
import signal
import threading
from collections.abc import Callable
from multiprocessing.context import SpawnProcess

from service_kit.process import logs
from task_service.config import TaskSettings
from task_service.worker import process

SHUTDOWN_SECONDS = 10.0
"""How long a child may take to give back what it has under way; then it is killed, and the sweep takes over."""
RESTART_PAUSE_SECONDS = 1.0

log = logs.get(__name__)


def supervise(settings: TaskSettings, work: Callable[[TaskSettings], None] = process.run) -> int:
    """Keep a child running until SIGTERM or SIGINT; the exit status. work: what the child does."""
    stopping = threading.Event()

    def stop(*_: object) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    while not stopping.is_set():
        child = multiprocessing.get_context("spawn").Process(target=work, args=(settings,), name="worker", daemon=True)
        child.start()
        _wait(child, stopping)
        if not stopping.is_set():
            log.error("worker.died", exit_code=child.exitcode)
            stopping.wait(RESTART_PAUSE_SECONDS)
    return 0


def _wait(child: SpawnProcess, stopping: threading.Event) -> None:
    """Until the child has ended, by itself or because it was told to."""
    while child.is_alive() and not stopping.wait(0.05):
        pass
    if not child.is_alive():
        return
    child.terminate()
    child.join(SHUTDOWN_SECONDS)
    if child.is_alive():
        log.error("worker.killed", seconds=SHUTDOWN_SECONDS)
        child.kill()
        child.join()
