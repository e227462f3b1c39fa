"""Attempts, as the worker that makes them writes them down."""

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias
from uuid import UUID

from task_service.domain.attempt import Attempt, AttemptKey
from task_service.domain.journal import AccessNote, LogLine
from task_service.domain.owner import Owner
from task_service.domain.result import Document, ResultFile

Lines: TypeAlias = Sequence[tuple[Attempt, LogLine]]
Notes: TypeAlias = Mapping[AttemptKey, AccessNote]


class AttemptStore(Protocol):
    """An attempt's life in a worker. Every write carries the fence; False means that the attempt was taken over."""

    def begin(self, key: AttemptKey) -> Attempt | None:
        """Make the run `running`; None when this attempt is not to be made any more."""
        ...

    def complete(self, attempt: Attempt, result: str, file: ResultFile | None = None) -> bool:
        """End attempt and run with a result, and remove the attempt's job.

        file: an announced one, which belongs to the run from then on.
        """
        ...

    def fail(self, attempt: Attempt, error: str, *, token_failed: bool = False) -> bool:
        """End attempt and run with an error. token_failed: the vault refuses the token."""
        ...

    def retry(self, attempt: Attempt, error: str, seconds: float) -> bool:
        """End the attempt with an error; its run waits so many seconds for another attempt."""
        ...

    def give_back(self, attempt: Attempt) -> bool:
        """End the attempt and queue another one, for another worker."""
        ...

    def replace_crashed(self, key: AttemptKey, job_id: int | None = None) -> bool:
        """End the attempt and queue another one; the run fails after MAX_CRASHES."""
        ...


class ResultFileStore(Protocol):
    """Which results are files. Raises TaskStorageUnavailableError throughout."""

    def announce(self, document: Document) -> ResultFile:
        """Note a file that is about to be stored; it belongs to no run yet."""
        ...

    def find(self, task_id: UUID, owner: Owner, number: int) -> ResultFile | None:
        """The file of a run of that owner."""
        ...

    def without_run(self, seconds: float, at_most: int) -> Sequence[UUID]:
        """Keys of files that belong to no run, announced so many seconds ago, up to a limit."""
        ...

    def forget(self, key: UUID) -> None:
        """The file is removed."""
        ...


class ResultStore(Protocol):
    """Keeps the content of files. Raises ResultStoreUnavailableError throughout."""

    def put(self, key: UUID, content: bytes) -> None:
        """Keep a content under a new key."""
        ...

    def get(self, key: UUID) -> bytes:
        """The content."""
        ...

    def remove(self, key: UUID) -> None:
        """Forget it; twice is once."""
        ...


class ProgressStore(Protocol):
    """Stores progress, of many attempts at a time."""

    def write_progress(self, reports: Sequence[tuple[Attempt, int]]) -> Mapping[AttemptKey, bool]:
        """Store the percentage of each attempt in one statement, without waiting for locked rows.

        Returns the attempts that were not taken over. False: the row was locked, and the percentage is not stored.
        """
        ...


class JournalStore(Protocol):
    """Stores the journals of attempts, many at a time."""

    def write_log(self, lines: Lines) -> Lines:
        """Store log lines in one statement, without waiting for locked rows.

        Returns those whose runs were locked, which are not stored. Those of deleted runs are dropped.
        """
        ...

    def note_access(self, notes: Notes) -> Notes:
        """The same for the access of attempts."""
        ...
