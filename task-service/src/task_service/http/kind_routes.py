"""The kinds of tasks that are offered, and what they need."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from flask import Response

from service_kit.http.app import respond
from service_kit.http.inputs import Output
from service_kit.http.openapi import Api
from service_kit.http.problems import Fault
from task_service.application.errors import ParametersError
from task_service.application.manage import Person
from task_service.http.problems import PARAMETERS_INVALID
from task_service.http.service import TaskService


class KindView(Output, frozen=True, kw_only=True):
    """A kind of task. executor: where its tasks run; parameters: the JSON Schema (2020-12) of `parameters`."""

    kind: str
    description: str
    executor: str
    parameters: dict[str, Any]


class KindList(Output, frozen=True, kw_only=True):
    """The kinds that this installation offers, by name."""

    kinds: list[KindView]


def declare(api: Api, service: TaskService, caller: Callable[[], Person], tag: str) -> None:
    """Add the route. caller: who sends the request."""

    @api.route("GET", "/kinds", tag=tag, answers={200: KindList})
    def list_kinds() -> Response:
        """List the kinds of tasks.

        Each has a JSON Schema, by which the `parameters` of a new task are checked.
        """
        caller()
        kinds = service.tasks.kinds.describe()
        return respond(
            KindList(
                kinds=[
                    KindView(
                        kind=each.name,
                        description=each.description,
                        executor=each.executor,
                        parameters=dict(each.parameters),
                    )
                    for each in kinds
                ]
            )
        )


@contextmanager
def faults_located() -> Iterator[None]:
    """Turns a ParametersError into its problem with the JSON Pointer of the faulty parameter."""
    try:
        yield
    except ParametersError as error:
        fault = Fault(f"/parameters{error.pointer}", error.detail)
        raise PARAMETERS_INVALID.problem(str(error), errors=(fault,)) from None
