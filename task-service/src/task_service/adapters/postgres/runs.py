"""Runs, their attempts and the engine's jobs, made together: `application.ports.RunQueue`."""

from collections.abc import Set
from uuid import UUID

import psycopg

from service_kit.postgres import queries
from service_kit.postgres.database import Database
from task_service.adapters.engine import jobs
from task_service.adapters.postgres import receipts
from task_service.adapters.postgres.limits import demand_room_for_run
from task_service.adapters.postgres.locks import latest_run, lock, owned
from task_service.application.errors import TaskNotCancellableError, TaskNotExecutableError
from task_service.domain.attempt import AttemptKey
from task_service.domain.dependencies import WAITS, must_wait
from task_service.domain.fairness import DEFAULT_LIMITS, OwnerLimits, tag
from task_service.domain.owner import Owner
from task_service.domain.receipt import Receipt
from task_service.domain.run import Cause
from task_service.domain.status import EXECUTABLE, TaskStatus

_SQL = queries.load(__package__, "runs.sql")


class PostgresRuns:
    """Queues runs."""

    def __init__(self, database: Database, limits: OwnerLimits = DEFAULT_LIMITS) -> None:
        """limits: of each owner."""
        self._database = database
        self._limits = limits

    def enqueue(
        self,
        task_id: UUID,
        owner: Owner,
        cause: Cause,
        *,
        allowed: Set[TaskStatus] = EXECUTABLE,
        receipt: Receipt | None = None,
    ) -> None:
        """Queue the task's next run: run, attempt and job in one transaction."""
        with self._database.transaction() as connection:
            receipts.claim(connection, owner, receipt)
            persistent_token_id, last_run = lock(connection, task_id, owner)
            status, fence = latest_run(connection, task_id, last_run)
            if status not in allowed or persistent_token_id is None:
                raise TaskNotExecutableError
            demand_room_for_run(connection, owner, self._limits)
            start_run(connection, task_id, owner, cause, persistent_token_id, last_run, fence)
            receipts.settle(connection, owner, receipt, None)

    def cancel(self, task_id: UUID, owner: Owner, reason: str) -> bool:
        """Cancel what the task has under way."""
        with self._database.transaction() as connection:
            _, last_run = lock(connection, task_id, owner)
            if cancel_run(connection, task_id, last_run, reason):
                connection.execute(_SQL["see_ended"], {"task_id": task_id})
                return True
            status, _ = latest_run(connection, task_id, last_run)
        if status is not TaskStatus.CANCELLED:
            raise TaskNotCancellableError
        return False


def cancel_run(connection: psycopg.Connection, task_id: UUID, number: int, reason: str) -> bool:
    """Cancel a run and withdraw its job, within the caller's transaction; False if it has ended."""
    row = connection.execute(_SQL["cancel"], {"task_id": task_id, "number": number, "reason": reason}).fetchone()
    if row is None:
        return False
    if row[0] is not None:
        jobs.withdraw(connection, row[0])
    return True


def start_run(
    connection: psycopg.Connection,
    task_id: UUID,
    owner: Owner,
    cause: Cause,
    persistent_token_id: UUID,
    last_run: int,
    fence: int,
) -> None:
    """Make the next run of a locked task, within the caller's transaction. fence: that of the latest run.

    It is queued, or waits if a task on which this one depends has not completed.
    """
    if _must_wait(connection, task_id):
        add_waiting_run(connection, task_id, owner, cause, last_run + 1, fence)
        return
    key, number = AttemptKey(task_id, fence + 1), last_run + 1
    run = {
        **owned(owner),
        "task_id": task_id,
        "number": number,
        "cause": cause.value,
        "fence": key.fence,
        **_job(connection, key),
    }
    connection.execute(_SQL["count_run"], run)
    connection.execute(_SQL["add_run"], run)
    add_attempt(connection, key, number, persistent_token_id)


def add_waiting_run(
    connection: psycopg.Connection, task_id: UUID, owner: Owner, cause: Cause, number: int, fence: int
) -> None:
    """Make a run that waits for the tasks on which its task depends, within the caller's transaction."""
    run = {
        **owned(owner),
        "task_id": task_id,
        "number": number,
        "cause": cause.value,
        "fence": fence,
        "reason": WAITS,
    }
    connection.execute(_SQL["count_run"], run)
    connection.execute(_SQL["add_waiting_run"], run)


def _must_wait(connection: psycopg.Connection, task_id: UUID) -> bool:
    """True when a dependency's latest run has not completed; else the results are taken into account."""
    states = connection.execute(_SQL["states_of_dependencies"], {"task_id": task_id}).fetchall()
    if must_wait([TaskStatus(state) for (state,) in states]):
        return True
    if states:
        connection.execute(_SQL["see_all"], {"task_id": task_id})
    return False


def add_attempt(connection: psycopg.Connection, key: AttemptKey, number: int, persistent_token_id: UUID) -> None:
    """Add an attempt to a run, within the caller's transaction."""
    values = {"task_id": key.task_id, "fence": key.fence, "number": number, "persistent_token_id": persistent_token_id}
    connection.execute(_SQL["add_attempt"], values)


def replace_job(connection: psycopg.Connection, key: AttemptKey, number: int, *, has_waited: bool = False) -> None:
    """Give a run without a job a new one, within the caller's transaction. has_waited: it comes first in the queue."""
    values = {"task_id": key.task_id, "number": number, **_job(connection, key, has_waited=has_waited)}
    connection.execute(_SQL["set_job"], values)


def _job(connection: psycopg.Connection, key: AttemptKey, *, has_waited: bool = False) -> dict[str, int]:
    """The job of an attempt: its id, and its place in the queue."""
    row = connection.execute(_SQL["place"], {"task_id": key.task_id, "queue": jobs.QUEUE}).fetchone()
    urgency, queue_time, *own = row or (1, 0)
    waiting = {of: greatest for of, greatest in enumerate(own) if greatest is not None}
    queue_tag = queue_time if has_waited else tag(queue_time, waiting, urgency)
    return {"job_id": jobs.enqueue(connection, key, queue_tag), "urgency": urgency, "queue_tag": queue_tag}
