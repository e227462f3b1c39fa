"""Jobs of the engine, written within the caller's transaction.

A job names the attempt to make and nothing else. `enqueue` is the only place that makes jobs, so that the engine can
be exchanged.
"""

import procrastinate
import psycopg

from task_service.domain.attempt import AttemptKey

RUN_ATTEMPT = "task_service.run_attempt"
QUEUE = "attempts"

# Never opened: it only describes jobs, which the caller's own connection stores.
_deferring = procrastinate.App(connector=procrastinate.SyncPsycopgConnector())


def enqueue(connection: psycopg.Connection, key: AttemptKey, tag: int) -> int:
    """Add the job of an attempt; the job's id. tag: its place, the lowest first."""
    job = _deferring.configure_task(RUN_ATTEMPT, queue=QUEUE, priority=-tag, connection=connection)
    job_id: int = job.defer(task_id=str(key.task_id), fence=key.fence)
    return job_id


def withdraw(connection: psycopg.Connection, job_id: int) -> None:
    """Remove a job that waits; tell the worker of a running one to stop."""
    _deferring.job_manager.cancel_job_by_id(job_id, abort=True, delete_job=True, connection=connection)
