"""Progress of all attempts of a worker, written in groups.

A report costs nothing: it replaces the last one of its attempt, and every GROUP_SECONDS whatever is new is written in
one statement. A report whose row another transaction has locked waits for the next group. What an attempt has not
written when it ends is not written any more, since its result says more.
"""

import threading

from task_service.application.errors import TaskStorageUnavailableError
from task_service.application.ports.attempts import ProgressStore
from task_service.domain.attempt import Attempt, AttemptKey

GROUP_SECONDS = 0.25


class GroupedProgress:
    """`application.handler.ProgressSink`. Safe to share between threads; `flush` is called by one of them."""

    def __init__(self, store: ProgressStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._reports: dict[AttemptKey, tuple[Attempt, int]] = {}
        self._reporting: set[AttemptKey] = set()
        self._lost: set[AttemptKey] = set()

    def report(self, attempt: Attempt, percent: int) -> bool:
        """Note how far the attempt is; False when a flush has found that it was taken over."""
        with self._lock:
            if attempt.key in self._lost:
                return False
            self._reporting.add(attempt.key)
            self._reports[attempt.key] = (attempt, percent)
        return True

    def forget(self, key: AttemptKey) -> None:
        """The attempt has ended in this worker."""
        with self._lock:
            self._reports.pop(key, None)
            self._reporting.discard(key)
            self._lost.discard(key)

    def flush(self) -> None:
        """Write what is new. Raises TaskStorageUnavailableError; the reports are kept for the next time then."""
        with self._lock:
            reports, self._reports = self._reports, {}
        if not reports:
            return
        try:
            kept = self._store.write_progress(list(reports.values()))
        except TaskStorageUnavailableError:
            with self._lock:
                unwritten = {key: report for key, report in reports.items() if key in self._reporting}
                self._reports = unwritten | self._reports
            raise
        with self._lock:
            self._lost |= (reports.keys() - kept.keys()) & self._reporting
            held = {key: reports[key] for key, is_written in kept.items() if not is_written and key in self._reporting}
            self._reports = held | self._reports
