"""Procrastinate as the worker runs it: its one task, its connections and its clocks."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any
from uuid import UUID

import procrastinate
from procrastinate.connector import BaseConnector
from procrastinate.job_context import AbortReason
from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager, NotificationCallback
from prometheus_client import Gauge, Histogram
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from service_kit.postgres.database import session
from service_kit.process import logs, metrics
from task_service.adapters.engine.jobs import QUEUE, RUN_ATTEMPT
from task_service.application.handler import Stop
from task_service.application.run_attempt import COMPLETED, RunAttempt
from task_service.config import TaskSettings
from task_service.domain.attempt import AttemptKey

HEARTBEAT_SECONDS = 2.0
HEARTBEAT_TIMEOUT_SECONDS = 4.0
"""Time for one heartbeat: together with HEARTBEAT_SECONDS less than `recover.SILENT_SECONDS`."""
POLL_SECONDS = 1.0
KEPT_PLANS = "plan_cache_mode=force_generic_plan"
"""A setting of the engine's sessions: else each fetch from a long queue is planned anew."""
NEVER_PRUNE_SECONDS = 10 * 365 * 86400.0
"""The engine prunes silent workers by the wall clock; the sweep does it by the monotonic one instead."""

log = logs.get(__name__)

_ATTEMPTS = Histogram(
    "task_attempt_seconds", "Attempts that a worker has run, by outcome.", ("outcome",), buckets=metrics.SECONDS
)
_RUNNING = Gauge("task_attempts_running", "Attempts that a worker runs now.")

_STOPS = {AbortReason.USER_REQUEST: Stop.CANCELLED, AbortReason.SHUTDOWN: Stop.SHUTDOWN}


def create_app(settings: TaskSettings, run: RunAttempt) -> procrastinate.App:
    """The engine with its one task: make an attempt."""
    limits = session("worker-engine", f"-c {KEPT_PLANS}")
    del limits["autocommit"]  # the connector sets it where it listens, `_autocommit` elsewhere
    connector = procrastinate.PsycopgConnector(
        pool_factory=_pool,
        conninfo=settings.database_url.reveal(),
        kwargs=limits,
        configure=_autocommit,
        min_size=1,
        max_size=settings.concurrency + 4,
    )
    app = procrastinate.App(connector=connector)

    @app.task(name=RUN_ATTEMPT, queue=QUEUE, pass_context=True)
    def run_attempt(context: procrastinate.JobContext, task_id: str, fence: int) -> None:
        outcome = _measured(run, AttemptKey(UUID(task_id), fence), lambda: _stop(context))
        if outcome == COMPLETED and isinstance(context.app.job_manager, WatchedJobs):
            context.app.job_manager.removed.add(context.job.id)

    return app


@dataclass(frozen=True, slots=True)
class RunningLimits:
    """Limits of attempts that run at the same time over all workers: in all, and of one owner. 0: no limit."""

    at_once: int = 0
    of_one_owner: int = 0


NO_LIMITS = RunningLimits()
FETCH_WITHIN_LIMITS = (
    "select id, status, task_name, priority, lock, queueing_lock, args, scheduled_at, queue_name, attempts, worker_id"
    " from fetch_attempt(%(queue)s, %(worker)s, %(at_once)s, %(of_one_owner)s)"
)


