"""Tasks, their lists and their runs, as their owner works with them."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from task_service.application.ports.vault import LinkedGrant
from task_service.domain.history import PastRun, RunRecord
from task_service.domain.listing import Position, Sort, Standing, TaskQuery
from task_service.domain.owner import Owner
from task_service.domain.receipt import Receipt
from task_service.domain.run import Cause
from task_service.domain.status import EXECUTABLE, TaskStatus
from task_service.domain.task import NO_POLICY, Policy, Task, TokenStatus
from task_service.domain.work import DEMONSTRATION, Work


class TaskStore(Protocol):
    """Tasks, always within one owner's. Raises TaskStorageUnavailableError throughout."""

    def add(
        self,
        owner: Owner,
        name: str,
        description: str,
        policy: Policy = NO_POLICY,
        grant: LinkedGrant | None = None,
        receipt: Receipt | None = None,
        work: Work = DEMONSTRATION,
    ) -> Task:
        """Store a new task, linked to a token if one is given. work: checked.

        Raises TooManyTasksError, AlreadyDoneError, KeyReusedError.
        """
        ...

    def find(self, task_id: UUID, owner: Owner) -> Task:
        """One task. Raises TaskNotFoundError."""
        ...

    def delete(self, task_id: UUID, owner: Owner, receipt: Receipt | None = None) -> None:
        """Remove a task with its runs; the worker of a running one is told to stop.

        Raises TaskNotFoundError, AlreadyDoneError, KeyReusedError.
        """
        ...

    def link(self, task_id: UUID, owner: Owner, grant: LinkedGrant) -> Task:
        """Store an offline token's id and status with the task. Raises TaskNotFoundError, TaskNotLinkableError.

        An active token that was linked before is kept in mind as the replaced one.
        """
        ...

    def forget_replaced(self, task_id: UUID, owner: Owner, token_id: UUID) -> None:
        """The replaced token needs no revocation any more."""
        ...

    def links(self, owner: Owner, token_id: UUID, at_most: int, asked_for: Set[UUID] = frozenset()) -> int:
        """The number of the owner's tasks that are linked to a token, counted up to a limit.

        asked_for: tasks that count as linked to it while they are linked to none, because they would find it.
        """
        ...


class TaskListStore(Protocol):
    """The list of one owner's tasks. Raises TaskStorageUnavailableError throughout."""

    def page(
        self, owner: Owner, query: TaskQuery, limit: int, after: Position | None
    ) -> tuple[Sequence[Task], Position | None]:
        """At most `limit` tasks that come after a position, in order; the position at their end if there are more."""
        ...

    def last_runs(self, tasks: Sequence[Task]) -> Mapping[UUID, Sequence[TaskStatus]]:
        """The states of the last `LAST_RUNS` runs of each task, the latest first; nothing for a task without a run."""
        ...

    def count_after(self, owner: Owner, sort: Sort, after: Position) -> int:
        """The number of the owner's tasks after a position, filtered or not, counted up to 100,000."""
        ...

    def counts(self, owner: Owner) -> Mapping[TaskStatus, int]:
        """The number of the owner's tasks in each state. The cost does not grow with it."""
        ...

    def standing(self, owner: Owner) -> Standing:
        """The number of the owner's tasks that need consent, and of those whose schedule has not ended, each up to a
        limit.
        """
        ...

    def list_version(self, owner: Owner) -> str:
        """A word that differs whenever something in the list differs. Its cost does not grow with the list."""
        ...


class RunQueue(Protocol):
    """The queue from which workers take runs."""

    def enqueue(
        self,
        task_id: UUID,
        owner: Owner,
        cause: Cause,
        *,
        allowed: Set[TaskStatus] = EXECUTABLE,
        receipt: Receipt | None = None,
    ) -> None:
        """Make a queued run with its first attempt and its job, in one transaction.

        allowed: the states of the task in which it is made. Raises TaskNotFoundError, TaskNotExecutableError,
        TooManyOpenTasksError, AlreadyDoneError, KeyReusedError.
        """
        ...

    def cancel(self, task_id: UUID, owner: Owner, reason: str) -> bool:
        """End the run under way as `cancelled`; its worker is told to stop. False: it was cancelled before.

        Raises TaskNotFoundError, TaskNotCancellableError.
        """
        ...


class ReceiptStore(Protocol):
    """Answers to requests that named themselves with an idempotency key."""

    def answer(self, owner: Owner, receipt: Receipt) -> bytes | None:
        """The answer that was given under the key; None when there was none. Raises KeyReusedError."""
        ...

    def keep(self, owner: Owner, receipt: Receipt, result: object) -> None:
        """Store the answer of a request whose deeds were stored one by one. Raises AlreadyDoneError, KeyReusedError."""
        ...

    def remove_old(self, at_most: int) -> int:
        """Remove expired keys, up to a limit. Returns their number."""
        ...


class TokenStatusStore(Protocol):
    """The vault's last word on each linked token."""

    def claim_check(self, owner: Owner) -> bool:
        """True when the vault should be asked about the owner's tokens now, for one caller at a time."""
        ...

    def next_linked(self, owner: Owner, at_most: int) -> Sequence[UUID]:
        """The linked tokens that the vault should be asked about now: pending ones first, then the others in turn."""
        ...

    def update(self, owner: Owner, statuses: Mapping[UUID, TokenStatus]) -> None:
        """Store what the vault says of these tokens of the owner; other tokens keep their status."""
        ...


@dataclass(frozen=True, slots=True)
class KindDescription:
    """A kind of work. description: one line; executor: where it runs; parameters: JSON Schema (2020-12)."""

    name: str
    description: str
    executor: str
    parameters: Mapping[str, Any]


class KindCatalogue(Protocol):
    """The kinds of work that are offered here."""

    def describe(self) -> Sequence[KindDescription]:
        """All of them, by name."""
        ...

    def check(self, work: Work) -> None:
        """Check that a task can be of this kind with these parameters.

        Raises KindNotFoundError, ParametersError, ParametersTooLargeError.
        """
        ...


class HistoryStore(Protocol):
    """Runs as they are remembered, always within one owner's tasks."""

    def runs(self, task_id: UUID, owner: Owner, before: int, limit: int) -> Sequence[PastRun]:
        """Runs with a number below `before`, the latest first. Raises TaskNotFoundError."""
        ...

    def run(self, task_id: UUID, owner: Owner, number: int, after: int, limit: int) -> RunRecord:
        """One run, and up to `limit` lines of its log behind position `after`.

        Raises TaskNotFoundError, RunNotFoundError.
        """
        ...

    def remove_old(self, days: int, at_most: int) -> int:
        """Remove runs that ended so many days ago and are not the latest of their task, up to a limit; how many."""
        ...
