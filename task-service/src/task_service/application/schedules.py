"""Schedules of tasks: set, look ahead, pause, resume, run now, remove; and the tick that makes the runs (R28)."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from task_service.application.errors import ScheduleNotFoundError, TokenNotFoundError, VaultUnavailableError
from task_service.application.manage import Person
from task_service.application.ports.starts import DueSchedules, ScheduleStore
from task_service.application.ports.tasks import TaskStore
from task_service.application.ports.vault import OwnersVault
from task_service.domain.schedule import Forecast, Rule, Schedule, forecast
from task_service.domain.task import Task

AT_ONCE = 20
"""Schedules that one transaction of the tick takes."""
BATCHES = 50
"""Transactions of one tick at most, so that it ends."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """The outlook of a schedule. forecast: None while it has no next run; ends_at: when the granted access ends."""

    task: Task
    schedule: Schedule
    next_runs: list[datetime]
    forecast: Forecast | None
    ends_at: datetime | None


class ManageSchedules:
    """A person's own schedules."""

    def __init__(self, tasks: TaskStore, schedules: ScheduleStore, vault: OwnersVault) -> None:
        self._tasks = tasks
        self._schedules = schedules
        self._vault = vault

    def check(self, rule: Rule) -> None:
        """Raises ScheduleError for a rule without times."""
        rule.check(self._schedules.now())

    def has_passed(self, rule: Rule) -> bool:
        """True when the rule's one time is not ahead any more."""
        return rule.run_at is not None and rule.run_at <= self._schedules.now()

    def put(self, person: Person, task_id: UUID, rule: Rule) -> Schedule:
        """Set the task's schedule; a time that has passed is due at once. Raises TaskNotFoundError, ScheduleError."""
        self._tasks.find(task_id, person.owner)
        self.check(rule)
        return self._schedules.put(task_id, person.owner, rule)

    def outlook(self, person: Person, task_id: UUID, runs: int) -> Outlook:
        """The schedule, its next runs, and whether the granted access lasts until the next.

        The vault is asked for the latter; while it is unavailable that is unknown. Raises TaskNotFoundError,
        ScheduleNotFoundError.
        """
        task = self._tasks.find(task_id, person.owner)
        if task.schedule is None:
            raise ScheduleNotFoundError
        next_runs = task.schedule.next_runs(runs)
        if not next_runs:
            return Outlook(task, task.schedule, next_runs, None, None)
        said, ends_at = self._forecast(person, task, next_runs[0])
        return Outlook(task, task.schedule, next_runs, said, ends_at)

    def pause(self, person: Person, task_id: UUID) -> Schedule:
        """Leave out all runs until it is resumed. Idempotent. Raises TaskNotFoundError, ScheduleNotFoundError."""
        return self._schedules.change(task_id, person.owner, lambda schedule, _: schedule.paused())

    def resume(self, person: Person, task_id: UUID) -> Schedule:
        """Resume after a pause or a stop. Idempotent. Raises TaskNotFoundError, ScheduleNotFoundError."""
        return self._schedules.change(task_id, person.owner, Schedule.resumed)

    def remove(self, person: Person, task_id: UUID) -> None:
        """Take the schedule away; the task and its runs stay. Raises TaskNotFoundError, ScheduleNotFoundError."""
        self._schedules.remove(task_id, person.owner)

    def _forecast(self, person: Person, task: Task, next_run_at: datetime) -> tuple[Forecast, datetime | None]:
        if task.persistent_token_id is None:
            return Forecast.NO_ACCESS, None
        try:
            grant = self._vault.grant(task.persistent_token_id, person.owner)
        except TokenNotFoundError:
            return Forecast.NO_ACCESS, None
        except VaultUnavailableError:
            return Forecast.UNKNOWN, None
        return forecast(next_run_at, grant.status, grant.ends_at), grant.ends_at


class Tick:
    """Makes the runs that are due. Any number of processes may tick at once."""

    def __init__(self, due: DueSchedules) -> None:
        self._due = due

    def tick(self) -> int:
        """Make the runs that are due. Returns the number of schedules that were due. Raises
        TaskStorageUnavailableError.
        """
        total = 0
        for _ in range(BATCHES):
            handled = self._due.fire_due(AT_ONCE)
            total += handled
            if handled < AT_ONCE:
                break
        return total
