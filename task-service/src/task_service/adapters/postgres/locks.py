"""Serializes changes of one task: its row is locked first, then its latest run is read."""

from typing import Any
from uuid import UUID

import psycopg

from service_kit.postgres import queries
from task_service.application.errors import TaskNotFoundError
from task_service.domain.owner import Owner
from task_service.domain.status import TaskStatus

_SQL = queries.load(__package__, "locks.sql")


def lock(connection: psycopg.Connection, task_id: UUID, owner: Owner) -> tuple[UUID | None, int]:
    """Hold the task until the transaction ends: its linked token and the number of its latest run.

    Raises TaskNotFoundError.
    """
    row = connection.execute(_SQL["lock"], {"id": task_id, **owned(owner)}).fetchone()
    if row is None:
        raise TaskNotFoundError
    return row[0], row[1]


def latest_run(connection: psycopg.Connection, task_id: UUID, number: int) -> tuple[TaskStatus, int]:
    """State and fence of a locked task's latest run; `pending` and 0 without one.

    It is a statement of its own, since `lock` may have waited: one statement sees what was committed before it began.
    """
    row = connection.execute(_SQL["latest_run"], {"id": task_id, "number": number}).fetchone()
    return (TaskStatus(row[0]), row[1]) if row else (TaskStatus.PENDING, 0)


def owned(owner: Owner) -> dict[str, Any]:
    """An owner as the parameters of a query."""
    return {"issuer": owner.issuer, "subject": owner.sub}
