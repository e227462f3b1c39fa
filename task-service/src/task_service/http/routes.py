"""The task API: R1–R6 of the customer's document."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus

import msgspec
from flask import Response, request
from msgspec import UNSET

import task_service
from service_kit.http import inputs
from service_kit.http.app import authenticate, respond
from service_kit.http.openapi import Api, Link
from task_service.application.errors import (
    CursorError,
    KeyReusedError,
    KindNotFoundError,
    ParametersError,
    ParametersTooLargeError,
    TaskNotExecutableError,
    TaskNotFoundError,
    TaskNotLinkableError,
    TaskStorageUnavailableError,
    TokenNotFoundError,
    TooManyOpenTasksError,
    TooManyTasksError,
    VaultUnavailableError,
)
from task_service.application.manage import Person
from task_service.domain.owner import Owner
from task_service.domain.task import Policy
from task_service.domain.work import Work
from task_service.http import batch_routes, dependency_routes, idempotency, kind_routes, run_routes, schedule_routes
from task_service.http.problems import TABLE
from task_service.http.schedule_routes import faults_named
from task_service.http.schemas import (
    Deleted,
    Deletion,
    ExecutionView,
    ListQuery,
    NewTask,
    NoBody,
    TaskList,
    TaskView,
    TokenLink,
    counts_view,
    execution_view,
    task_view,
)
from task_service.http.service import TaskService
from task_service.http.task_ids import task_id_in

LINKS = {
    "create_task": (
        Link(
            "id",
            "task_id",
            (
                "get_task",
                "link_persistent_id",
                "execute_task",
                "cancel_task",
                "run_again",
                "list_runs",
                "get_run",
                "get_result",
                "put_schedule",
                "get_schedule",
                "pause_schedule",
                "resume_schedule",
                "run_scheduled_now",
                "delete_schedule",
                "put_dependencies",
                "get_dependencies",
                "get_graph",
                "delete_task",
            ),
        ),
    )
}
TAGS = {
    "Tasks": "A person creates tasks, links offline tokens to them and executes them.",
    "Runs": "A person cancels what is under way, has tasks done once more, acts on many at once, and looks back.",
    "Schedules": "A person has tasks run by themselves, at a time or again and again.",
    "Dependencies": "A person lets tasks run after others, and sees how they depend on each other.",
}
TASKS, RUNS, SCHEDULES, DEPENDENCIES = TAGS


def create_api(service: TaskService) -> Api:
    """The routes over a wired service."""
    api = Api(
        "tasks",
        "Task service",
        task_service.__version__,
        "/api/tasks",
        table=TABLE,
        raises=(TaskStorageUnavailableError,),
        tags=TAGS,
        links=LINKS,
    )

    def caller() -> Person:
        claims = authenticate(service.verifier)
        return Person(Owner(claims.issuer, claims.subject))

    _listing(api, service, caller)
    _creation(api, service, caller)
    kind_routes.declare(api, service, caller, TASKS)
    _single(api, service, caller)
    _linking(api, service, caller)
    _execution(api, service, caller)
    run_routes.declare(api, service, caller, RUNS)
    batch_routes.declare(api, service, caller, RUNS)
    schedule_routes.declare(api, service, caller, SCHEDULES)
    dependency_routes.declare(api, service, caller, DEPENDENCIES)
    return api


def _listing(api: Api, service: TaskService, caller: Callable[[], Person]) -> None:
    @api.route("GET", "", tag=TASKS, query=ListQuery, answers={200: TaskList, 304: None}, raises=(CursorError,))
    def list_tasks() -> Response:
        """List the caller's tasks.

        The newest comes first. When there are more than `limit`, the answer has `nextCursor`: send it as `cursor` for
        the next page. The answer is 304 when nothing has changed since the `ETag` in `If-None-Match`.
        """
        who = caller()
        query = inputs.query(request, ListQuery)
        etag = f'W/"{service.listing.version(who)}{_of_query()}"'
        if etag in {given.strip() for given in request.headers.get("If-None-Match", "").split(",")}:
            return Response(status=304, headers={"ETag": etag, "Cache-Control": "no-store"})
        page = service.listing.page(who, query.filtered(), query.limit, query.cursor)
        runs = service.listing.last_runs(page.tasks) if query.last_runs else {}
        listed = TaskList(
            tasks=[task_view(task, runs.get(task.id, ())) for task in page.tasks],
            next_cursor=page.next_cursor,
            counts=counts_view(service.listing.counts(who), service.listing.standing(who)) if query.counts else None,
        )
        return respond(listed, headers={"ETag": etag})


def _creation(api: Api, service: TaskService, caller: Callable[[], Person]) -> None:
    @api.route(
        "POST",
        "",
        tag=TASKS,
        body=NewTask,
        answers={201: TaskView},
        raises=(
            KindNotFoundError,
            ParametersError,
            ParametersTooLargeError,
            KeyReusedError,
            TokenNotFoundError,
            TooManyTasksError,
            VaultUnavailableError,
        ),
        headers=idempotency.HEADERS,
    )
    def create_task() -> Response:
        """Create a task."""
        who = caller()
        wanted = inputs.body(request, NewTask)
        token_id = None if wanted.persistent_token_id is msgspec.UNSET else wanted.persistent_token_id
        receipt = idempotency.receipt_of(request, wanted, task_view)

        def create() -> TaskView:
            work = Work(wanted.kind, wanted.parameters)
            with dependency_routes.faults_named("/dependsOn"), kind_routes.faults_located():
                task = service.tasks.create(
                    who, wanted.name, wanted.description, _policy(service, wanted), token_id, receipt, work
                )
            return task_view(task)

        return idempotency.once(service.receipts, who.owner, receipt, create, HTTPStatus.CREATED, _location)


def _single(api: Api, service: TaskService, caller: Callable[[], Person]) -> None:
    @api.route("GET", "/<task_id>", tag=TASKS, answers={200: TaskView}, raises=(TaskNotFoundError,))
    def get_task(task_id: str) -> Response:
        """Get one of the caller's tasks.

        Another person's task is not found.
        """
        who = caller()
        return respond(task_view(service.tasks.find(who, task_id_in(task_id))))

    @api.route(
        "DELETE",
        "/<task_id>",
        tag=TASKS,
        query=Deletion,
        answers={200: Deleted},
        raises=(TaskNotFoundError, VaultUnavailableError),
    )
    def delete_task(task_id: str) -> Response:
        """Delete a task.

        A running task stops at its next step. The task's offline token is revoked only with `revokeAccess`, and only if
        no other task is linked to it and no other service may use it.
        """
        who = caller()
        if not inputs.query(request, Deletion).revoke_access:
            service.tasks.delete(who, task_id_in(task_id))
            return respond(Deleted(status="deleted", task_id=task_id))
        revoked = service.tasks.delete_with_access(who, task_id_in(task_id))
        return respond(Deleted(status="deleted", task_id=task_id, access_revoked=revoked))


def _linking(api: Api, service: TaskService, caller: Callable[[], Person]) -> None:
    @api.route(
        "POST",
        "/<task_id>/link-persistent-id",
        tag=TASKS,
        body=TokenLink,
        answers={200: TaskView},
        raises=(TaskNotFoundError, TokenNotFoundError, TaskNotLinkableError, VaultUnavailableError),
    )
    def link_persistent_id(task_id: str) -> Response:
        """Link an offline token to a task.

        The task service asks the vault whether the token is the caller's.
        """
        who = caller()
        wanted = inputs.body(request, TokenLink)
        return respond(task_view(service.execution.link(who, task_id_in(task_id), wanted.persistent_token_id)))


def _execution(api: Api, service: TaskService, caller: Callable[[], Person]) -> None:
    @api.route(
        "POST",
        "/<task_id>/execute",
        tag=TASKS,
        body=NoBody,
        answers={200: ExecutionView},
        raises=(
            TaskNotFoundError,
            TaskNotExecutableError,
            TooManyOpenTasksError,
            TaskNotLinkableError,
            VaultUnavailableError,
            KeyReusedError,
        ),
        headers=idempotency.HEADERS,
    )
    def execute_task(task_id: str) -> Response:
        """Execute a task with its offline token.

        When the token is missing, pending or failed, nothing is executed and `status` says so.
        """
        who = caller()
        wanted = inputs.optional_body(request, NoBody)
        receipt = idempotency.receipt_of(request, wanted, execution_view)

        def execute() -> ExecutionView:
            return execution_view(service.execution.execute(who, task_id_in(task_id), receipt))

        return idempotency.once(service.receipts, who.owner, receipt, execute)


def _location(content: bytes) -> dict[str, str]:
    return {"Location": f"/api/tasks/{msgspec.json.decode(content)['id']}"}


def _of_query() -> str:
    """A part of the list's `ETag` that differs for each query; empty without one."""
    return f"-{hashlib.sha256(request.query_string).hexdigest()[:16]}" if request.query_string else ""


def _policy(service: TaskService, wanted: NewTask) -> Policy:
    """The policy of the new task. Problem: 422 `invalid_input`."""
    policy = Policy(depends_on=dependency_routes.ids_of(wanted.depends_on), priority=wanted.priority)
    if wanted.retry is not UNSET:
        policy = replace(policy, retry=wanted.retry.policy())
    if wanted.schedule is UNSET:
        return policy
    with faults_named("/schedule/"):
        rule = wanted.schedule.rule()
        service.schedules.check(rule)
    return replace(policy, schedule=rule)
