"""A query of a person's tasks: a filter, an order, and the beginning of a page."""

import enum
from dataclasses import dataclass
from uuid import UUID

from task_service.domain.schedule import ScheduleStatus
from task_service.domain.status import EXECUTABLE, TaskStatus


class Sort(enum.StrEnum):
    """The orders of a list. A minus sign means descending; names are compared without regard to case."""

    NEWEST = "-createdAt"
    OLDEST = "createdAt"
    NAME = "name"
    NAME_DESCENDING = "-name"

    @property
    def by_name(self) -> bool:
        """True for the orders by name, false for those by time."""
        return self in {Sort.NAME, Sort.NAME_DESCENDING}


class ScheduleFilter(enum.StrEnum):
    """Tasks by the state of their schedule, with any schedule, with one that has not ended, or without one."""

    ANY = "any"
    NONE = "none"
    STANDING = "standing"
    ACTIVE = ScheduleStatus.ACTIVE.value
    PAUSED = ScheduleStatus.PAUSED.value
    ENDED = ScheduleStatus.ENDED.value
    STOPPED = ScheduleStatus.STOPPED.value


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskQuery:
    """A filter and an order. A member without a value does not filter.

    statuses: the task's state is one of these; search: each of its words begins a word of the task's name or
    description; needs_consent: the task cannot run until its person grants access, since nothing of it is under way or
    completed and its token is not active.
    """

    statuses: frozenset[TaskStatus] = frozenset()
    kind: str | None = None
    persistent_token_id: UUID | None = None
    search: str | None = None
    schedule: ScheduleFilter | None = None
    needs_consent: bool = False
    sort: Sort = Sort.NEWEST

    @property
    def states(self) -> frozenset[TaskStatus]:
        """The states that a task can be in; empty: any."""
        if not self.needs_consent:
            return self.statuses
        return (self.statuses & EXECUTABLE) if self.statuses else EXECUTABLE

    @property
    def of_states_only(self) -> bool:
        """True when the filter is by states (and tokens) and the order is by time, for which there is an index."""
        others = (self.kind, self.persistent_token_id, self.search, self.schedule)
        return bool(self.states) and not self.sort.by_name and all(each is None for each in others)


@dataclass(frozen=True, slots=True)
class Position:
    """A place between two tasks of an ordered list. key: the last task's name or time, as text; task_id: its id."""

    key: str
    task_id: UUID


@dataclass(frozen=True, slots=True)
class Standing:
    """The number of tasks that need their person's consent, and of those whose schedule has not ended; each at most
    `MOST_COUNTED`.
    """

    needs_consent: int
    scheduled: int


MOST_COUNTED = 1000
"""Where the counts of `Standing` end."""

LAST_RUNS = 10
"""Runs of each task whose states a list can tell."""
