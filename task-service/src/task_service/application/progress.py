"""Progress of all attempts of a worker, written in groups.

A report costs nothing: it replaces the last one of its attempt, and every GROUP_SECONDS whatever is due is written in
one statement. An attempt's progress is due PAUSE_SECONDS after it was last written, so that many steps are few writes.
A report whose row another transaction has locked waits for the next group. What an attempt has not written when it ends
is not written any more, since its result says more.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from task_service.application.ports.attempts import ProgressStore
from task_service.domain.attempt import Attempt, AttemptKey

GROUP_SECONDS = 0.25
PAUSE_SECONDS = 1.5
"""A page asks every two seconds."""


@dataclass(slots=True)
class _Progress:
    """How far one attempt is. due: when it may be written, on the monotonic clock; is_lost: it was taken over."""

    attempt: Attempt
    percent: int = 0
    is_written: bool = True
    due: float = float("-inf")
    is_lost: bool = False


class GroupedProgress:
    """`application.handler.ProgressSink`. Safe to share between threads; `flush` is called by one of them."""

    def __init__(self, store: ProgressStore, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._known: dict[AttemptKey, _Progress] = {}

    def report(self, attempt: Attempt, percent: int) -> bool:
        """Note how far the attempt is; False when a flush has found that it was taken over."""
        with self._lock:
            progress = self._known.setdefault(attempt.key, _Progress(attempt))
            if not progress.is_lost:
                progress.percent, progress.is_written = percent, False
            return not progress.is_lost

    def forget(self, key: AttemptKey) -> None:
        """The attempt has ended in this worker."""
        with self._lock:
            self._known.pop(key, None)

    def flush(self) -> None:
        """Write what is due. Raises TaskStorageUnavailableError; the reports are kept for the next time then."""
        now = self._monotonic()
        with self._lock:
            group = [each for each in self._known.values() if not each.is_written and each.due <= now]
            reports = [(each.attempt, each.percent) for each in group]
            for each in group:
                each.is_written = True
        if not reports:
            return
        kept: Mapping[AttemptKey, bool] = dict.fromkeys((attempt.key for attempt, _ in reports), False)
        try:
            kept = self._store.write_progress(reports)
        finally:
            with self._lock:
                for each in group:
                    self._settle(each, kept.get(each.attempt.key), now)

    def _settle(self, progress: _Progress, is_written: bool | None, now: float) -> None:
        """is_written: what the store says; None when the attempt was taken over."""
        if is_written is None:
            progress.is_lost = True
        elif is_written:
            progress.due = now + PAUSE_SECONDS
        else:
            progress.is_written = False
