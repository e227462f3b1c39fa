"""The worker process: the engine's worker on the event loop, and beside it threads on monotonic time.

The threads write progress and journals of all attempts in groups, sweep, make the runs of schedules, queue the retries
that are due, start tasks whose dependencies have completed, and clean the history. They need no place among the
attempts, so they continue when all places are taken.
"""

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from multiprocessing import parent_process
from types import TracebackType

from prometheus_client import Gauge

from service_kit.process import logs, metrics
from task_service import bootstrap
from task_service.application.access import END_SECONDS, EXTEND_SECONDS
from task_service.application.errors import (
    ResultStoreUnavailableError,
    TaskStorageUnavailableError,
    VaultUnavailableError,
)
from task_service.application.progress import GROUP_SECONDS
from task_service.config import TaskSettings
from task_service.worker import engine

SWEEP_SECONDS = 2.0
CARRY_ON_SECONDS = 0.5
"""How often the ends of runs are carried on to the tasks that depend on them."""
TICK_SECONDS = 1.0
"""How often schedules are looked for whose next run is due."""
RETRY_SECONDS = 1.0
"""How often runs are looked for whose next attempt is due."""
RETRIES_AT_ONCE = 100
CLEAN_SECONDS = 600.0
"""How often old runs are looked for."""

log = logs.get(__name__)

_WAITING = Gauge("task_queue_depth", "Attempts that wait for a worker, counted up to 1000.")


def run(settings: TaskSettings) -> None:
    """Make attempts until SIGTERM, which gives running ones back to the queue."""
    logs.configure("worker", settings.log_level)
    threading.Thread(target=_end_with_the_supervisor, name="supervisor", daemon=True).start()
    if settings.metrics_bind:
        metrics.serve(settings.metrics_bind)
    work = bootstrap.build_work(settings)

    def sweep() -> None:
        _WAITING.set(work.recover.sweep())

    def queue_retries() -> None:
        while work.retries.queue_retries(RETRIES_AT_ONCE) == RETRIES_AT_ONCE:
            pass

    with ExitStack() as beside:
        beside.callback(work.close)
        beside.callback(_say_last_words, work)
        beside.enter_context(Repeated("progress", GROUP_SECONDS, work.progress.flush))
        beside.enter_context(Repeated("sweep", SWEEP_SECONDS, sweep))
        beside.enter_context(Repeated("schedules", TICK_SECONDS, work.schedules.tick))
        beside.enter_context(Repeated("dependencies", CARRY_ON_SECONDS, work.dependencies.tick))
        beside.enter_context(Repeated("tickets-end", END_SECONDS, work.access.end))
        beside.enter_context(Repeated("tickets-extend", EXTEND_SECONDS, work.access.extend))
        beside.enter_context(Repeated("journal", GROUP_SECONDS, work.journal.flush))
        beside.enter_context(Repeated("history", CLEAN_SECONDS, work.history.clean))
        if work.clean_results is not None:
            beside.enter_context(Repeated("results", CLEAN_SECONDS, work.clean_results))
        beside.enter_context(Repeated("retries", RETRY_SECONDS, queue_retries))
        asyncio.run(_run(settings, work))


async def _run(settings: TaskSettings, work: bootstrap.WorkerParts) -> None:
    threads = ThreadPoolExecutor(settings.concurrency + 4, thread_name_prefix="attempt")
    asyncio.get_running_loop().set_default_executor(threads)
    app = engine.create_app(settings, work.run)
    limits = engine.RunningLimits(settings.queue_concurrency, settings.owner_concurrency)
    async with app.open_async():
        log.info("worker.ready", concurrency=settings.concurrency)
        working = asyncio.create_task(engine.work(app, settings.concurrency, limits))
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, _cancel_once, working)
        await asyncio.wait([working])
        if not working.cancelled():
            working.result()


def _say_last_words(work: bootstrap.WorkerParts) -> None:
    """Write what the last attempts have logged, and end their tickets, once the threads beside have ended."""
    for action in (work.journal.flush, work.access.end):
        try:
            action()
        except (TaskStorageUnavailableError, VaultUnavailableError) as error:
            log.warning("worker.last_words_lost", reason=str(error))


def _cancel_once(task: "asyncio.Task[None]") -> None:
    if not task.cancelling():  # a second time would disturb it while it gives attempts back
        task.cancel()


def _end_with_the_supervisor() -> None:
    """A worker whose supervisor was killed stops as if it had been told to."""
    supervisor = parent_process()
    if supervisor is not None:
        supervisor.join()
        os.kill(os.getpid(), signal.SIGTERM)


class Repeated(AbstractContextManager["Repeated"]):
    """A thread that does something again and again, `seconds` after it was done last, while the block lasts.

    The thread waits on the monotonic clock. An error is logged, and what is done is tried again next time.
    """

    def __init__(self, name: str, seconds: float, action: Callable[[], object]) -> None:
        self._name = name
        self._seconds = seconds
        self._action = action
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._repeat, name=name, daemon=True)

    def __enter__(self) -> "Repeated":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._thread.join(self._seconds + 10)

    def _repeat(self) -> None:
        while not self._ending.wait(self._seconds):
            try:
                self._action()
            except (TaskStorageUnavailableError, VaultUnavailableError, ResultStoreUnavailableError) as error:
                log.warning("worker.unavailable", action=self._name, reason=str(error))
            except Exception:
                log.exception("worker.unexpected_error", action=self._name)
