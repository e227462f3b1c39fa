"""The bodies of the task API on the wire."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec

from service_kit.http.inputs import Input, Output, invalid
from service_kit.http.text import LINE, TEXT, VISIBLE
from task_service.application.execute import MESSAGES, ExecuteAnswer, Execution
from task_service.domain.fairness import Priority
from task_service.domain.listing import ScheduleFilter, Sort, Standing, TaskQuery
from task_service.domain.retry import (
    DEFAULT_BACKOFF_SECONDS,
    DEFAULT_MAX_BACKOFF_SECONDS,
    MAX_ATTEMPTS,
    MAX_BACKOFF_SECONDS,
    NO_RETRY,
    RetryPolicy,
)
from task_service.domain.status import TaskStatus, WaitReason
from task_service.domain.task import Task, TokenStatus, public_id
from task_service.domain.work import DEFAULT_KIND
from task_service.http.schedule_schemas import NewSchedule, ScheduleView, schedule_view
from task_service.http.task_ids import TaskIds

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
"""A point in time; RFC 3339 in UTC on the wire."""
MAX_LIMIT = 1000
_STATE = f"({'|'.join(TaskStatus)})"
STATES = rf"^{_STATE}(,{_STATE})*$(?!\n)"
"""Pattern for one or several states of a task."""
KIND = r"^[a-z][a-z0-9_.-]{0,62}$(?!\n)"
"""Pattern for the name of a kind."""

Seconds = Annotated[float, msgspec.Meta(ge=0, le=MAX_BACKOFF_SECONDS)]


class NewRetry(Input, frozen=True, kw_only=True):
    """The retries of failed attempts. maxAttempts: of one run; backoff, maxBackoff: seconds."""

    max_attempts: Annotated[int, msgspec.Meta(ge=1, le=MAX_ATTEMPTS)]
    backoff: Seconds = DEFAULT_BACKOFF_SECONDS
    max_backoff: Seconds | msgspec.UnsetType = msgspec.UNSET

    def policy(self) -> RetryPolicy:
        """The domain's form. Problem: 422 `invalid_input`."""
        longest = (
            max(self.backoff, DEFAULT_MAX_BACKOFF_SECONDS) if self.max_backoff is msgspec.UNSET else self.max_backoff
        )
        if longest < self.backoff:
            raise invalid("/retry/maxBackoff", "is less than backoff")
        return RetryPolicy(self.max_attempts, self.backoff, longest)


class NewTask(Input, frozen=True, kw_only=True):
    """A task to create. name: one line; description: may have several lines; retry: without it
    nothing is retried; schedule: when it runs without a request; dependsOn: the tasks that must have completed
    before; persistentTokenId: an offline token of yours to link; priority: its place among the
    caller's own; kind: what it does, one of `GET /api/tasks/kinds`; parameters: those of the kind, at most 16 KiB.
    """

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=LINE, extra_json_schema=VISIBLE)]
    description: Annotated[str, msgspec.Meta(max_length=2000, pattern=TEXT, extra_json_schema=VISIBLE)] = ""
    retry: NewRetry | msgspec.UnsetType = msgspec.UNSET
    persistent_token_id: UUID | msgspec.UnsetType = msgspec.UNSET
    schedule: NewSchedule | msgspec.UnsetType = msgspec.UNSET
    depends_on: TaskIds = msgspec.field(default_factory=list)
    priority: Priority = Priority.NORMAL
    kind: Annotated[str, msgspec.Meta(pattern=KIND)] = DEFAULT_KIND
    parameters: dict[str, Any] = msgspec.field(default_factory=dict)


class Deletion(Input, frozen=True, kw_only=True):
    """revokeAccess: revoke the task's offline token too, unless another task is linked to it or another service may use
    it.
    """

    revoke_access: bool = False


class Cancellation(Input, frozen=True, kw_only=True):
    """The reason of a cancellation: one line for people."""

    reason: Annotated[str, msgspec.Meta(max_length=500, pattern=LINE, extra_json_schema=VISIBLE)] = ""


class ListQuery(Input, frozen=True, kw_only=True):
    """limit: tasks on a page; cursor: `nextCursor` of the page before, with the same filter and sort; status: one or
    several states, separated by commas; search: words, or beginnings of words, of name and description; schedule: its
    state, `any`, `none` or `standing` (not ended); needsConsent: list only tasks that cannot run until their person
    grants access; sort: `-` means descending; counts: whether to count all tasks; lastRuns: whether to tell
    the states of each task's last runs.
    """

    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_LIMIT)] = MAX_LIMIT
    cursor: Annotated[str, msgspec.Meta(max_length=2000)] | None = None
    status: Annotated[str, msgspec.Meta(pattern=STATES)] | None = None
    kind: Annotated[str, msgspec.Meta(min_length=1, max_length=63, pattern=LINE)] | None = None
    persistent_token_id: UUID | None = None
    search: (
        Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=LINE, extra_json_schema=VISIBLE)] | None
    ) = None
    schedule: ScheduleFilter | None = None
    needs_consent: bool = False
    sort: Sort = Sort.NEWEST
    counts: bool = False
    last_runs: bool = False

    def filtered(self) -> TaskQuery:
        """The filter and the order."""
        return TaskQuery(
            statuses=frozenset(TaskStatus(word) for word in self.status.split(",")) if self.status else frozenset(),
            kind=self.kind,
            persistent_token_id=self.persistent_token_id,
            search=self.search,
            schedule=self.schedule,
            needs_consent=self.needs_consent,
            sort=self.sort,
        )


