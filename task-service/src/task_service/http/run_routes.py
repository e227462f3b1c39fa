"""The routes of a task's runs: cancel (R33), run again, history (R32)."""

import re
from collections.abc import Callable
from urllib.parse import quote

from flask import Response, request

from service_kit.http import inputs
from service_kit.http.app import respond
from service_kit.http.openapi import Api
from task_service.application.errors import (
    KeyReusedError,
    ResultNotFoundError,
    ResultStoreUnavailableError,
    RunNotFoundError,
    TaskNotCancellableError,
    TaskNotFoundError,
    TaskNotLinkableError,
    TaskNotRepeatableError,
    TooManyOpenTasksError,
    VaultUnavailableError,
)
from task_service.application.manage import Person
from task_service.domain.result import ResultFile
from task_service.http import idempotency
from task_service.http.history_schemas import RunList, RunQuery, RunRecordView, RunsQuery, run_list, run_record
from task_service.http.schemas import Cancellation, ExecutionView, NoBody, TaskView, execution_view, task_view
from task_service.http.service import TaskService
from task_service.http.task_ids import run_number_in, task_id_in

OCTETS = "application/octet-stream"


def declare(api: Api, service: TaskService, caller: Callable[[], Person], tag: str) -> None:
    """Add the routes. caller: who sends the request."""
    _cancellation(api, service, caller, tag)
    _repetition(api, service, caller, tag)
    _history(api, service, caller, tag)
    _result(api, service, caller, tag)


def _cancellation(api: Api, service: TaskService, caller: Callable[[], Person], tag: str) -> None:
    @api.route(
        "POST",
        "/<task_id>/cancel",
        tag=tag,
        body=Cancellation,
        answers={200: TaskView},
        raises=(TaskNotFoundError, TaskNotCancellableError),
    )
    def cancel_task(task_id: str) -> Response:
        """Cancel what a task has under way.

        It may be waiting, queued or running. A running attempt stops within about a second. Cancelling twice is once.
        """
        who = caller()
        wanted = inputs.optional_body(request, Cancellation)
        return respond(task_view(service.execution.cancel(who, task_id_in(task_id), wanted.reason)))


def _repetition(api: Api, service: TaskService, caller: Callable[[], Person], tag: str) -> None:
    @api.route(
        "POST",
        "/<task_id>/retry",
        tag=tag,
        body=NoBody,
        answers={200: ExecutionView},
        raises=(
            TaskNotFoundError,
            TaskNotRepeatableError,
            TaskNotLinkableError,
            TooManyOpenTasksError,
            VaultUnavailableError,
            KeyReusedError,
        ),
        headers=idempotency.HEADERS,
    )
    def run_again(task_id: str) -> Response:
        """Run an ended task again.

        A completed, failed or cancelled task gets a new run. The earlier runs stay in its history. The answers are
        those of `execute`.
        """
        who = caller()
        wanted = inputs.optional_body(request, NoBody)
        receipt = idempotency.receipt_of(request, wanted, execution_view)

        def again() -> ExecutionView:
            return execution_view(service.execution.run_again(who, task_id_in(task_id), receipt))

        return idempotency.once(service.receipts, who.owner, receipt, again)


def _history(api: Api, service: TaskService, caller: Callable[[], Person], tag: str) -> None:
    @api.route(
        "GET",
        "/<task_id>/runs",
        tag=tag,
        query=RunsQuery,
        answers={200: RunList},
        raises=(TaskNotFoundError,),
    )
    def list_runs(task_id: str) -> Response:
        """List the runs of a task.

        The latest comes first. Runs that ended longer ago than `TASK_HISTORY_DAYS` are gone, but for the latest.
        """
        who = caller()
        page = inputs.query(request, RunsQuery)
        runs = service.history.runs(who, task_id_in(task_id), page.before, page.limit)
        return respond(run_list(runs, page.limit))

    @api.route(
        "GET",
        "/<task_id>/runs/<number>",
        tag=tag,
        query=RunQuery,
        answers={200: RunRecordView},
        raises=(TaskNotFoundError, RunNotFoundError),
    )
    def get_run(task_id: str, number: str) -> Response:
        """Get a run.

        The answer has its attempts, the access that they used, and its log. The log of an attempt has at most 1,000
        lines; its last line says when there were more.
        """
        who = caller()
        page = inputs.query(request, RunQuery)
        task, run = task_id_in(task_id), run_number_in(number)
        record = service.history.run(who, task, run, page.log_after, page.log_limit)
        return respond(run_record(record, service.results.find(who, task, run)))


def _result(api: Api, service: TaskService, caller: Callable[[], Person], tag: str) -> None:
    @api.route(
        "GET",
        "/<task_id>/runs/<number>/result",
        tag=tag,
        answers={200: (OCTETS,)},
        raises=(TaskNotFoundError, RunNotFoundError, ResultNotFoundError, ResultStoreUnavailableError),
    )
    def get_result(task_id: str, number: str) -> Response:
        """Get a run's result as a file.

        Runs whose result is a file have `resultFile`, which says what it is.
        """
        who = caller()
        task, run = task_id_in(task_id), run_number_in(number)
        service.history.run(who, task, run, 0, 1)
        file, content = service.results.read(who, task, run)
        return Response(content, 200, _headers(file), content_type=OCTETS)


def _headers(file: ResultFile) -> dict[str, str]:
    """A browser stores it and shows nothing of it (RFC 6266, RFC 8187)."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", file.name) or "result"
    return {
        "Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(file.name, safe='')}",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
