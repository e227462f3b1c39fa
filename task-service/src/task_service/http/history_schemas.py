"""The bodies of a task's history on the wire."""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

import msgspec

from service_kit.http.inputs import Input, Output
from task_service.domain.attempt import AttemptOutcome
from task_service.domain.history import PastAttempt, PastRun, RunRecord
from task_service.domain.journal import Level
from task_service.domain.result import ResultFile
from task_service.domain.run import Cause
from task_service.domain.status import TaskStatus, WaitReason
from task_service.http.schemas import Moment

LAST_NUMBER = 2**31 - 1


class RunsQuery(Input, frozen=True, kw_only=True):
    """before: the `next` of the previous page; limit: runs on a page."""

    before: Annotated[int, msgspec.Meta(ge=1, le=LAST_NUMBER)] = LAST_NUMBER
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50


class RunQuery(Input, frozen=True, kw_only=True):
    """logAfter: the `logNext` of the previous page; logLimit: lines on a page."""

    log_after: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] = 0
    log_limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 200


class RunView(Output, frozen=True, kw_only=True):
    """A run of a task. number: from 1, in order; cause: the owner (`user`), a schedule, a dependency or a batch;
    progress: percent.

    statusReason: why it was cancelled or waits; failures: attempts that ended with an error and were followed by
    another; crashes: attempts that ended with the death of their worker.
    """

    number: int
    cause: Cause
    status: TaskStatus
    created_at: Moment
    failures: int
    crashes: int
    started_at: Moment | None = None
    completed_at: Moment | None = None
    result: str | None = None
    error: str | None = None
    progress: int | None = None
    status_reason: str | None = None
    wait_reason: WaitReason | None = None
    next_attempt_at: Moment | None = None


class RunList(Output, frozen=True, kw_only=True):
    """Runs, the latest first. next: the `before` of the next page, absent on the last page."""

    runs: list[RunView]
    next: int | None = None


class AttemptView(Output, frozen=True, kw_only=True):
    """One try of a run by a worker.

    attempt: its number within the task, which the vault's audit has too; outcome: absent until it has ended; ticketId:
    the vault's ticket by which it got access; tokenFetchedAt, tokenScopes, tokenExpiresAt: of its last access token;
    requestId: of its calls of the vault.
    """

    attempt: int
    persistent_token_id: UUID
    request_id: str
    queued_at: Moment
    started_at: Moment | None = None
    ended_at: Moment | None = None
    outcome: AttemptOutcome | None = None
    error: str | None = None
    ticket_id: UUID | None = None
    token_fetched_at: Moment | None = None
    token_expires_at: Moment | None = None
    token_scopes: list[str] | None = None


class LogLineView(Output, frozen=True, kw_only=True):
    """A line of a run's log. attempt: the attempt that logged it."""

    attempt: int
    at: Moment
    level: Level
    message: str


class ResultFileView(Output, frozen=True, kw_only=True):
    """A result that is a file; `GET …/runs/{number}/result` gives it. size: bytes."""

    name: str
    media_type: str
    size: int


class RunRecordView(RunView, frozen=True, kw_only=True):
    """A run with its attempts, the latest first and 100 at most, and a page of its log.

    logNext: the `logAfter` of the next page, absent on the last page.
    """

    attempts: list[AttemptView]
    log: list[LogLineView]
    log_next: int | None = None
    result_file: ResultFileView | None = None


def run_list(runs: Sequence[PastRun], limit: int) -> RunList:
    """The wire form of a page of runs."""
    following = runs[-1].run.number if len(runs) == limit and runs[-1].run.number > 1 else None
    return RunList(runs=[RunView(**_members(run)) for run in runs], next=following)


def run_record(record: RunRecord, file: ResultFile | None) -> RunRecordView:
    """The wire form of all that is known of a run. file: its result, if that is one."""
    return RunRecordView(
        **_members(record.run),
        attempts=[_attempt(attempt) for attempt in record.attempts],
        log=[
            LogLineView(attempt=line.attempt, at=line.at, level=line.level, message=line.message) for line in record.log
        ],
        log_next=record.log_next,
        result_file=ResultFileView(name=file.name, media_type=file.media_type, size=file.size) if file else None,
    )


def _members(past: PastRun) -> dict[str, Any]:
    run = past.run
    return {
        "number": run.number,
        "cause": past.cause,
        "status": run.status,
        "created_at": past.created_at,
        "failures": past.failures,
        "crashes": past.crashes,
        "started_at": run.started_at,
        "completed_at": run.completed_at,
        "result": run.result,
        "error": run.error,
        "progress": run.progress,
        "status_reason": run.reason,
        "wait_reason": run.wait_reason,
        "next_attempt_at": run.next_attempt_at,
    }


def _attempt(attempt: PastAttempt) -> AttemptView:
    token = attempt.access.token if attempt.access else None
    return AttemptView(
        attempt=attempt.key.fence,
        persistent_token_id=attempt.persistent_token_id,
        request_id=attempt.key.request_id,
        queued_at=attempt.queued_at,
        started_at=attempt.started_at,
        ended_at=attempt.ended_at,
        outcome=attempt.outcome,
        error=attempt.error,
        ticket_id=attempt.access.ticket_id if attempt.access else None,
        token_fetched_at=token.fetched_at if token else None,
        token_expires_at=token.expires_at if token else None,
        token_scopes=sorted(token.scopes) if token else None,
    )