class TokenLink(Input, frozen=True, kw_only=True):
    """The offline token to link."""

    persistent_token_id: UUID


class NoBody(Input, frozen=True, kw_only=True):
    """An empty object."""


class RetryView(Output, frozen=True, kw_only=True):
    """A task's retry policy. maxAttempts: of one run; backoff, maxBackoff: seconds."""

    max_attempts: int
    backoff: float
    max_backoff: float


class TaskView(Output, frozen=True, kw_only=True):
    """A task with its latest run laid over it (R11). userId: the owner's `sub`; progress: percent, 0 to 100.

    statusReason: why it was cancelled or waits; waitReason: what it waits for; nextAttemptAt: when it is retried; kind:
    what it does, absent for the demonstration; lastRuns: the states of the last ten runs, the latest first, in lists
    that are asked for them.
    """

    id: str
    name: str
    description: str
    status: TaskStatus
    created_at: Moment
    user_id: str
    started_at: Moment | None = None
    completed_at: Moment | None = None
    persistent_token_id: UUID | None = None
    offline_token_status: TokenStatus | None = None
    result: str | None = None
    error: str | None = None
    progress: int | None = None
    status_reason: str | None = None
    wait_reason: WaitReason | None = None
    next_attempt_at: Moment | None = None
    retry: RetryView | None = None
    schedule: ScheduleView | None = None
    priority: Priority | None = None
    kind: str | None = None
    parameters: dict[str, Any] | None = None
    last_runs: list[TaskStatus] | None = None


class TaskCounts(Output, frozen=True, kw_only=True):
    """The number of the caller's tasks: in all, and in each state.

    needsConsent: tasks that cannot run until their person grants access; scheduled: tasks with a schedule that has not
    ended. These two are counted up to 1,000.
    """

    total: int
    pending: int
    waiting: int
    queued: int
    running: int
    completed: int
    failed: int
    cancelled: int
    needs_consent: int
    scheduled: int


class TaskList(Output, frozen=True, kw_only=True):
    """A page of the caller's tasks. nextCursor: present when there are more; counts: of all tasks, filtered or not."""

    tasks: list[TaskView]
    next_cursor: str | None = None
    counts: TaskCounts | None = None


class ExecutionView(Output, frozen=True, kw_only=True):
    """The outcome of `execute`. message: for people."""

    status: ExecuteAnswer
    message: str
    task_id: str
    persistent_token_id: UUID | None = None


class Deleted(Output, frozen=True, kw_only=True):
    """The task is deleted. accessRevoked: with `revokeAccess`, whether its offline token was revoked."""

    status: str
    task_id: str
    access_revoked: bool | None = None


def task_view(task: Task, last_runs: Sequence[TaskStatus] = ()) -> TaskView:
    """The wire form of a task. last_runs: the states of its last runs, for lists."""
    run = task.latest_run
    return TaskView(
        id=public_id(task.id),
        name=task.name,
        description=task.description,
        status=task.status,
        created_at=task.created_at,
        user_id=task.owner.sub,
        started_at=run.started_at,
        completed_at=run.completed_at,
        persistent_token_id=task.persistent_token_id,
        offline_token_status=task.token_status,
        result=run.result,
        error=run.error,
        progress=run.progress,
        status_reason=run.reason,
        wait_reason=run.wait_reason,
        next_attempt_at=run.next_attempt_at,
        retry=None if task.retry == NO_RETRY else RetryView(**asdict(task.retry)),
        schedule=schedule_view(task.schedule) if task.schedule else None,
        priority=None if task.priority is Priority.NORMAL else task.priority,
        kind=None if task.kind == DEFAULT_KIND else task.kind,
        parameters=dict(task.parameters) or None,
        last_runs=list(last_runs) or None,
    )


def counts_view(counts: Mapping[TaskStatus, int], standing: Standing) -> TaskCounts:
    """The wire form of the numbers of tasks."""
    states = {status.value: number for status, number in counts.items()}
    return TaskCounts(total=sum(counts.values()), **states, **asdict(standing))


def execution_view(execution: Execution) -> ExecutionView:
    """The wire form of the outcome of `execute`."""
    return ExecutionView(
        status=execution.answer,
        message=MESSAGES[execution.answer],
        task_id=public_id(execution.task_id),
        persistent_token_id=execution.persistent_token_id,
    )
