"""The worker: a supervisor, and the process below it that runs attempts.

The supervisor restarts its child whatever it dies of. The child runs Procrastinate: heartbeats every 2 s, and a sweep
that takes over attempts whose worker has been silent for 8 s. A new attempt under a new fence is put in the dead one's
place, and its job ended; the same job is never retried, for then a frozen worker that wakes up would finish the new
run. The sweep has a place of its own, so that it is done when all others are taken: just then somebody has to know.
"""

import asyncio
import multiprocessing
import signal
import threading
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.context import SpawnProcess
from time import perf_counter
from uuid import UUID

import procrastinate
from procrastinate import jobs
from procrastinate.job_context import AbortReason
from prometheus_client import Gauge, Histogram

from service_kit.process import logs, metrics
from task_service import bootstrap
from task_service.adapters.engine import MAINTENANCE_QUEUE, QUEUE, RUN_ATTEMPT, SWEEP
from task_service.application.run import Stop
from task_service.config import Settings

HEARTBEAT_SECONDS = 2.0
STALLED_AFTER_SECONDS = 8.0
SWEEP_SECONDS = 2
POLL_SECONDS = 1.0
SHUTDOWN_SECONDS = 10.0
RESTART_PAUSE_SECONDS = 1.0

log = logs.get(__name__)

_ATTEMPTS = Histogram(
    "task_attempt_seconds", "Attempts that a worker has run, by outcome.", ("outcome",), buckets=metrics.SECONDS
)
_RUNNING = Gauge("task_attempts_running", "Attempts that a worker runs now.")
_WAITING = Gauge("task_queue_depth", "Attempts that wait for a worker.")

_STOPS = {AbortReason.USER_REQUEST: Stop.CANCELLED, AbortReason.SHUTDOWN: Stop.SHUTDOWN}


def supervise(settings: Settings) -> int:
    """Keep a child running until SIGTERM or SIGINT; the exit status."""
    stopping = threading.Event()
    child: list[SpawnProcess] = []

    def stop(*_: object) -> None:
        stopping.set()
        for process in child:
            process.terminate()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    spawn = multiprocessing.get_context("spawn")
    while not stopping.is_set():
        process = spawn.Process(target=run, args=(settings,), name="worker", daemon=True)
        process.start()
        child[:] = [process]
        process.join()
        if not stopping.is_set():
            log.error("worker.died", exit_code=process.exitcode)
            stopping.wait(RESTART_PAUSE_SECONDS)
    return 0


def run(settings: Settings) -> None:
    """Run attempts until SIGTERM, which gives running ones back to the queue."""
    logs.configure("worker", settings.log_level)
    if settings.metrics_bind:
        metrics.serve(settings.metrics_bind)
    asyncio.run(_run(settings))


async def _run(settings: Settings) -> None:
    concurrency = settings.concurrency
    threads = ThreadPoolExecutor(concurrency + 4, thread_name_prefix="attempt")
    asyncio.get_running_loop().set_default_executor(threads)
    app = create_app(settings, bootstrap.build_work(settings))
    async with app.open_async():
        log.info("worker.ready", concurrency=concurrency)
        await _until_stopped(_worker(app, QUEUE, concurrency), _worker(app, MAINTENANCE_QUEUE, 1, listen_notify=False))


async def _worker(app: procrastinate.App, queue: str, concurrency: int, *, listen_notify: bool = True) -> None:
    await app.run_worker_async(
        queues=[queue],
        concurrency=concurrency,
        listen_notify=listen_notify,
        install_signal_handlers=False,
        fetch_job_polling_interval=POLL_SECONDS,
        abort_job_polling_interval=POLL_SECONDS,
        update_heartbeat_interval=HEARTBEAT_SECONDS,
        stalled_worker_timeout=STALLED_AFTER_SECONDS,
        shutdown_graceful_timeout=0.0,
        delete_jobs="always",
    )


async def _until_stopped(*work: Coroutine[None, None, None]) -> None:
    """Until a signal, or until one of them ends, which ends the others too. Raises what it ended with."""
    running = [asyncio.create_task(each) for each in work]

    def stop() -> None:
        for each in running:
            if not each.cancelling():  # a second time would disturb it while it gives back what it has under way
                each.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    ended, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    stop()
    await asyncio.wait(running)
    for each in ended:
        if not each.cancelled():
            each.result()


def _stop(context: procrastinate.JobContext) -> Stop | None:
    reason = context.abort_reason()
    return None if reason is None else _STOPS[reason]


def create_app(settings: Settings, work: bootstrap.Work) -> procrastinate.App:
    """The engine with its two jobs: run an attempt, and sweep up after workers that died."""
    connector = procrastinate.PsycopgConnector(
        conninfo=settings.database_url.reveal(), min_size=1, max_size=settings.concurrency + 4
    )
    app = procrastinate.App(connector=connector)

    @app.task(name=RUN_ATTEMPT, queue=QUEUE, pass_context=True)
    def run_attempt(context: procrastinate.JobContext, task_id: str, fence: int) -> None:
        token = logs.request_id.set(f"{task_id}.{fence}")
        started, outcome = perf_counter(), "error"
        try:
            with _RUNNING.track_inprogress():
                outcome = work.run.run(UUID(task_id), fence, lambda: _stop(context))
            log.info("attempt.ended", task=task_id, fence=fence, outcome=outcome)
        finally:
            _ATTEMPTS.labels(outcome).observe(perf_counter() - started)
            logs.request_id.reset(token)

    @app.periodic(cron=f"* * * * * */{SWEEP_SECONDS}")
    @app.task(name=SWEEP, queue=MAINTENANCE_QUEUE, queueing_lock=SWEEP)
    async def sweep(timestamp: int) -> None:  # noqa: ARG001 - the engine's signature
        for job in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_AFTER_SECONDS):
            if job.task_name == RUN_ATTEMPT:
                task_id, fence = UUID(str(job.task_kwargs["task_id"])), int(str(job.task_kwargs["fence"]))
                replaced = await asyncio.to_thread(work.attempts.replace_crashed, task_id, fence)
                log.warning("attempt.taken_over", task=str(task_id), fence=fence, replaced=replaced)
            await app.job_manager.finish_job(job, jobs.Status.FAILED, delete_job=True)
        _WAITING.set(sum(queue["todo"] for queue in await app.job_manager.list_queues_async(queue=QUEUE)))
        for orphan in await asyncio.to_thread(work.attempts.replace_orphans):
            log.warning("attempt.orphan_replaced", task=str(orphan))

    return app
