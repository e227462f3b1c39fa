"""The task API: R1–R6 of the customer's document."""

from collections.abc import Callable
from uuid import UUID

from flask import Response, request

import task_service
from service_kit.http import inputs
from service_kit.http.app import authenticate, bearer_token, respond
from service_kit.http.openapi import Api, Link
from task_service.application.errors import TaskNotFoundError
from task_service.application.manage import Person
from task_service.domain.owner import Owner
from task_service.domain.task import parse_id, public_id
from task_service.http.schemas import (
    Deleted,
    ExecutionView,
    NewTask,
    NoBody,
    TaskList,
    TaskView,
    TokenLink,
    execution_view,
    task_view,
)
from task_service.http.service import TaskService

LINKS = {"create_task": (Link("id", "task_id", ("get_task", "link_persistent_id", "execute_task", "delete_task")),)}
MISSING = {404: ("task_not_found",), 503: ("provider_unavailable", "storage_unavailable")}


def create_api(service: TaskService) -> Api:
    """The routes over a wired service."""
    api = Api("tasks", "Task service", task_service.__version__, "/api/tasks", LINKS)

    def caller() -> Person:
        claims = authenticate(service.verifier)
        return Person(Owner(claims.issuer, claims.subject), bearer_token())

    _collection(api, service, caller)
    _single(api, service, caller)
    return api


def _collection(api: Api, service: TaskService, caller: Callable[[], Person]) -> None:
    @api.route("GET", "", answers={200: TaskList, 304: None})
    def list_tasks() -> Response:
        """The caller's tasks, newest first; 304 when nothing has changed since the `ETag` in If-None-Match."""
        who = caller()
        etag = f'W/"{service.tasks.list_version(who)}"'
        if etag in {given.strip() for given in request.headers.get("If-None-Match", "").split(",")}:
            return Response(status=304, headers={"ETag": etag, "Cache-Control": "no-store"})
        tasks = [task_view(task) for task in service.tasks.all(who)]
        return respond(TaskList(tasks=tasks), headers={"ETag": etag})

    @api.route("POST", "", body=NewTask, answers={201: TaskView})
    def create_task() -> Response:
        """Create a task."""
        who = caller()
        wanted = inputs.body(request, NewTask)
        task = service.tasks.create(who, wanted.name, wanted.description)
        return respond(task_view(task), 201, {"Location": f"/api/tasks/{public_id(task.id)}"})


def _single(api: Api, service: TaskService, caller: Callable[[], Person]) -> None:
    @api.route("GET", "/<task_id>", answers={200: TaskView}, problems=MISSING)
    def get_task(task_id: str) -> Response:
        """One task. Another person's task is answered like one that does not exist."""
        who = caller()
        return respond(task_view(service.tasks.find(who, _id(task_id))))

    @api.route("DELETE", "/<task_id>", answers={200: Deleted}, problems=MISSING)
    def delete_task(task_id: str) -> Response:
        """Delete a task; a running one stops at its next step."""
        service.tasks.delete(caller(), _id(task_id))
        return respond(Deleted(status="deleted", task_id=task_id))

    @api.route(
        "POST",
        "/<task_id>/link-persistent-id",
        body=TokenLink,
        answers={200: TaskView},
        problems={
            404: ("task_not_found", "token_not_found"),
            409: ("task_not_linkable",),
            503: ("provider_unavailable", "storage_unavailable", "vault_unavailable"),
        },
    )
    def link_persistent_id(task_id: str) -> Response:
        """Link one of the caller's offline tokens to a task; the vault confirms that it is the caller's."""
        who = caller()
        wanted = inputs.body(request, TokenLink)
        return respond(task_view(service.execution.link(who, _id(task_id), wanted.persistent_token_id)))

    @api.route(
        "POST",
        "/<task_id>/execute",
        body=NoBody,
        body_required=False,
        answers={200: ExecutionView},
        problems={
            404: ("task_not_found",),
            409: ("task_not_executable", "task_not_linkable"),
            503: ("provider_unavailable", "storage_unavailable", "vault_unavailable"),
        },
    )
    def execute_task(task_id: str) -> Response:
        """Execute a task with its offline token, or say what is missing."""
        who = caller()
        inputs.optional_body(request, NoBody)
        return respond(execution_view(service.execution.execute(who, _id(task_id))))


def _id(text: str) -> UUID:
    task_id = parse_id(text)
    if task_id is None:
        raise TaskNotFoundError
    return task_id
