"""Ports for runs that their owner does not start: those of schedules and dependencies."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from task_service.domain.dependencies import Dependency, Graph
from task_service.domain.owner import Owner
from task_service.domain.schedule import Rule, Schedule


class ScheduleStore(Protocol):
    """The schedules of one owner's tasks."""

    def now(self) -> datetime:
        """The time by the clock that schedules follow."""
        ...

    def put(self, task_id: UUID, owner: Owner, rule: Rule) -> Schedule:
        """Give a task a schedule, or its schedule another rule. rule: checked. Raises TaskNotFoundError."""
        ...

    def change(self, task_id: UUID, owner: Owner, to: Callable[[Schedule, datetime], Schedule]) -> Schedule:
        """Replace a schedule by what `to` makes of it and of the time.

        Raises TaskNotFoundError, ScheduleNotFoundError.
        """
        ...

    def remove(self, task_id: UUID, owner: Owner) -> None:
        """Take a schedule away. Raises TaskNotFoundError, ScheduleNotFoundError."""
        ...


class DependencyStore(Protocol):
    """Dependencies among one owner's tasks."""

    def put(self, task_id: UUID, owner: Owner, depends_on: Sequence[UUID]) -> None:
        """Let a task depend on exactly these. Raises TaskNotFoundError, DependencyError."""
        ...

    def of_task(self, task_id: UUID, owner: Owner) -> Sequence[Dependency]:
        """The dependencies of a task, the oldest first. Raises TaskNotFoundError."""
        ...

    def graph(self, task_id: UUID, owner: Owner) -> Graph:
        """All that is connected with a task. Raises TaskNotFoundError."""
        ...


class DependencyNews(Protocol):
    """Ends of runs that matter to other tasks."""

    def take_news(self, at_most: int) -> int:
        """Look at so many tasks for which there is news; how many there were. It waits for no lock of a task.

        Raises TaskStorageUnavailableError.
        """
        ...


class DueSchedules(Protocol):
    """Finds the schedules that are due, and makes their runs."""

    def fire_due(self, at_most: int) -> int:
        """Make the runs that are due, of so many schedules. Returns the number of schedules that were due. Skips locked
        rows.

        Raises TaskStorageUnavailableError.
        """
        ...
