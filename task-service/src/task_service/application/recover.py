"""The sweep: finds workers that died or froze, and queues another attempt in the place of each of theirs.

A worker counts as silent when its heartbeat has not changed for SILENT_SECONDS by this process's monotonic clock. The
heartbeats' own times are compared for equality only, so a wall clock that is set back or forward ends no attempt.
"""

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from uuid import UUID

from task_service.application.ports.recovery import EngineWatch, RecoveryStore
from task_service.domain.attempt import AttemptKey

SILENT_SECONDS = 8.0
FORGET_SECONDS = 60.0
COUNT_AT_MOST = 1000
"""The queue's depth is counted up to this number, so that the sweep costs the same however long the queue is."""

Notice = Callable[[str, AttemptKey, bool], None]
"""Told of each attempt that was looked at: why, which, and whether another one was queued."""


class SilentWorkers:
    """Which workers have been silent for how long, by heartbeats seen from outside."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._seen: dict[int, tuple[datetime, float]] = {}

    def observe(self, heartbeats: Mapping[int, datetime]) -> None:
        """Take note of the heartbeats as they stand now."""
        now = self._monotonic()
        before = self._seen
        self._seen = {
            worker: before[worker] if worker in before and before[worker][0] == beat else (beat, now)
            for worker, beat in heartbeats.items()
        }

    def silent_for(self, seconds: float) -> list[int]:
        """The workers whose heartbeat has not changed for at least so many seconds."""
        now = self._monotonic()
        return [worker for worker, (_, since) in self._seen.items() if now - since >= seconds]


class Recover:
    """One sweep after another. Several processes may sweep at once: each write is conditional."""

    def __init__(
        self,
        watch: EngineWatch,
        store: RecoveryStore,
        workers: SilentWorkers,
        notice: Notice,
        end_ticket: Callable[[UUID], None],
    ) -> None:
        """end_ticket: told of the tickets of attempts that were replaced."""
        self._watch = watch
        self._store = store
        self._workers = workers
        self._notice = notice
        self._end_ticket = end_ticket

    def sweep(self) -> int:
        """Take over from silent workers; the number of attempts that wait, up to COUNT_AT_MOST.

        Raises TaskStorageUnavailableError.
        """
        self._workers.observe(self._watch.heartbeats())
        for job in self._watch.jobs_without_worker(self._workers.silent_for(SILENT_SECONDS)):
            if job.attempt is None:
                self._watch.end_job(job.id)
            else:
                self._take_over("worker_silent", job.attempt, job.id)
        for orphan in self._store.orphans():
            self._take_over("without_job", orphan)
        self._watch.remove_workers(self._workers.silent_for(FORGET_SECONDS))
        return self._watch.waiting(COUNT_AT_MOST)

    def _take_over(self, reason: str, key: AttemptKey, job_id: int | None = None) -> None:
        replaced = self._store.replace_crashed(key, job_id)
        self._notice(reason, key, replaced)
        ticket_id = self._store.ticket_of(key) if replaced else None
        if ticket_id is not None:
            self._end_ticket(ticket_id)
