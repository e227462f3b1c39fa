"""The list of a person's tasks: pages of it, its version, and how many tasks are in each state."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from task_service.application.cursors import Cursors
from task_service.application.manage import Person
from task_service.application.ports.tasks import TaskListStore
from task_service.application.token_status import RefreshTokenStatuses
from task_service.domain.listing import Standing, TaskQuery
from task_service.domain.status import TaskStatus
from task_service.domain.task import Task


@dataclass(frozen=True, slots=True)
class TaskPage:
    """A page of a list. next_cursor: where the next page begins; None on the last one."""

    tasks: Sequence[Task]
    next_cursor: str | None


class ListTasks:
    """A person's own tasks as a list."""

    def __init__(self, store: TaskListStore, token_statuses: RefreshTokenStatuses, cursors: Cursors) -> None:
        self._store = store
        self._token_statuses = token_statuses
        self._cursors = cursors

    def version(self, person: Person) -> str:
        """A word that differs whenever something in the list differs; token statuses are brought up to date first."""
        self._token_statuses.when_due(person.owner)
        return self._store.list_version(person.owner)

    def page(self, person: Person, query: TaskQuery, limit: int, cursor: str | None = None) -> TaskPage:
        """At most `limit` tasks, from the beginning or from where a cursor says. Raises CursorError."""
        after = self._cursors.read(person.owner, query, cursor) if cursor is not None else None
        tasks, following = self._store.page(person.owner, query, limit, after)
        return TaskPage(tasks, self._cursors.write(person.owner, query, following) if following else None)

    def last_runs(self, tasks: Sequence[Task]) -> Mapping[UUID, Sequence[TaskStatus]]:
        """The states of each task's last runs, the latest first; nothing for a task that was never executed."""
        return self._store.last_runs(tasks)

    def counts(self, person: Person) -> Mapping[TaskStatus, int]:
        """The number of the person's tasks in each state."""
        return self._store.counts(person.owner)

    def standing(self, person: Person) -> Standing:
        """The number of the person's tasks that need their consent, and of those whose schedule has not ended."""
        return self._store.standing(person.owner)
