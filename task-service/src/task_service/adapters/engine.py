"""The engine, Procrastinate: jobs in the same PostgreSQL, put there in the same transaction as what they are about.

A job says which attempt to run and nothing else. All of the service puts jobs in through `enqueue`, so that the engine
can be exchanged.
"""

from uuid import UUID

import procrastinate
import psycopg

RUN_ATTEMPT = "task_service.run_attempt"
SWEEP = "task_service.sweep"
QUEUE = "attempts"
MAINTENANCE_QUEUE = "maintenance"

# Never opened: it only describes jobs, which the caller's own connection stores.
_deferring = procrastinate.App(connector=procrastinate.SyncPsycopgConnector())


def enqueue(connection: psycopg.Connection, task_id: UUID, fence: int) -> int:
    """Put the job of an attempt in, within the caller's transaction; the job's id."""
    job = _deferring.configure_task(RUN_ATTEMPT, queue=QUEUE, connection=connection)
    job_id: int = job.defer(task_id=str(task_id), fence=fence)
    return job_id


def abort(connection: psycopg.Connection, job_id: int) -> None:
    """Ask whoever runs the job to stop, within the caller's transaction."""
    _deferring.job_manager.cancel_job_by_id(job_id, abort=True, connection=connection)
