"""Lets owners create, read and delete the definitions of their tasks."""

from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from task_service.application.errors import TokenNotFoundError
from task_service.application.ports.tasks import KindCatalogue, TaskStore
from task_service.application.ports.vault import OwnersVault
from task_service.application.token_status import RefreshTokenStatuses
from task_service.domain.owner import Owner
from task_service.domain.receipt import Receipt
from task_service.domain.task import NO_POLICY, Policy, Task
from task_service.domain.work import DEMONSTRATION, Work


@dataclass(frozen=True, slots=True)
class Person:
    """The person who calls. The access token of the request stays at the HTTP edge: nothing is passed on with it."""

    owner: Owner


class ManageTasks:
    """A person's own tasks. Another person's task looks exactly like one that does not exist."""

    def __init__(
        self, tasks: TaskStore, token_statuses: RefreshTokenStatuses, vault: OwnersVault, kinds: KindCatalogue
    ) -> None:
        self.kinds = kinds
        self._tasks = tasks
        self._token_statuses = token_statuses
        self._vault = vault

    def create(
        self,
        person: Person,
        name: str,
        description: str,
        policy: Policy = NO_POLICY,
        persistent_token_id: UUID | None = None,
        receipt: Receipt | None = None,
        work: Work = DEMONSTRATION,
    ) -> Task:
        """A new task, pending.

        policy: checked; persistent_token_id: a token to link, once the vault has said that it is the person's; work:
        what the task does.

        Raises KindNotFoundError, ParametersError, ParametersTooLargeError, TokenNotFoundError, TooManyTasksError,
        VaultUnavailableError, AlreadyDoneError, KeyReusedError.
        """
        self.kinds.check(work)
        grant = self._vault.grant(persistent_token_id, person.owner) if persistent_token_id else None
        return self._tasks.add(person.owner, name, description, policy, grant, receipt, work)

    def find(self, person: Person, task_id: UUID) -> Task:
        """One task. Raises TaskNotFoundError."""
        self._token_statuses.when_due(person.owner)
        return self._tasks.find(task_id, person.owner)

    def delete(self, person: Person, task_id: UUID, receipt: Receipt | None = None) -> None:
        """Remove a task; a running one stops at its next step.

        Raises TaskNotFoundError, AlreadyDoneError, KeyReusedError.
        """
        self._tasks.delete(task_id, person.owner, receipt)

    def delete_with_access(self, person: Person, task_id: UUID) -> bool:
        """Revoke the task's token unless another task or service uses it, then remove the task.

        True if there is no access left. The token comes first, so that an unavailable vault leaves both. Raises
        TaskNotFoundError, VaultUnavailableError.
        """
        token_id = self._tasks.find(task_id, person.owner).persistent_token_id
        is_last = token_id is not None and self._tasks.links(person.owner, token_id, 2) == 1
        if token_id is not None and is_last:
            with suppress(TokenNotFoundError):
                is_last = self._vault.revoke(token_id, person.owner)
        self._tasks.delete(task_id, person.owner)
        return is_last
