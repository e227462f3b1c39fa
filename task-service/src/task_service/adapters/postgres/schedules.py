"""Schedules in PostgreSQL: `application.ports.ScheduleStore` and `DueSchedules`. Times are those of its clock."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg

from service_kit.postgres import queries
from service_kit.postgres.database import Database
from task_service.adapters.postgres.locks import latest_run, lock, owned
from task_service.adapters.postgres.runs import start_run
from task_service.application.errors import ScheduleNotFoundError
from task_service.domain.owner import Owner
from task_service.domain.run import Cause
from task_service.domain.schedule import (
    Firing,
    Overlap,
    Rule,
    Schedule,
    ScheduleStatus,
    StopReason,
    begun,
    fire,
)
from task_service.domain.task import TokenStatus

_SQL = queries.load(__package__, "schedules.sql")


class PostgresSchedules:
    """One schedule for each task at most. The task is locked before its schedule is read or written."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def now(self) -> datetime:
        """The database's time."""
        row = self._database.one(_SQL["now"], {})
        assert row is not None  # noqa: S101 - the statement has one row
        return moment(row[0])

    def put(self, task_id: UUID, owner: Owner, rule: Rule) -> Schedule:
        """Give the task a schedule, or its schedule another rule."""
        with self._database.transaction() as connection:
            lock(connection, task_id, owner)
            return put(connection, task_id, owner, rule)

    def change(self, task_id: UUID, owner: Owner, to: Callable[[Schedule, datetime], Schedule]) -> Schedule:
        """Replace the schedule by what `to` makes of it, given the time."""
        with self._database.transaction() as connection:
            lock(connection, task_id, owner)
            row = connection.execute(_SQL["find"], {"task_id": task_id}).fetchone()
            if row is None:
                raise ScheduleNotFoundError
            changed = to(schedule_of(row), _now(connection))
            _write(connection, task_id, owner, changed)
            return changed

    def remove(self, task_id: UUID, owner: Owner) -> None:
        """Take the schedule away."""
        with self._database.transaction() as connection:
            lock(connection, task_id, owner)
            if connection.execute(_SQL["remove"], {"task_id": task_id}).fetchone() is None:
                raise ScheduleNotFoundError

    def fire_due(self, at_most: int) -> int:
        """Make the runs that are due, in one transaction that skips locked rows. Returns the number of schedules
        checked.
        """
        with self._database.transaction() as connection:
            due = connection.execute(_SQL["due"], {"at_most": at_most}).fetchall()
            return sum(_fire(connection, row) for row in due)


def put(connection: psycopg.Connection, task_id: UUID, owner: Owner, rule: Rule) -> Schedule:
    """Give a locked task a schedule that begins now, within the caller's transaction."""
    row = connection.execute(_SQL["find"], {"task_id": task_id}).fetchone()
    schedule = begun(rule, _now(connection), schedule_of(row) if row else None)
    _write(connection, task_id, owner, schedule)
    return schedule


def schedule_of(row: tuple[Any, ...]) -> Schedule:
    """A schedule from its ten columns, in the order of `find`."""
    cron, run_at, timezone, overlap, status, stop_reason, next_run_at, held, last_run_at, missed_at = row
    return Schedule(
        rule=Rule(cron=cron, run_at=run_at and moment(run_at), timezone=timezone, overlap=Overlap(overlap)),
        status=ScheduleStatus(status),
        stop_reason=StopReason(stop_reason) if stop_reason else None,
        next_run_at=next_run_at and moment(next_run_at),
        held=held,
        last_run_at=last_run_at and moment(last_run_at),
        missed_at=missed_at and moment(missed_at),
    )


def _fire(connection: psycopg.Connection, row: tuple[Any, ...]) -> bool:
    task_id, issuer, subject, persistent_token_id, token_status, last_run, now, *columns = row
    owner = Owner(issuer, subject)
    status, fence = latest_run(connection, task_id, last_run)
    token = TokenStatus(token_status) if token_status else None
    firing, schedule = fire(schedule_of(tuple(columns)), moment(now), status, token)
    if firing is Firing.HOLD and not _held_back(connection, task_id, last_run):
        return False  # the run ends at this moment: the schedule stays due
    if firing is Firing.RUN:
        start_run(connection, task_id, owner, Cause.SCHEDULE, persistent_token_id, last_run, fence)
    _write(connection, task_id, owner, schedule)
    return True


def _held_back(connection: psycopg.Connection, task_id: UUID, number: int) -> bool:
    key = {"task_id": task_id, "number": number}
    return connection.execute(_SQL["hold_back_the_end"], key).fetchone() is not None


def _write(connection: psycopg.Connection, task_id: UUID, owner: Owner, schedule: Schedule) -> None:
    values = {**asdict(schedule.rule), **asdict(schedule)}
    connection.execute(_SQL["put"], {**owned(owner), "task_id": task_id, **values})


def _now(connection: psycopg.Connection) -> datetime:
    row = connection.execute(_SQL["now"]).fetchone()
    assert row is not None  # noqa: S101 - the statement has one row
    return moment(row[0])


def moment(time: datetime) -> datetime:
    """A time in UTC, whatever the session's time zone is."""
    return time.astimezone(UTC)
