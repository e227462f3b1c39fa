"""The routes of a task's dependencies (R30)."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from flask import Response, request

from service_kit.http import inputs
from service_kit.http.app import respond
from service_kit.http.inputs import Input, Output
from service_kit.http.openapi import Api
from service_kit.http.problems import INVALID_INPUT
from task_service.application.errors import TaskNotFoundError
from task_service.application.manage import Person
from task_service.domain.dependencies import DependencyError, Graph
from task_service.domain.status import TaskStatus
from task_service.domain.task import parse_id, public_id
from task_service.http.service import TaskService
from task_service.http.task_ids import TaskIds, task_id_in


class NewDependencies(Input, frozen=True, kw_only=True):
    """The tasks on which a task depends, up to 1000: all of them, since others are removed."""

    depends_on: TaskIds


class DependenciesView(Output, frozen=True, kw_only=True):
    """The tasks on which a task depends, the oldest first."""

    task_id: str
    depends_on: list[str]


class GraphNode(Output, frozen=True, kw_only=True):
    """A task of a graph, with the state of its latest run."""

    id: str
    name: str
    status: TaskStatus


class GraphEdge(Output, frozen=True, kw_only=True):
    """One task depends on another."""

    task_id: str
    depends_on: str


class GraphView(Output, frozen=True, kw_only=True):
    """A task, first, with all that it depends on and all that depends on it. complete: false when some are left out."""

    nodes: list[GraphNode]
    edges: list[GraphEdge]
    complete: bool


def declare(api: Api, service: TaskService, caller: Callable[[], Person], tag: str) -> None:
    """Add the routes. caller: who sends the request."""

    @api.route(
        "PUT",
        "/<task_id>/dependencies",
        tag=tag,
        body=NewDependencies,
        answers={200: DependenciesView},
        raises=(TaskNotFoundError, INVALID_INPUT),
    )
    def put_dependencies(task_id: str) -> Response:
        """Let a task depend on others.

        It runs when all of them have completed since its own last run. An empty list lets it depend on none.
        """
        who = caller()
        wanted = inputs.body(request, NewDependencies)
        with faults_named("/dependsOn"):
            depends_on = service.dependencies.put(who, task_id_in(task_id), ids_of(wanted.depends_on))
        return respond(_view(task_id, depends_on))

    @api.route("GET", "/<task_id>/dependencies", tag=tag, answers={200: DependenciesView}, raises=(TaskNotFoundError,))
    def get_dependencies(task_id: str) -> Response:
        """Get the tasks on which a task depends."""
        return respond(_view(task_id, service.dependencies.of_task(caller(), task_id_in(task_id))))

    @api.route("GET", "/<task_id>/graph", tag=tag, answers={200: GraphView}, raises=(TaskNotFoundError,))
    def get_graph(task_id: str) -> Response:
        """Get the graph around a task.

        The graph has all tasks on which it depends and all that depend on it, directly or not. A graph shows
        5000 tasks at most.
        """
        return respond(_graph_view(service.dependencies.graph(caller(), task_id_in(task_id))))


def ids_of(depends_on: Sequence[str]) -> list[UUID]:
    """The UUIDs of public ids. Raises DependencyError for an id that is none, or that is given twice."""
    found: dict[UUID, int] = {}
    for place, text in enumerate(depends_on):
        task_id = parse_id(text)
        if task_id is None:
            raise DependencyError(place, "is not the id of a task of yours")
        if found.setdefault(task_id, place) != place:
            raise DependencyError(place, "is given more than once")
    return list(found)


@contextmanager
def faults_named(pointer: str) -> Iterator[None]:
    """Turns a DependencyError into 422 `invalid_input` with the JSON Pointer of the faulty id."""
    try:
        yield
    except DependencyError as error:
        raise inputs.invalid(pointer if error.place is None else f"{pointer}/{error.place}", str(error)) from None


def _view(task_id: str, depends_on: Sequence[UUID]) -> DependenciesView:
    return DependenciesView(task_id=task_id, depends_on=[public_id(each) for each in depends_on])


def _graph_view(graph: Graph) -> GraphView:
    return GraphView(
        nodes=[GraphNode(id=public_id(node.task_id), name=node.name, status=node.status) for node in graph.nodes],
        edges=[GraphEdge(task_id=public_id(task), depends_on=public_id(on)) for task, on in graph.edges],
        complete=graph.complete,
    )
