"""Background work: a thread that runs its jobs every few seconds, and at once when it is woken."""

import threading
from collections.abc import Callable, Sequence
from time import monotonic

Job = Callable[[], bool]
"""Does what is due. Returns True when there is more to do at once."""


def every(seconds: float, work: Callable[[], object]) -> Job:
    """A job that works at the first call, and then once in so many seconds, whether it succeeds or fails."""
    due = float("-inf")

    def job() -> bool:
        nonlocal due
        if monotonic() >= due:
            due = monotonic() + seconds
            work()
        return False

    return job


def once(work: Callable[[], object]) -> Job:
    """A job that works until it has succeeded once."""
    is_done = False

    def job() -> bool:
        nonlocal is_done
        if not is_done:
            work()
            is_done = True
        return False

    return job


class Background:
    """One thread and its jobs. A failed job is reported; the other jobs run, and it runs again the next time."""

    def __init__(self, name: str, jobs: Sequence[Job], report: Callable[[Exception], None], every: float) -> None:
        """every: seconds between two rounds."""
        self._jobs = jobs
        self._report = report
        self._every = every
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wake(self) -> None:
        """Run the jobs now."""
        self._wake.set()

    def stop(self) -> None:
        """End after the current round, and wait for it."""
        self._stopping = True
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping:
            if any([self._attempt(job) for job in self._jobs]):  # noqa: C419 - every job runs
                continue
            self._wake.wait(self._every)
            self._wake.clear()

    def _attempt(self, job: Job) -> bool:
        try:
            return job()
        except Exception as error:  # noqa: BLE001 - the thread must survive every error of a job
            self._report(error)
            return False
