"""What the use cases need from outside, as Protocols. Adapters implement them; `bootstrap` wires them."""

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from task_service.domain.attempt import Attempt, AttemptKey
from task_service.domain.dependencies import Dependency, Graph
from task_service.domain.history import PastRun, RunRecord
from task_service.domain.journal import AccessNote, LogLine
from task_service.domain.listing import Position, Sort, Standing, TaskQuery
from task_service.domain.owner import Owner
from task_service.domain.receipt import Receipt
from task_service.domain.result import Document, ResultFile
from task_service.domain.run import Cause
from task_service.domain.schedule import Rule, Schedule
from task_service.domain.status import EXECUTABLE, TaskStatus
from task_service.domain.task import NO_POLICY, Policy, Task, TokenStatus
from task_service.domain.work import DEMONSTRATION, Work


@dataclass(frozen=True, slots=True)
class OwnerToken:
    """An owner's access token. It stays in memory for as long as a handler needs it, and does not print its value."""

    value: str = field(repr=False)
    expires_at: datetime
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class LinkedGrant:
    """An offline token that the vault knows for a person, by its id.

    ends_at: when it ends, where the vault knows; task_ids: those of the tasks for which it was asked that can be tasks
    of ours.
    """

    persistent_token_id: UUID
    status: TokenStatus
    ends_at: datetime | None = None
    task_ids: frozenset[UUID] = frozenset()


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
        """How many of the owner's tasks are linked to a token, counted up to a limit.

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

    def count_after(self, owner: Owner, sort: Sort, after: Position) -> int:
        """How many of the owner's tasks come after a position, filtered or not, counted up to 100,000."""
        ...

    def counts(self, owner: Owner) -> Mapping[TaskStatus, int]:
        """How many of the owner's tasks are in each state. Its cost does not grow with their number."""
        ...

    def standing(self, owner: Owner) -> Standing:
        """How many of the owner's tasks need consent, and have a schedule that has not ended, each up to a limit."""
        ...

    def list_version(self, owner: Owner) -> str:
        """A word that differs whenever something in the list differs. Its cost does not grow with the list."""
        ...


class RunQueue(Protocol):
    """Where runs are put for workers."""

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
        """Remove keys whose time is over, up to a limit; how many."""
        ...


class ScheduleStore(Protocol):
    """The schedules of one owner's tasks."""

    def now(self) -> datetime:
        """The time by the clock that schedules follow."""
        ...

    def put(self, task_id: UUID, owner: Owner, rule: Rule) -> Schedule:
        """Give a task a schedule, or its schedule another rule. rule: checked. Raises TaskNotFoundError."""
        ...

    def change(self, task_id: UUID, owner: Owner, to: Callable[[Schedule, datetime], Schedule]) -> Schedule:
        """Replace a schedule by what `to` makes of it and of the time.

        Raises TaskNotFoundError, ScheduleNotFoundError.
        """
        ...

    def remove(self, task_id: UUID, owner: Owner) -> None:
        """Take a schedule away. Raises TaskNotFoundError, ScheduleNotFoundError."""
        ...


class DependencyStore(Protocol):
    """Dependencies among one owner's tasks."""

    def put(self, task_id: UUID, owner: Owner, depends_on: Sequence[UUID]) -> None:
        """Let a task depend on exactly these. Raises TaskNotFoundError, DependencyError."""
        ...

    def of_task(self, task_id: UUID, owner: Owner) -> Sequence[Dependency]:
        """What a task depends on, the oldest first. Raises TaskNotFoundError."""
        ...

    def graph(self, task_id: UUID, owner: Owner) -> Graph:
        """All that is connected with a task. Raises TaskNotFoundError."""
        ...


class DependencyNews(Protocol):
    """Ends of runs that matter to other tasks."""

    def take_news(self, at_most: int) -> int:
        """Look at so many tasks for which there is news; how many there were. It waits for no lock of a task.

        Raises TaskStorageUnavailableError.
        """
        ...


class DueSchedules(Protocol):
    """What the tick needs."""

    def fire_due(self, at_most: int) -> int:
        """Make the runs that are due, of so many schedules; how many were. It waits for no lock.

        Raises TaskStorageUnavailableError.
        """
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
        """Whether a task can be of this kind with these parameters.

        Raises KindNotFoundError, ParametersError, ParametersTooLargeError.
        """
        ...


