"""Tasks and attempts in PostgreSQL: `application.ports.Tasks` and `Attempts`."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

import psycopg

from service_kit.postgres import queries
from service_kit.postgres.database import Database
from task_service.adapters import engine
from task_service.application.errors import TaskNotExecutableError, TaskNotFoundError, TaskNotLinkableError
from task_service.application.ports import Attempt, Link
from task_service.domain.task import Subject, Task, TaskStatus, TokenStatus

_TASKS = queries.load(__package__, "tasks.sql")
_ATTEMPTS = queries.load(__package__, "attempts.sql")
MAX_CRASHES = 5


class PostgresTasks:
    """The owner's side."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, owner: Subject, name: str, description: str) -> Task:
        """Store a new task."""
        values = {"id": uuid4(), **_owned(owner), "name": name, "description": description}
        return _task(self._required("add", values))

    def version(self, owner: Subject) -> int:
        """A number that grows whenever one of the owner's tasks changes."""
        row = self._one("version", _owned(owner))
        return row[0] if row else 0

    def of_owner(self, owner: Subject) -> Sequence[Task]:
        """The owner's tasks, newest first."""
        with self._database.connection() as connection:
            return [_task(row) for row in connection.execute(_TASKS["of_owner"], _owned(owner))]

    def find(self, task_id: UUID, owner: Subject) -> Task:
        """One task of that owner."""
        return _task(self._required("find", {"id": task_id, **_owned(owner)}))

    def delete(self, task_id: UUID, owner: Subject) -> None:
        """Remove it; whoever runs it is asked to stop."""
        with self._database.transaction() as connection:
            row = connection.execute(_TASKS["delete"], {"id": task_id, **_owned(owner)}).fetchone()
            if row is None:
                raise TaskNotFoundError
            job_id, status = row
            if job_id is not None and status in {TaskStatus.QUEUED, TaskStatus.RUNNING}:
                engine.abort(connection, job_id)

    def link(self, task_id: UUID, owner: Subject, link: Link) -> Task:
        """Keep the token's id with the task."""
        values = {"persistent_token_id": link.persistent_token_id, "token_status": link.status.value}
        row = self._one("link", {"id": task_id, **_owned(owner), **values})
        if row is None:
            self.find(task_id, owner)
            raise TaskNotLinkableError
        return _task(row)

    def enqueue(self, task_id: UUID, owner: Subject) -> None:
        """Queue an attempt: the task, the attempt and the job in one transaction."""
        with self._database.transaction() as connection:
            row = connection.execute(_TASKS["enqueue"], {"id": task_id, **_owned(owner)}).fetchone()
            if row is not None:
                _add_attempt(connection, task_id, *row)
        if row is None:
            self.find(task_id, owner)
            raise TaskNotExecutableError

    def claim_status_check(self, owner: Subject) -> bool:
        """Whether this caller should ask the vault about the owner's tokens now."""
        return self._one("claim_status_check", _owned(owner)) is not None

    def set_token_status(self, owner: Subject, statuses: Mapping[UUID, TokenStatus]) -> None:
        """Write down what the vault says of the owner's tokens."""
        said = {"ids": list(statuses), "statuses": [status.value for status in statuses.values()]}
        with self._database.connection() as connection:
            connection.execute(_TASKS["set_token_status"], {**_owned(owner), **said})

    def _one(self, query: str, values: dict[str, Any]) -> tuple[Any, ...] | None:
        with self._database.connection() as connection:
            return connection.execute(_TASKS[query], values).fetchone()

    def _required(self, query: str, values: dict[str, Any]) -> tuple[Any, ...]:
        row = self._one(query, values)
        if row is None:
            raise TaskNotFoundError
        return row


