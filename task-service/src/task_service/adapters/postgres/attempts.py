"""Attempts in PostgreSQL: `application.ports.AttemptStore`, `ProgressStore`, `RecoveryStore` and `RetryStore`.

Every write carries the fence, and every outcome is one statement or one transaction.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import psycopg

from service_kit.postgres import queries
from service_kit.postgres.database import Database
from task_service.adapters.engine import watch
from task_service.adapters.postgres.runs import add_attempt, replace_job
from task_service.domain.attempt import MAX_CRASHES, Attempt, AttemptKey, AttemptOutcome
from task_service.domain.owner import Owner
from task_service.domain.result import ResultFile
from task_service.domain.retry import RetryPolicy

_SQL = queries.load(__package__, "attempts.sql")
_RESULTS = queries.load(__package__, "results.sql")


class PostgresAttempts:
    """The worker's side."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, key: AttemptKey) -> Attempt | None:
        """Take a queued attempt."""
        row = self._database.one(_SQL["begin"], _named(key))
        if row is None:
            return None
        number, issuer, subject, name, kind, parameters, persistent_token_id, failures, *retry = row
        return Attempt(
            key=key,
            run=number,
            owner=Owner(issuer, subject),
            task_name=name,
            kind=kind,
            parameters=parameters,
            persistent_token_id=persistent_token_id,
            retry=RetryPolicy(*retry),
            failures=failures,
        )

    def write_progress(self, reports: Sequence[tuple[Attempt, int]]) -> Mapping[AttemptKey, bool]:
        """Store many percentages in one statement, without waiting for locked runs."""
        values = {
            "tasks": [attempt.key.task_id for attempt, _ in reports],
            "runs": [attempt.run for attempt, _ in reports],
            "fences": [attempt.key.fence for attempt, _ in reports],
            "percents": [percent for _, percent in reports],
        }
        rows = self._database.all(_SQL["progress"], values)
        return {AttemptKey(task_id, fence): is_written for task_id, fence, is_written in rows}

    def complete(self, attempt: Attempt, result: str, file: ResultFile | None = None) -> bool:
        """End with a result."""
        values = {**_named(attempt.key), "number": attempt.run, "result": result}
        if file is None:
            return self._database.one(_SQL["complete"], values) is not None
        with self._database.transaction() as connection:
            if connection.execute(_SQL["complete"], values).fetchone() is None:
                return False
            connection.execute(_RESULTS["attach"], {**values, "key": file.key})
            return True

    def fail(self, attempt: Attempt, error: str, *, token_failed: bool = False) -> bool:
        """End with an error."""
        outcome = AttemptOutcome.TOKEN_FAILED if token_failed else AttemptOutcome.FAILED
        with self._database.transaction() as connection:
            if token_failed:  # the task before the run, as everywhere
                values = {"task_id": attempt.key.task_id, "persistent_token_id": attempt.persistent_token_id}
                connection.execute(_SQL["fail_token"], values)
            return _fail(connection, attempt.key, attempt.run, error, outcome)

    def retry(self, attempt: Attempt, error: str, seconds: float) -> bool:
        """End the attempt with an error; its run waits for another."""
        values = {**_named(attempt.key), "number": attempt.run, "error": error, "seconds": seconds}
        return self._database.one(_SQL["retry"], values) is not None

    def queue_retries(self, at_most: int) -> int:
        """Queue the attempts that are due, in one transaction."""
        with self._database.transaction() as connection:
            due = connection.execute(_SQL["due_retries"], {"at_most": at_most}).fetchall()
            return sum(_queue_retry(connection, task_id, number) for task_id, number in due)

    def give_back(self, attempt: Attempt) -> bool:
        """Queue another attempt in the place of one whose worker shuts down."""
        with self._database.transaction() as connection:
            return _replace(connection, attempt.key, AttemptOutcome.REQUEUED)

    def replace_crashed(self, key: AttemptKey, job_id: int | None = None) -> bool:
        """Queue another attempt in the place of one whose worker died, and end its job, unless its rows are locked."""
        with self._database.transaction() as connection:
            if _is_held(connection, key):
                return False
            replaced = _replace(connection, key, AttemptOutcome.CRASHED)
            if job_id is not None:
                watch.end_job(connection, job_id)
        return replaced

    def ticket_of(self, key: AttemptKey) -> UUID | None:
        """The ticket of an attempt."""
        row = self._database.one(_SQL["ticket"], _named(key))
        return row[0] if row else None

    def orphans(self) -> Sequence[AttemptKey]:
        """Attempts that no job will end."""
        return [AttemptKey(*row) for row in self._database.all(_SQL["orphans"], {})]


def _queue_retry(connection: psycopg.Connection, task_id: UUID, number: int) -> bool:
    row = connection.execute(_SQL["queue_retry"], {"task_id": task_id, "number": number}).fetchone()
    if row is None:
        return False
    fence, persistent_token_id = row
    add_attempt(connection, AttemptKey(task_id, fence), number, persistent_token_id)
    replace_job(connection, AttemptKey(task_id, fence), number)
    return True


def _is_held(connection: psycopg.Connection, key: AttemptKey) -> bool:
    row = connection.execute(_SQL["is_held"], _named(key)).fetchone()
    return bool(row and row[0])


def _replace(connection: psycopg.Connection, key: AttemptKey, outcome: AttemptOutcome) -> bool:
    connection.execute(_SQL["hold_task"], _named(key))
    values = {**_named(key), "outcome": outcome.value, "crashes": int(outcome is AttemptOutcome.CRASHED)}
    row = connection.execute(_SQL["replace"], values).fetchone()
    if row is None:
        return False
    number, fence, crashes, persistent_token_id = row
    following = AttemptKey(key.task_id, fence)
    if crashes >= MAX_CRASHES:
        error = f"The worker died {crashes} times while it ran this task."
        return _fail(connection, following, number, error, AttemptOutcome.FAILED)
    add_attempt(connection, following, number, persistent_token_id)
    replace_job(connection, following, number, has_waited=True)
    return True


def _fail(connection: psycopg.Connection, key: AttemptKey, number: int, error: str, outcome: AttemptOutcome) -> bool:
    values = {**_named(key), "number": number, "error": error, "outcome": outcome.value}
    return connection.execute(_SQL["fail"], values).fetchone() is not None


def _named(key: AttemptKey) -> dict[str, Any]:
    return {"task_id": key.task_id, "fence": key.fence}
