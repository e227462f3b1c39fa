"""The engine's workers and jobs, as the sweep looks at them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg

from service_kit.postgres import queries
from service_kit.postgres.database import Database
from task_service.adapters.engine.jobs import QUEUE, RUN_ATTEMPT
from task_service.application.errors import NoWorkerError
from task_service.application.ports.recovery import LostJob
from task_service.application.recover import SILENT_SECONDS
from task_service.domain.attempt import AttemptKey

_SQL = queries.load(__package__, "watch.sql")


@dataclass(frozen=True, slots=True)
class EngineWorker:
    """A registered worker. silent: seconds since its last heartbeat; jobs: how many it runs."""

    id: int
    silent: float
    jobs: int


class ProcrastinateWatch:
    """`application.ports.EngineWatch`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def heartbeats(self) -> Mapping[int, datetime]:
        """Each registered worker's last heartbeat, by worker id."""
        return dict(self._database.all(_SQL["heartbeats"], {}))

    def demand_worker(self) -> None:
        """Return if a worker has shown a heartbeat lately. Raises NoWorkerError."""
        row = self._database.one(_SQL["alive"], {"seconds": SILENT_SECONDS})
        if not row or not row[0]:
            raise NoWorkerError

    def workers(self) -> Sequence[EngineWorker]:
        """All registered workers, with the age of their heartbeat and the number of jobs they run."""
        return [EngineWorker(*row) for row in self._database.all(_SQL["workers"], {})]

    def jobs_without_worker(self, silent: Sequence[int]) -> Sequence[LostJob]:
        """Jobs under way of those workers, or of none."""
        return [
            LostJob(job_id, attempt_of(args) if name == RUN_ATTEMPT else None)
            for job_id, name, args in self._database.all(_SQL["jobs_without_worker"], {"silent": list(silent)})
        ]

    def end_job(self, job_id: int) -> None:
        """Remove a job whose worker has died."""
        with self._database.connection() as connection:
            end_job(connection, job_id)

    def remove_workers(self, silent: Sequence[int]) -> None:
        """Remove these workers' rows."""
        if silent:
            self._database.all(_SQL["remove_workers"], {"silent": list(silent)})

    def waiting(self, at_most: int) -> int:
        """The number of jobs that wait for a worker, counted up to a limit."""
        row = self._database.one(_SQL["waiting"], {"queue": QUEUE, "at_most": at_most})
        return int(row[0]) if row else 0


def end_job(connection: psycopg.Connection, job_id: int) -> None:
    """Remove a job, unless that has been done, within the caller's transaction."""
    connection.execute(_SQL["end_job"], {"job_id": job_id})


def attempt_of(arguments: Mapping[str, Any]) -> AttemptKey:
    """The attempt that a job's arguments name."""
    return AttemptKey(UUID(str(arguments["task_id"])), int(arguments["fence"]))
