"""One action on many tasks (R35)."""

from collections.abc import Callable, Sequence
from typing import Annotated
from uuid import UUID

import msgspec
from flask import Response, request

from service_kit.http import inputs
from service_kit.http.inputs import LINE, Input, Output
from service_kit.http.openapi import Api
from service_kit.http.problems import ProblemDocument, answer_for
from service_kit.http.text import VISIBLE
from task_service.application.batch import MOST, BatchAction, BatchOptions, Outcome
from task_service.application.errors import CursorError, KeyReusedError, VaultUnavailableError
from task_service.application.manage import Person
from task_service.domain.listing import ScheduleFilter, TaskQuery
from task_service.domain.receipt import Receipt
from task_service.domain.status import TaskStatus
from task_service.domain.task import parse_id, public_id
from task_service.http import idempotency
from task_service.http.problems import TABLE
from task_service.http.service import TaskService


class BatchFilter(Input, frozen=True, kw_only=True):
    """Which tasks, as in the list; a member that is absent does not filter."""

    status: Annotated[list[TaskStatus], msgspec.Meta(min_length=1, max_length=7)] | msgspec.UnsetType = msgspec.UNSET
    kind: Annotated[str, msgspec.Meta(min_length=1, max_length=63, pattern=LINE)] | None = None
    persistent_token_id: UUID | None = None
    search: (
        Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=LINE, extra_json_schema=VISIBLE)] | None
    ) = None
    schedule: ScheduleFilter | None = None
    needs_consent: bool = False

    def query(self) -> TaskQuery:
        """The domain's form; the newest tasks come first, so that none is added behind the cursor."""
        return TaskQuery(
            statuses=frozenset() if self.status is msgspec.UNSET else frozenset(self.status),
            kind=self.kind,
            persistent_token_id=self.persistent_token_id,
            search=self.search,
            schedule=self.schedule,
            needs_consent=self.needs_consent,
        )


class Batch(Input, frozen=True, kw_only=True):
    """One action on many tasks: those of `ids`, or those that match `filter`, `limit` of them after `cursor`.

    cursor: the `nextCursor` of the answer before, with the same filter; reason: of a cancellation; persistentTokenId:
    the offline token that `link` links to each.
    """

    action: BatchAction
    ids: Annotated[list[Annotated[str, msgspec.Meta(max_length=100)]], msgspec.Meta(min_length=1, max_length=MOST)] | (
        msgspec.UnsetType
    ) = msgspec.UNSET
    filter: BatchFilter | msgspec.UnsetType = msgspec.UNSET
    cursor: Annotated[str, msgspec.Meta(max_length=2000)] | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=MOST)] = MOST
    reason: Annotated[str, msgspec.Meta(max_length=500, pattern=LINE, extra_json_schema=VISIBLE)] = ""
    persistent_token_id: UUID | None = None

    def check(self) -> None:
        """Problem: 422 `invalid_input`.

        There are either ids or a filter, a cursor with a filter only, and a token with `link` and only with it.
        """
        if (self.ids is msgspec.UNSET) == (self.filter is msgspec.UNSET):
            raise inputs.invalid("/ids", "give either ids or filter")
        if self.cursor is not None and self.filter is msgspec.UNSET:
            raise inputs.invalid("/cursor", "a cursor belongs to a filter")
        if (self.action is BatchAction.LINK) != (self.persistent_token_id is not None):
            raise inputs.invalid("/persistentTokenId", "is given with the action link, and only with it")


class BatchResult(Output, frozen=True, kw_only=True):
    """The outcome for one task: a word, or a problem. status: that of `execute`, `cancelled`, `deleted`, `linked`."""

    id: str
    status: str | None = None
    problem: ProblemDocument | None = None


class BatchAnswer(Output, frozen=True, kw_only=True):
    """A result for each task, in order. nextCursor: present when more tasks may match; remaining: how many at most."""

    results: list[BatchResult]
    next_cursor: str | None = None
    remaining: int | None = None


def declare(api: Api, service: TaskService, caller: Callable[[], Person], tag: str) -> None:
    """Add the route. caller: who sends the request."""

    @api.route(
        "POST",
        "/batch",
        tag=tag,
        body=Batch,
        answers={200: BatchAnswer},
        raises=(CursorError, KeyReusedError, VaultUnavailableError),
        headers=idempotency.HEADERS,
    )
    def batch() -> Response:
        """Do one thing with many tasks.

        Each task has a result of its own; one that is unknown or another person's is `task_not_found`. With a filter,
        send the same request with `cursor` until the answer has no `nextCursor`.
        """
        who = caller()
        wanted = inputs.body(request, Batch)
        wanted.check()
        receipt = idempotency.receipt_of(request, wanted, lambda answer: answer)
        return idempotency.once(service.receipts, who.owner, receipt, lambda: _answer(service, who, wanted, receipt))


def _answer(service: TaskService, who: Person, wanted: Batch, receipt: Receipt | None) -> BatchAnswer:
    if wanted.filter is msgspec.UNSET:
        names: Sequence[str] = wanted.ids if wanted.ids is not msgspec.UNSET else ()
        following, remaining = None, None
    else:
        step = service.batch.select(who, wanted.filter.query(), wanted.limit, wanted.cursor)
        names = [public_id(task_id) for task_id in step.task_ids]
        following, remaining = step.next_cursor, step.remaining
    options = BatchOptions(wanted.action, wanted.reason, wanted.persistent_token_id)
    outcomes = service.batch.act(who, options, [parse_id(name) for name in names], receipt)
    results = [_result(name, outcome) for name, outcome in zip(names, outcomes, strict=True)]
    answer = BatchAnswer(results=results, next_cursor=following, remaining=remaining)
    if receipt is not None and all(outcome.is_final for outcome in outcomes):
        service.receipts.keep(who.owner, receipt, answer)
    return answer


def _result(name: str, outcome: Outcome) -> BatchResult:
    if outcome.error is None:
        return BatchResult(id=name, status=outcome.status)
    return BatchResult(id=name, problem=answer_for(outcome.error, TABLE).document())
