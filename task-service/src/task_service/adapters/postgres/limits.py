"""The limits of one owner, checked within the transaction that adds to their tasks."""

import psycopg

from service_kit.postgres import queries
from task_service.adapters.postgres.locks import owned
from task_service.application.errors import TooManyOpenTasksError, TooManyTasksError
from task_service.domain.fairness import OwnerLimits
from task_service.domain.owner import Owner

_SQL = queries.load(__package__, "limits.sql")


def demand_room(connection: psycopg.Connection, owner: Owner, limits: OwnerLimits) -> None:
    """Return if the owner may have another task. Raises TooManyTasksError."""
    tasks, _ = _load(connection, owner)
    if tasks >= limits.tasks:
        raise TooManyTasksError


def demand_room_for_run(connection: psycopg.Connection, owner: Owner, limits: OwnerLimits) -> None:
    """Return if the owner may have another open task. Raises TooManyOpenTasksError."""
    _, open_tasks = _load(connection, owner)
    if open_tasks >= limits.open:
        raise TooManyOpenTasksError


def _load(connection: psycopg.Connection, owner: Owner) -> tuple[int, int]:
    row = connection.execute(_SQL["load"], owned(owner)).fetchone()
    return (int(row[0]), int(row[1])) if row else (0, 0)
