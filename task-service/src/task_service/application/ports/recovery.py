"""Ports for recovery after workers have died, and for retries that are due."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from task_service.domain.attempt import AttemptKey


@dataclass(frozen=True, slots=True)
class LostJob:
    """A job that no living worker will end. attempt: what it was for; None for other jobs of the engine."""

    id: int
    attempt: AttemptKey | None


class EngineWatch(Protocol):
    """The engine's view of its workers and jobs."""

    def heartbeats(self) -> Mapping[int, datetime]:
        """Each registered worker's last heartbeat, by worker id."""
        ...

    def jobs_without_worker(self, silent: Sequence[int]) -> Sequence[LostJob]:
        """Jobs under way whose worker is among the silent ones, or is not registered any more."""
        ...

    def end_job(self, job_id: int) -> None:
        """Remove a job whose worker has died."""
        ...

    def remove_workers(self, silent: Sequence[int]) -> None:
        """Forget workers that are long silent."""
        ...

    def waiting(self, at_most: int) -> int:
        """The number of attempts that wait for a worker, counted up to a limit."""
        ...


class RecoveryStore(Protocol):
    """Replaces attempts that their worker will not end."""

    def replace_crashed(self, key: AttemptKey, job_id: int | None = None) -> bool:
        """End the attempt and its job, and queue another one; the run fails after MAX_CRASHES.

        False: it had ended, or its rows are locked; the next sweep finds it again. Never waits for a locked row.
        """
        ...

    def ticket_of(self, key: AttemptKey) -> UUID | None:
        """The ticket of an attempt, as far as it was noted."""
        ...

    def orphans(self) -> Sequence[AttemptKey]:
        """The attempts of runs under way for which the engine holds no job any more."""
        ...


class RetryStore(Protocol):
    """Runs that wait for their next attempt."""

    def queue_retries(self, at_most: int) -> int:
        """Queue the next attempt of each run for which it is due, up to a limit; how many."""
        ...
