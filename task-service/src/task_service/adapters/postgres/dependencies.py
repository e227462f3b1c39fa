"""Dependencies in PostgreSQL: `application.ports.DependencyStore` and `DependencyNews`."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import psycopg

from service_kit.postgres import queries
from service_kit.postgres.database import Database
from task_service.adapters.postgres.locks import lock, owned
from task_service.adapters.postgres.runs import add_attempt, add_waiting_run, cancel_run, replace_job
from task_service.domain.attempt import AttemptKey
from task_service.domain.dependencies import (
    Dependency,
    DependencyError,
    DependencyVerdict,
    Graph,
    Node,
    Step,
    judge,
)
from task_service.domain.owner import Owner
from task_service.domain.run import Cause
from task_service.domain.status import TaskStatus, WaitReason
from task_service.domain.token import TokenStatus

_SQL = queries.load(__package__, "dependencies.sql")
MAX_NODES = 5000
"""Tasks of a graph that are shown."""
NO_TOKEN = "Task needs offline token. Please request consent first."  # noqa: S105 - a message (R22)
TOKEN_FAILED = "Token request failed. Please try again."  # noqa: S105 - a message (R22)


class PostgresDependencies:
    """Edges between tasks of one owner."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, task_id: UUID, owner: Owner, depends_on: Sequence[UUID]) -> None:
        """Let the task depend on exactly these."""
        with self._database.transaction() as connection:
            lock(connection, task_id, owner)
            put(connection, task_id, owner, depends_on)

    def of_task(self, task_id: UUID, owner: Owner) -> Sequence[Dependency]:
        """The tasks on which it depends, with their latest runs."""
        with self._database.transaction() as connection:
            lock(connection, task_id, owner)
            return _of_task(connection, task_id)

    def graph(self, task_id: UUID, owner: Owner) -> Graph:
        """The tasks connected with the task, upstream and downstream."""
        with self._database.transaction() as connection:
            lock(connection, task_id, owner)
            rows = connection.execute(_SQL["graph"], {"task_id": task_id, "limit": MAX_NODES + 1}).fetchall()
            nodes = [Node(node_id, name, TaskStatus(status)) for node_id, name, status in rows[:MAX_NODES]]
            edges = connection.execute(_SQL["edges"], {"ids": [node.task_id for node in nodes]}).fetchall()
        return Graph(nodes, [(task, on) for task, on in edges], len(rows) <= MAX_NODES)

    def take_news(self, at_most: int) -> int:
        """Look at tasks on whose dependencies there is news, in one transaction; how many."""
        with self._database.transaction() as connection:
            connection.execute(_SQL["forget_deleted"])
            rows = connection.execute(_SQL["news"], {"at_most": at_most}).fetchall()
            for row in rows:
                _look_at(connection, row)
            return len(rows)


def put(connection: psycopg.Connection, task_id: UUID, owner: Owner, depends_on: Sequence[UUID]) -> None:
    """Let a locked task depend on exactly these, within the caller's transaction. Raises DependencyError."""
    values = {**owned(owner), "task_id": task_id, "ids": list(depends_on)}
    connection.execute(_SQL["hold_owner"], values)
    known = {row[0] for row in connection.execute(_SQL["owned_among"], values)}
    for place, each in enumerate(depends_on):
        if each not in known:
            raise DependencyError(place, "is not the id of a task of yours")
    if connection.execute(_SQL["cycle"], values).fetchone() is not None:
        raise DependencyError(None, "the task would depend on itself")
    connection.execute(_SQL["remove_others"], values)
    connection.execute(_SQL["add"], values)


def _look_at(connection: psycopg.Connection, row: tuple[Any, ...]) -> None:
    task_id, issuer, subject, persistent_token_id, token_status, last_run = row
    owner, key = Owner(issuer, subject), {"task_id": task_id, "number": last_run}
    reasons = [reason for (reason,) in connection.execute(_SQL["take_news"], key) if reason]
    found = connection.execute(_SQL["waiting_run"], key).fetchone()
    status, wait_reason, fence = found or (TaskStatus.PENDING, None, 0)
    waits = wait_reason == WaitReason.DEPENDENCY
    if waits and reasons:
        cancel_run(connection, task_id, last_run, reasons[0])
        return
    verdict = judge(TaskStatus(status), WaitReason(wait_reason) if wait_reason else None, _of_task(connection, task_id))
    if verdict.step is Step.NOTHING:
        return
    if not waits:
        last_run += 1
        add_waiting_run(connection, task_id, owner, Cause.DEPENDENCY, last_run, fence)
    connection.execute(_SQL["see"], {"task_id": task_id, "ids": list(verdict.seen)})
    _carry_out(connection, task_id, last_run, verdict, persistent_token_id, token_status)


def _carry_out(
    connection: psycopg.Connection,
    task_id: UUID,
    number: int,
    verdict: DependencyVerdict,
    persistent_token_id: UUID | None,
    token_status: str | None,
) -> None:
    """End the waiting run, or queue its first attempt if the task has a usable token."""
    key = {"task_id": task_id, "number": number}
    if verdict.step is Step.CANCEL:
        cancel_run(connection, task_id, number, verdict.reason)
    elif verdict.step is Step.FAIL:
        connection.execute(_SQL["fail_waiting"], {**key, "reason": verdict.reason})
    elif persistent_token_id is None or token_status != TokenStatus.ACTIVE:
        reason = TOKEN_FAILED if token_status == TokenStatus.FAILED else NO_TOKEN
        connection.execute(_SQL["fail_waiting"], {**key, "reason": reason})
    else:
        row = connection.execute(_SQL["release"], key).fetchone()
        if row is not None:
            attempt = AttemptKey(task_id, row[0])
            add_attempt(connection, attempt, number, persistent_token_id)
            replace_job(connection, attempt, number)


def _of_task(connection: psycopg.Connection, task_id: UUID) -> list[Dependency]:
    rows = connection.execute(_SQL["of_task"], {"task_id": task_id}).fetchall()
    return [Dependency(on, name, TaskStatus(status), last_run, seen) for on, name, status, last_run, seen in rows]
