"""The routes of a task's schedule (R28)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from flask import Response, request

from service_kit.http import inputs
from service_kit.http.app import respond
from service_kit.http.openapi import Api
from service_kit.http.problems import INVALID_INPUT
from task_service.application.errors import (
    ScheduleNotFoundError,
    TaskNotExecutableError,
    TaskNotFoundError,
    TaskNotLinkableError,
    TooManyOpenTasksError,
    VaultUnavailableError,
)
from task_service.application.manage import Person
from task_service.domain.schedule import Rule, Schedule, ScheduleError
from task_service.http.schedule_schemas import (
    NewSchedule,
    OutlookQuery,
    OutlookView,
    ScheduleAnswer,
    ScheduleRemoved,
    outlook_view,
    schedule_view,
)
from task_service.http.schemas import ExecutionView, NoBody, execution_view
from task_service.http.service import TaskService
from task_service.http.task_ids import task_id_in

IN_THE_PAST = "runAt has passed: the task runs at once."
FOUND = (TaskNotFoundError, ScheduleNotFoundError)


def declare(api: Api, service: TaskService, caller: Callable[[], Person], tag: str) -> None:
    """Add the routes. caller: who sends the request."""
    _definition(api, service, caller, tag)
    _pausing(api, service, caller, tag)
    _running(api, service, caller, tag)


def _definition(api: Api, service: TaskService, caller: Callable[[], Person], tag: str) -> None:
    @api.route(
        "PUT",
        "/<task_id>/schedule",
        tag=tag,
        body=NewSchedule,
        answers={200: ScheduleAnswer},
        raises=(TaskNotFoundError, INVALID_INPUT),
    )
    def put_schedule(task_id: str) -> Response:
        """Set a task's schedule.

        The task runs once at `runAt`, or at the times of `cron`. A time that has passed is due at once, and `message`
        says so.
        """
        who = caller()
        wanted = inputs.optional_body(request, NewSchedule)
        with faults_named("/"):
            rule = wanted.rule()
            schedule = service.schedules.put(who, task_id_in(task_id), rule)
        return _answer(task_id, schedule, _said(service, rule))

    @api.route("GET", "/<task_id>/schedule", tag=tag, query=OutlookQuery, answers={200: OutlookView}, raises=FOUND)
    def get_schedule(task_id: str) -> Response:
        """Get a task's schedule.

        The answer has the next runs, and says whether the granted access lasts until the next.
        """
        who = caller()
        query = inputs.query(request, OutlookQuery)
        return respond(outlook_view(task_id, service.schedules.outlook(who, task_id_in(task_id), query.runs)))

    @api.route("DELETE", "/<task_id>/schedule", tag=tag, answers={200: ScheduleRemoved}, raises=FOUND)
    def delete_schedule(task_id: str) -> Response:
        """Remove a task's schedule.

        The task and a run that is under way stay.
        """
        service.schedules.remove(caller(), task_id_in(task_id))
        return respond(ScheduleRemoved(status="deleted", task_id=task_id))


def _pausing(api: Api, service: TaskService, caller: Callable[[], Person], tag: str) -> None:
    @api.route(
        "POST",
        "/<task_id>/schedule/pause",
        tag=tag,
        body=NoBody,
        answers={200: ScheduleAnswer},
        raises=FOUND,
    )
    def pause_schedule(task_id: str) -> Response:
        """Pause a task's schedule.

        Runs that would be due meanwhile are left out. A schedule that is not active stays as it is.
        """
        who = caller()
        inputs.optional_body(request, NoBody)
        return _answer(task_id, service.schedules.pause(who, task_id_in(task_id)))

    @api.route(
        "POST",
        "/<task_id>/schedule/resume",
        tag=tag,
        body=NoBody,
        answers={200: ScheduleAnswer},
        raises=FOUND,
    )
    def resume_schedule(task_id: str) -> Response:
        """Resume a paused or stopped schedule.

        A schedule that stopped because its token failed needs a usable token. Without one it stops again.
        """
        who = caller()
        inputs.optional_body(request, NoBody)
        schedule = service.schedules.resume(who, task_id_in(task_id))
        return _answer(task_id, schedule, _said(service, schedule.rule) if schedule.next_run_at else None)


def _running(api: Api, service: TaskService, caller: Callable[[], Person], tag: str) -> None:
    @api.route(
        "POST",
        "/<task_id>/schedule/run-now",
        tag=tag,
        body=NoBody,
        answers={200: ExecutionView},
        raises=(*FOUND, TaskNotExecutableError, TaskNotLinkableError, TooManyOpenTasksError, VaultUnavailableError),
    )
    def run_scheduled_now(task_id: str) -> Response:
        """Run a scheduled task now, beside its schedule.

        A completed task runs again. The answers are those of `execute`.
        """
        who = caller()
        inputs.optional_body(request, NoBody)
        return respond(execution_view(service.execution.run_scheduled_now(who, task_id_in(task_id))))


@contextmanager
def faults_named(prefix: str) -> Iterator[None]:
    """Turns a ScheduleError into 422 `invalid_input` with the JSON Pointer of the faulty member."""
    try:
        yield
    except ScheduleError as error:
        pointer = f"{prefix}{error.member}" if error.member else prefix.rstrip("/")
        raise inputs.invalid(pointer, str(error)) from None


def _said(service: TaskService, rule: Rule) -> str | None:
    """A message about a rule whose time has passed."""
    return IN_THE_PAST if service.schedules.has_passed(rule) else None


def _answer(task_id: str, schedule: Schedule, message: str | None = None) -> Response:
    return respond(ScheduleAnswer(task_id=task_id, schedule=schedule_view(schedule), message=message))