class AttemptStore(Protocol):
    """An attempt's life in a worker. Every write carries the fence; False means that the attempt was taken over."""

    def begin(self, key: AttemptKey) -> Attempt | None:
        """Make the run `running`; None when this attempt is not to be made any more."""
        ...

    def complete(self, attempt: Attempt, result: str, file: ResultFile | None = None) -> bool:
        """End attempt and run with a result. file: an announced one, which belongs to the run from then on."""
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
    """Where progress is written, for many attempts at a time."""

    def write_progress(self, reports: Sequence[tuple[Attempt, int]]) -> Set[AttemptKey]:
        """Store the percentage of each attempt in one statement; the keys of those that were not taken over."""
        ...


class JournalStore(Protocol):
    """Where the journals of attempts are written, for many attempts at a time."""

    def write_journal(self, lines: Sequence[tuple[Attempt, LogLine]], notes: Mapping[AttemptKey, AccessNote]) -> None:
        """Store log lines and the access of attempts, in one transaction; those of deleted runs are dropped."""
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


@dataclass(frozen=True, slots=True)
class LostJob:
    """A job that no living worker will end. attempt: what it was for; None for other jobs of the engine."""

    id: int
    attempt: AttemptKey | None


class EngineWatch(Protocol):
    """What the engine knows of its workers and jobs."""

    def heartbeats(self) -> Mapping[int, datetime]:
        """Each registered worker's last heartbeat, by worker id."""
        ...

    def jobs_without_worker(self, silent: Sequence[int]) -> Sequence[LostJob]:
        """Jobs under way whose worker is among the silent ones, or is not registered any more."""
        ...

    def end_job(self, job_id: int) -> None:
        """Remove a job that nobody will end."""
        ...

    def remove_workers(self, silent: Sequence[int]) -> None:
        """Forget workers that are long silent."""
        ...

    def waiting(self, at_most: int) -> int:
        """How many attempts wait for a worker, counted up to a limit."""
        ...


class RecoveryStore(Protocol):
    """Replaces attempts that their worker will not end."""

    def replace_crashed(self, key: AttemptKey, job_id: int | None = None) -> bool:
        """End the attempt and its job, and queue another one; the run fails after MAX_CRASHES. False: already ended."""
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


class OwnersVault(Protocol):
    """The vault, asked with a person's own access token."""

    def grant(self, persistent_token_id: UUID, bearer: str) -> LinkedGrant:
        """One token of the person. Raises TokenNotFoundError, VaultUnavailableError."""
        ...

    def grants(self, bearer: str, task_id: UUID | None = None) -> Sequence[LinkedGrant]:
        """The person's tokens, newest first; with a task, those requested for it. Raises VaultUnavailableError."""
        ...

    def revoke(self, persistent_token_id: UUID, bearer: str) -> None:
        """Revoke a token of the person, for good; twice is once. Raises TokenNotFoundError, VaultUnavailableError."""
        ...

    def linked(self, bearer: str, ids: Sequence[UUID]) -> Sequence[LinkedGrant]:
        """Those of these tokens that are the person's, in one request. ids: 1 to 100. Raises VaultUnavailableError."""
        ...


@dataclass(frozen=True, slots=True)
class AttemptTicket:
    """The ticket of an attempt: a credential for one grant (`docs/tickets.md`). Its value is not printed."""

    id: UUID
    value: str = field(repr=False)


class TicketVault(Protocol):
    """The vault: tickets are made, extended and ended with the service's own credentials, tokens fetched by ticket."""

    def open(self, attempt: Attempt, seconds: int) -> AttemptTicket:
        """Make a ticket for an attempt that lives so long. Raises TokenRefusedError, VaultUnavailableError."""
        ...

    def extend(self, ticket_id: UUID, seconds: int) -> None:
        """Move a ticket's end to so many seconds from now, unless it has ended. Raises VaultUnavailableError."""
        ...

    def end(self, ticket_id: UUID) -> None:
        """End a ticket; twice is once. Raises VaultUnavailableError."""
        ...

    def access_token(self, ticket: AttemptTicket) -> OwnerToken:
        """A fresh access token. Raises TicketExpiredError, TokenRefusedError, VaultUnavailableError."""
        ...


class UserinfoSource(Protocol):
    """The authorization server's userinfo endpoint (OpenID Connect Core 1.0 section 5.3)."""

    def who(self, token: OwnerToken) -> tuple[str, str]:
        """`sub` and a name to show. Raises HandlerError when the token is not accepted."""
        ...
