"""Tasks in PostgreSQL, each with its latest run: `application.ports.TaskStore`."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.types.json import Jsonb

from service_kit.postgres import queries
from service_kit.postgres.database import Database
from task_service.adapters.engine import jobs
from task_service.adapters.postgres import dependencies, receipts
from task_service.adapters.postgres.limits import demand_room
from task_service.adapters.postgres.locks import latest_run, lock, owned
from task_service.adapters.postgres.schedules import put, schedule_of
from task_service.application.errors import TaskNotFoundError, TaskNotLinkableError
from task_service.application.ports.vault import LinkedGrant
from task_service.domain.fairness import DEFAULT_LIMITS, OwnerLimits, Priority
from task_service.domain.owner import Owner
from task_service.domain.receipt import Receipt
from task_service.domain.retry import RetryPolicy
from task_service.domain.run import NO_RUN, Run
from task_service.domain.status import UNDER_WAY, TaskStatus, WaitReason
from task_service.domain.task import NO_POLICY, Policy, Task, TokenStatus
from task_service.domain.work import DEMONSTRATION, Work

_SQL = queries.load(__package__, "tasks.sql")


class PostgresTasks:
    """One task at a time."""

    def __init__(self, database: Database, limits: OwnerLimits = DEFAULT_LIMITS) -> None:
        """limits: of each owner."""
        self._database = database
        self._limits = limits

    def add(
        self,
        owner: Owner,
        name: str,
        description: str,
        policy: Policy = NO_POLICY,
        grant: LinkedGrant | None = None,
        receipt: Receipt | None = None,
        work: Work = DEMONSTRATION,
    ) -> Task:
        """Store a new task."""
        values: dict[str, Any] = {
            "id": uuid4(),
            **owned(owner),
            "name": name,
            "description": description,
            "persistent_token_id": grant.persistent_token_id if grant else None,
            "token_status": grant.status.value if grant else None,
            "urgency": policy.priority.urgency,
            "kind": work.kind,
            "parameters": Jsonb(work.parameters),
            **asdict(policy.retry),
        }
        with self._database.transaction() as connection:
            receipts.claim(connection, owner, receipt)
            demand_room(connection, owner, self._limits)
            connection.execute(_SQL["add"], values)
            if policy.depends_on:
                dependencies.put(connection, values["id"], owner, policy.depends_on)
            if policy.schedule is not None:
                put(connection, values["id"], owner, policy.schedule)
            task = _find(connection, values)
            receipts.settle(connection, owner, receipt, task)
            return task

    def find(self, task_id: UUID, owner: Owner) -> Task:
        """One task of that owner."""
        row = self._database.one(_SQL["find"], {"id": task_id, **owned(owner)})
        if row is None:
            raise TaskNotFoundError
        return _task(row)

    def delete(self, task_id: UUID, owner: Owner, receipt: Receipt | None = None) -> None:
        """Remove it; the jobs of what it has under way are withdrawn."""
        key = {"id": task_id, **owned(owner)}
        with self._database.transaction() as connection:
            receipts.claim(connection, owner, receipt)
            if connection.execute(_SQL["lock_to_delete"], key).fetchone() is None:
                raise TaskNotFoundError
            under_way = connection.execute(_SQL["delete_runs"], key).fetchall()
            connection.execute(_SQL["delete"], key)
            for (job_id,) in under_way:
                jobs.withdraw(connection, job_id)
            receipts.settle(connection, owner, receipt, None)

    def forget_replaced(self, task_id: UUID, owner: Owner, token_id: UUID) -> None:
        """The replaced token needs no revocation any more."""
        self._database.one(_SQL["forget_replaced"], {"id": task_id, **owned(owner), "token_id": token_id})

    def links(self, owner: Owner, token_id: UUID, at_most: int, asked_for: Set[UUID] = frozenset()) -> int:
        """The number of the owner's tasks that are linked to a token, or are to find it."""
        wanted = {**owned(owner), "token_id": token_id, "at_most": at_most, "asked_for": list(asked_for)}
        row = self._database.one(_SQL["links"], wanted)
        return int(row[0]) if row else 0

    def link(self, task_id: UUID, owner: Owner, grant: LinkedGrant) -> Task:
        """Store the token's id and status; the token that a run under way uses can only be linked again."""
        key = {"id": task_id, **owned(owner)}
        values = {"persistent_token_id": grant.persistent_token_id, "token_status": grant.status.value}
        with self._database.transaction() as connection:
            linked, last_run = lock(connection, task_id, owner)
            status, _ = latest_run(connection, task_id, last_run)
            if status in UNDER_WAY and linked != grant.persistent_token_id:
                raise TaskNotLinkableError
            connection.execute(_SQL["link"], {**key, **values})
            return _find(connection, key)


def tasks_by_id(connection: psycopg.Connection, owner: Owner, ids: Sequence[UUID]) -> dict[UUID, Task]:
    """The tasks among these ids that exist and are the owner's, by id."""
    rows = connection.execute(_SQL["by_id"], {**owned(owner), "ids": list(ids)})
    return {task.id: task for task in map(_task, rows)}


def _find(connection: psycopg.Connection, key: Mapping[str, Any]) -> Task:
    row = connection.execute(_SQL["find"], key).fetchone()
    if row is None:
        raise TaskNotFoundError
    return _task(row)


def _task(row: tuple[Any, ...]) -> Task:
    task_id, issuer, subject, name, description, created_at, kind, parameters, *others = row
    persistent_token_id, token_status, urgency, *rest = others
    schedule, retry, replaces_token_id, run = tuple(rest[:10]), rest[10:13], rest[13], rest[14:]
    return Task(
        id=task_id,
        owner=Owner(issuer, subject),
        name=name,
        description=description,
        created_at=created_at,
        kind=kind,
        parameters=parameters,
        persistent_token_id=persistent_token_id,
        token_status=TokenStatus(token_status) if token_status else None,
        priority=Priority.of(urgency),
        schedule=schedule_of(schedule) if schedule[4] is not None else None,
        retry=RetryPolicy(*retry),
        replaces_token_id=replaces_token_id,
        latest_run=run_of(*run) if run[0] is not None else NO_RUN,
    )


def run_of(number: int, status: str, started_at: Any, completed_at: Any, *outcome: Any) -> Run:
    """A run from its columns, in the order of `find`."""
    result, error, progress, reason, wait_reason, next_attempt_at = outcome
    return Run(
        number=number,
        status=TaskStatus(status),
        started_at=started_at,
        completed_at=completed_at,
        result=result,
        error=error,
        progress=progress,
        reason=reason,
        wait_reason=WaitReason(wait_reason) if wait_reason else None,
        next_attempt_at=next_attempt_at,
    )
