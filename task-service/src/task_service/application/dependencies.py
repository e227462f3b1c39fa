"""Dependencies of tasks (R30): set, look at, and the tick that carries ends of runs on to what depends on them."""

from collections.abc import Sequence
from uuid import UUID

from task_service.application.manage import Person
from task_service.application.ports.starts import DependencyNews, DependencyStore
from task_service.domain.dependencies import Graph

AT_ONCE = 20
"""Tasks that one transaction looks at."""
BATCHES = 100
"""Transactions of one tick at most, so that it ends."""


class ManageDependencies:
    """A person's own dependencies."""

    def __init__(self, store: DependencyStore) -> None:
        self._store = store

    def put(self, person: Person, task_id: UUID, depends_on: Sequence[UUID]) -> Sequence[UUID]:
        """Let a task depend on exactly these tasks. Raises TaskNotFoundError, DependencyError."""
        self._store.put(task_id, person.owner, depends_on)
        return self.of_task(person, task_id)

    def of_task(self, person: Person, task_id: UUID) -> Sequence[UUID]:
        """The tasks on which it depends, the oldest first. Raises TaskNotFoundError."""
        return [each.task_id for each in self._store.of_task(task_id, person.owner)]

    def graph(self, person: Person, task_id: UUID) -> Graph:
        """All that is connected with the task, upstream and downstream. Raises TaskNotFoundError."""
        return self._store.graph(task_id, person.owner)


class CarryOn:
    """Starts, fails and cancels what depends on runs that have ended. Any number of processes may do it at once."""

    def __init__(self, news: DependencyNews) -> None:
        self._news = news

    def tick(self) -> int:
        """Start the tasks that are due. Returns the number of tasks checked. Raises TaskStorageUnavailableError."""
        total = 0
        for _ in range(BATCHES):
            looked_at = self._news.take_news(AT_ONCE)
            total += looked_at
            if looked_at < AT_ONCE:
                break
        return total
