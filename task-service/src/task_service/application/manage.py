"""What owners do with the definitions of their tasks: create, look at, delete."""

from dataclasses import dataclass, field
from uuid import UUID

from task_service.application.ports import TaskStore
from task_service.application.token_status import RefreshTokenStatuses
from task_service.domain.owner import Owner
from task_service.domain.receipt import Receipt
from task_service.domain.task import NO_POLICY, Policy, Task


@dataclass(frozen=True, slots=True)
class Person:
    """The person who calls, with the access token of the request. The token is passed on to the vault only."""

    owner: Owner
    bearer: str = field(repr=False)


class ManageTasks:
    """A person's own tasks. Another person's task looks exactly like one that does not exist."""

    def __init__(self, tasks: TaskStore, token_statuses: RefreshTokenStatuses) -> None:
        self._tasks = tasks
        self._token_statuses = token_statuses

    def create(
        self,
        person: Person,
        name: str,
        description: str,
        policy: Policy = NO_POLICY,
        receipt: Receipt | None = None,
    ) -> Task:
        """A new task, pending. policy: checked. Raises AlreadyDoneError, KeyReusedError."""
        return self._tasks.add(person.owner, name, description, policy, receipt)

    def find(self, person: Person, task_id: UUID) -> Task:
        """One task. Raises TaskNotFoundError."""
        self._token_statuses.when_due(person.owner, person.bearer)
        return self._tasks.find(task_id, person.owner)

    def delete(self, person: Person, task_id: UUID, receipt: Receipt | None = None) -> None:
        """Remove a task; a running one stops at its next step.

        Raises TaskNotFoundError, AlreadyDoneError, KeyReusedError.
        """
        self._tasks.delete(task_id, person.owner, receipt)