class PostgresAttempts:
    """The worker's side. Every write carries the fence."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, task_id: UUID, fence: int) -> Attempt | None:
        """Take a queued attempt."""
        key = {"task_id": task_id, "fence": fence}
        with self._database.transaction() as connection:
            row = connection.execute(_ATTEMPTS["begin"], key).fetchone()
            if row is None:
                return None
            connection.execute(_ATTEMPTS["attempt_started"], key)
        issuer, subject, name, persistent_token_id = row
        return Attempt(
            task_id=task_id,
            fence=fence,
            owner=Subject(issuer, subject),
            task_name=name,
            persistent_token_id=persistent_token_id,
        )

    def progress(self, attempt: Attempt, percent: int) -> bool:
        """Write the progress."""
        with self._database.connection() as connection:
            row = connection.execute(_ATTEMPTS["progress"], {**_key(attempt), "percent": percent}).fetchone()
        return row is not None

    def complete(self, attempt: Attempt, result: str) -> bool:
        """End well."""
        return self._end("complete", attempt, "completed", {"result": result})

    def fail(self, attempt: Attempt, error: str, *, token_failed: bool = False) -> bool:
        """End badly."""
        outcome = "token_failed" if token_failed else "failed"
        return self._end("fail", attempt, outcome, {"error": error, "token_failed": token_failed})

    def requeue(self, attempt: Attempt) -> bool:
        """Give it back under a new fence."""
        return self._replace(attempt.task_id, attempt.fence, "requeued", crashes=0)

    def replace_crashed(self, task_id: UUID, fence: int) -> bool:
        """Put another attempt in the place of one whose worker died; after too many the task fails."""
        return self._replace(task_id, fence, "crashed", crashes=1)

    def replace_orphans(self) -> list[UUID]:
        """Put another attempt in the place of those that no job will end; the tasks."""
        with self._database.connection() as connection:
            orphans = connection.execute(_ATTEMPTS["orphans"]).fetchall()
        return [task_id for task_id, fence in orphans if self.replace_crashed(task_id, fence)]

    def _replace(self, task_id: UUID, fence: int, outcome: str, *, crashes: int) -> bool:
        key = {"task_id": task_id, "fence": fence}
        with self._database.transaction() as connection:
            row = connection.execute(_ATTEMPTS["requeue"], {**key, "crashes": crashes}).fetchone()
            if row is None:
                return False
            connection.execute(_ATTEMPTS["attempt_ended"], {**key, "outcome": outcome})
            new_fence, persistent_token_id, crashed = row
            if crashed < MAX_CRASHES:
                _add_attempt(connection, task_id, new_fence, persistent_token_id)
                return True
            error = f"The worker died {crashed} times while it ran this task."
            values = {"task_id": task_id, "fence": new_fence, "error": error, "token_failed": False}
            connection.execute(_ATTEMPTS["fail"], values)
        return True

    def _end(self, query: str, attempt: Attempt, outcome: str, values: dict[str, Any]) -> bool:
        with self._database.transaction() as connection:
            row = connection.execute(_ATTEMPTS[query], {**_key(attempt), **values}).fetchone()
            if row is not None:
                connection.execute(_ATTEMPTS["attempt_ended"], {**_key(attempt), "outcome": outcome})
        return row is not None


def _add_attempt(connection: psycopg.Connection, task_id: UUID, fence: int, persistent_token_id: UUID) -> None:
    values = {"id": task_id, "fence": fence, "persistent_token_id": persistent_token_id}
    connection.execute(_TASKS["add_attempt"], values)
    job_id = engine.enqueue(connection, task_id, fence)
    connection.execute(_TASKS["set_job"], {"id": task_id, "fence": fence, "job_id": job_id})


def _key(attempt: Attempt) -> dict[str, Any]:
    return {"task_id": attempt.task_id, "fence": attempt.fence}


def _owned(owner: Subject) -> dict[str, Any]:
    return {"issuer": owner.issuer, "subject": owner.sub}


def _task(row: tuple[Any, ...]) -> Task:
    task_id, issuer, subject, name, description, status = row[:6]
    created_at, started_at, completed_at, persistent_token_id, token_status = row[6:11]
    result, error, progress = row[11:]
    return Task(
        id=task_id,
        owner=Subject(issuer, subject),
        name=name,
        description=description,
        status=TaskStatus(status),
        created_at=created_at,
        started_at=started_at,
        completed_at=completed_at,
        persistent_token_id=persistent_token_id,
        token_status=TokenStatus(token_status) if token_status else None,
        result=result,
        error=error,
        progress=progress,
    )
