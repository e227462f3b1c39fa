"""Tasks that depend on others (R30): when they run, and what they end with when another fails.

A task runs when each task on which it depends has completed since its own last run. A run that its owner or its
schedule wishes for waits until the latest run of each has completed.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from task_service.domain.status import UNDER_WAY, TaskStatus, WaitReason

MAX_DEPENDENCIES = 1000
"""How many tasks one task may depend on."""
WAITS = "Waits for the tasks on which it depends."


class DependencyError(Exception):
    """A set of dependencies that cannot be. place: which of them, by position; None for all together."""

    def __init__(self, place: int | None, detail: str) -> None:
        super().__init__(detail)
        self.place = place


@dataclass(frozen=True, slots=True)
class Dependency:
    """One task on which another depends, with its latest run. seen_run: the run that was taken into account."""

    task_id: UUID
    name: str
    status: TaskStatus
    last_run: int
    seen_run: int

    @property
    def is_news(self) -> bool:
        """True when its latest run has ended and was not taken into account."""
        return self.status not in UNDER_WAY and self.last_run > self.seen_run


class Step(enum.Enum):
    """The next step of a task when one of its dependencies has ended."""

    NOTHING = enum.auto()
    START = enum.auto()
    FAIL = enum.auto()
    CANCEL = enum.auto()


@dataclass(frozen=True, slots=True)
class DependencyVerdict:
    """step: what to do; seen: the dependencies that are taken into account with it; reason: for people."""

    step: Step
    seen: Sequence[UUID] = ()
    reason: str = ""


def judge(status: TaskStatus, wait_reason: WaitReason | None, dependencies: Sequence[Dependency]) -> DependencyVerdict:
    """Decide the next step of a task. status, wait_reason: those of its latest run."""
    waits = status is TaskStatus.WAITING and wait_reason is WaitReason.DEPENDENCY
    if (status in UNDER_WAY and not waits) or not dependencies:
        return DependencyVerdict(Step.NOTHING)  # its own end is news, too
    for each in dependencies:
        if each.is_news and each.status in _ENDS_BADLY:
            step, word = _ENDS_BADLY[each.status]
            return DependencyVerdict(step, [each.task_id], f'Task "{each.name}", on which this task depends, {word}.')
    if all(each.status is TaskStatus.COMPLETED and (waits or each.is_news) for each in dependencies):
        return DependencyVerdict(Step.START, [each.task_id for each in dependencies])
    return DependencyVerdict(Step.NOTHING)


_ENDS_BADLY = {
    TaskStatus.FAILED: (Step.FAIL, "failed"),
    TaskStatus.CANCELLED: (Step.CANCEL, "was cancelled"),
}


def must_wait(dependencies: Sequence[TaskStatus]) -> bool:
    """True when a new run has to wait, because the latest run of a dependency has not completed."""
    return any(status is not TaskStatus.COMPLETED for status in dependencies)


@dataclass(frozen=True, slots=True)
class Node:
    """A task in a graph."""

    task_id: UUID
    name: str
    status: TaskStatus


@dataclass(frozen=True, slots=True)
class Graph:
    """A task with all that it depends on and all that depends on it, directly or not.

    edges: (task, on which it depends); complete: False when there are more than the graph shows.
    """

    nodes: Sequence[Node]
    edges: Sequence[tuple[UUID, UUID]]
    complete: bool
