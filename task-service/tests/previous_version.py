"""The version before runs had a table of their own: its schema, and its queries as its code sent them.

`previous/*.sql` are that version's files, unchanged. `PreviousTasks` is its code around them, cut to what wrote.
"""

import re
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg

from task_service.adapters.engine import jobs
from task_service.adapters.postgres.database import MIGRATIONS
from task_service.domain.attempt import AttemptKey
from task_service.domain.owner import Owner

LAST_MIGRATION = "0003"
_FOLDER = Path(__file__).parent / "previous"
_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


def apply_previous_schema(url: str) -> None:
    """Bring an empty database to the schema of that version, as its owner."""
    folder = Path(str(Path(__file__).parents[1] / "src" / "task_service" / "migrations"))
    with psycopg.connect(url) as connection:
        connection.execute(
            "create table schema_migrations (name text primary key, applied_at timestamptz default now())"
        )
        for path in sorted(folder.glob("*.sql")):
            if path.name[:4] <= LAST_MIGRATION:
                connection.execute(path.read_bytes())
                if path.name in MIGRATIONS._libraries:
                    connection.execute(MIGRATIONS._libraries[path.name]())
                connection.execute("insert into schema_migrations (name) values (%s)", [path.name])


def _queries(name: str) -> dict[str, bytes]:
    _, *parts = _NAME.split((_FOLDER / name).read_text())
    return {key: query.strip().encode() for key, query in zip(parts[::2], parts[1::2], strict=True)}


class PreviousVersion:
    """API and worker of that version on one connection."""

    MAX_CRASHES = 5

    def __init__(self, connection: psycopg.Connection, owner: Owner) -> None:
        """connection: in autocommit mode, as the runtime role."""
        self._connection = connection
        self._owned = {"issuer": owner.issuer, "subject": owner.sub}
        self._tasks = _queries("tasks.sql")
        self._attempts = _queries("attempts.sql")

    def create(self, name: str = "old") -> UUID:
        """A pending task."""
        row = self._one(self._tasks["add"], id=uuid4(), **self._owned, name=name, description="")
        return UUID(str(row[0]))

    def ready(self, name: str = "old") -> UUID:
        """A task with an active token."""
        task_id = self.create(name)
        self.link(task_id)
        return task_id

    def link(self, task_id: UUID) -> None:
        """Link a token."""
        self._one(self._tasks["link"], id=task_id, **self._owned, persistent_token_id=uuid4(), token_status="active")

    def see(self, task_id: UUID) -> dict[str, Any]:
        """The task as the previous version's API showed it."""
        row = self._one(self._tasks["find"], id=task_id, **self._owned)
        names = ("status", "created_at", "started_at", "completed_at", "token", "token_status")
        return dict(zip((*names, "result", "error", "progress"), row[5:], strict=True))

    def listed(self) -> list[UUID]:
        """The tasks that its API listed."""
        return [row[0] for row in self._connection.execute(self._tasks["of_owner"], self._owned)]

    def list_version(self) -> int:
        """The value from which the previous version's API made the `ETag`."""
        return int(self._one(self._tasks["version"], **self._owned)[0])

    def enqueue(self, task_id: UUID) -> int | None:
        """Execute; the fence, or None when the task could not be executed."""
        with self._connection.transaction():
            row = self._connection.execute(self._tasks["enqueue"], {"id": task_id, **self._owned}).fetchone()
            if row is not None:
                self._add_attempt(task_id, *row)
        return row[0] if row else None

    def delete(self, task_id: UUID) -> None:
        """Delete a task and withdraw its job."""
        with self._connection.transaction():
            job_id, status = self._one(self._tasks["delete"], id=task_id, **self._owned)
            if job_id is not None and status in {"queued", "running"}:
                jobs.withdraw(self._connection, job_id)

    def begin(self, task_id: UUID, fence: int) -> bool:
        """Begin an attempt."""
        key = {"task_id": task_id, "fence": fence}
        with self._connection.transaction():
            row = self._connection.execute(self._attempts["begin"], key).fetchone()
            self._connection.execute(self._attempts["attempt_started"], key)
        return row is not None

    def progress(self, task_id: UUID, fence: int, percent: int) -> bool:
        """Write progress."""
        values = {"task_id": task_id, "fence": fence, "percent": percent}
        return self._connection.execute(self._attempts["progress"], values).fetchone() is not None

    def complete(self, task_id: UUID, fence: int, result: str = "old result") -> bool:
        """End with a result."""
        return self._end("complete", "completed", task_id=task_id, fence=fence, result=result)

    def fail(self, task_id: UUID, fence: int, error: str = "old error") -> bool:
        """End with an error."""
        return self._end("fail", "failed", task_id=task_id, fence=fence, error=error, token_failed=False)

    def replace(self, task_id: UUID, fence: int, outcome: str = "crashed") -> bool:
        """Another attempt in the place of this one; after MAX_CRASHES the task fails."""
        key = {"task_id": task_id, "fence": fence}
        crashes = int(outcome == "crashed")
        with self._connection.transaction():
            row = self._connection.execute(self._attempts["requeue"], {**key, "crashes": crashes}).fetchone()
            if row is None:
                return False
            self._connection.execute(self._attempts["attempt_ended"], {**key, "outcome": outcome})
            new_fence, token_id, crashed = row
            if crashed < self.MAX_CRASHES:
                self._add_attempt(task_id, new_fence, token_id)
                return True
            values = {"task_id": task_id, "fence": new_fence, "error": "It died.", "token_failed": False}
            self._connection.execute(self._attempts["fail"], values)
        return True

    def orphans(self) -> list[tuple[UUID, int]]:
        """The attempts without a job that the previous version's sweep found."""
        return [(row[0], row[1]) for row in self._connection.execute(self._attempts["orphans"])]

    def _add_attempt(self, task_id: UUID, fence: int, token_id: UUID) -> None:
        values = {"id": task_id, "fence": fence, "persistent_token_id": token_id}
        self._connection.execute(self._tasks["add_attempt"], values)
        job_id = jobs.enqueue(self._connection, AttemptKey(task_id, fence), 0)
        self._connection.execute(self._tasks["set_job"], {"id": task_id, "fence": fence, "job_id": job_id})

    def _end(self, query: str, outcome: str, **values: Any) -> bool:
        with self._connection.transaction():
            row = self._connection.execute(self._attempts[query], values).fetchone()
            if row is not None:
                key = {"task_id": values["task_id"], "fence": values["fence"]}
                self._connection.execute(self._attempts["attempt_ended"], {**key, "outcome": outcome})
        return row is not None

    def _one(self, query: bytes, **values: Any) -> tuple[Any, ...]:
        row = self._connection.execute(query, values).fetchone()
        assert row is not None
        return row