class WatchedJobs(JobManager):
    """The engine's jobs. `failed` ends with the error of the heartbeat or of the listener.

    removed: jobs that their attempts have removed, in the statement that has completed these.

    The engine itself stops watching its side tasks when the first of them ends, and one ends at once: that for periodic
    tasks, of which there are none. A worker without its heartbeat would run on, and lose each attempt to the sweep.
    """

    def __init__(self, connector: BaseConnector, limits: RunningLimits = NO_LIMITS) -> None:
        super().__init__(connector)
        self.removed: set[int | None] = set()
        self._limits = limits
        self._ended = 0
        self._wake: NotificationCallback | None = None
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def fetch_job(self, queues: Iterable[str] | None, worker_id: int) -> Job | None:
        """As the engine's, within the limits: those of a queue and of an owner hold over all workers."""
        if self._limits == NO_LIMITS:
            return await super().fetch_job(queues, worker_id)
        while True:
            ended = self._ended
            row = await self.connector.execute_query_one_async(
                FETCH_WITHIN_LIMITS, queue=QUEUE, worker=worker_id, **asdict(self._limits)
            )
            if row["id"] is not None:
                return Job.from_row(row)
            if ended == self._ended:  # else an attempt ended meanwhile, which may have made room
                return None

    async def finish_job(self, job: Job, status: Status, delete_job: bool) -> None:
        """As the engine's. Then an attempt that a limit has held back is fetched at once, not at the next poll."""
        if job.id in self.removed:
            self.removed.remove(job.id)
        else:
            await super().finish_job(job, status, delete_job)
        self._ended += 1
        if self._wake is not None and self._limits != NO_LIMITS:
            await self._wake(channel=QUEUE, notification={"type": "job_inserted", "job_id": job.id or 0})

    async def update_heartbeat(self, worker_id: int) -> None:
        """As the engine's. Fails when the database has not answered within HEARTBEAT_TIMEOUT_SECONDS."""
        with self._noted():
            async with asyncio.timeout(HEARTBEAT_TIMEOUT_SECONDS):
                await super().update_heartbeat(worker_id)

    async def listen_for_jobs(
        self, *, on_notification: NotificationCallback, queues: Iterable[str] | None = None
    ) -> None:
        """As the engine's."""
        self._wake = on_notification
        with self._noted():
            await super().listen_for_jobs(on_notification=on_notification, queues=queues)

    @contextmanager
    def _noted(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            if not self.failed.done():
                self.failed.set_exception(error)
            raise


async def work(app: procrastinate.App, concurrency: int, limits: RunningLimits = NO_LIMITS) -> None:
    """Fetch and run jobs until cancelled, which gives running attempts a reason to stop.

    concurrency: of this worker; limits: over all workers.

    Raises the error of a heartbeat or a listener that has failed, when the attempts have stopped.
    """
    app.job_manager = jobs = WatchedJobs(app.job_manager.connector, limits)
    working = asyncio.create_task(_run_worker(app, concurrency))
    try:
        await asyncio.wait({working, jobs.failed}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        working.cancel()
        await asyncio.wait({working})
    if jobs.failed.done():
        jobs.failed.result()
    working.result()


async def _run_worker(app: procrastinate.App, concurrency: int) -> None:
    await app.run_worker_async(
        queues=[QUEUE],
        concurrency=concurrency,
        install_signal_handlers=False,
        fetch_job_polling_interval=POLL_SECONDS,
        abort_job_polling_interval=POLL_SECONDS,
        update_heartbeat_interval=HEARTBEAT_SECONDS,
        stalled_worker_timeout=NEVER_PRUNE_SECONDS,
        shutdown_graceful_timeout=0.0,
        delete_jobs="always",
    )


def _measured(run: RunAttempt, key: AttemptKey, should_stop: Callable[[], Stop | None]) -> str:
    token = logs.request_id.set(key.request_id)
    started, outcome = perf_counter(), "error"
    try:
        with _RUNNING.track_inprogress():
            outcome = run.run(key, should_stop)
        log.info("attempt.ended", task=str(key.task_id), fence=key.fence, outcome=outcome)
        return outcome
    finally:
        _ATTEMPTS.labels(outcome).observe(perf_counter() - started)
        logs.request_id.reset(token)


def _stop(context: procrastinate.JobContext) -> Stop | None:
    reason = context.abort_reason()
    return None if reason is None else _STOPS[reason]


def _pool(**arguments: Any) -> AsyncConnectionPool:
    """The engine's pool without its check, which costs a commit each time a connection is taken.

    A dead connection ends the worker process by the error of its next use. Its supervisor starts another; attempts
    under way are given back.
    """
    return AsyncConnectionPool(**{**arguments, "check": None})


async def _autocommit(connection: AsyncConnection) -> None:
    await connection.set_autocommit(True)
