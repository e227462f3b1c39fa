"""One action on many tasks (R35): by their ids, or page by page on all that match a filter.

Each task has an outcome of its own: one that fails does not affect the others. Each deed is stored with a receipt under
the caller's key, so that a batch that was cut off can be sent again and does nothing twice.
"""

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from task_service.application.cursors import Cursors
from task_service.application.errors import (
    AlreadyDoneError,
    TaskError,
    TaskNotFoundError,
    TaskStorageUnavailableError,
    TokenNotFoundError,
    VaultUnavailableError,
)
from task_service.application.execute import ExecuteTasks
from task_service.application.manage import ManageTasks, Person
from task_service.application.ports.tasks import TaskListStore
from task_service.application.ports.vault import LinkedGrant, OwnersVault
from task_service.domain.listing import TaskQuery
from task_service.domain.owner import Owner
from task_service.domain.receipt import Receipt
from task_service.domain.status import TaskStatus

MOST = 100
"""Tasks of one request."""


class BatchAction(enum.StrEnum):
    """The actions on many tasks."""

    EXECUTE = "execute"
    CANCEL = "cancel"
    RETRY = "retry"
    DELETE = "delete"
    LINK = "link"


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """The action on each task. reason: of a cancellation; persistent_token_id: what to link, given with `link`."""

    action: BatchAction
    reason: str = ""
    persistent_token_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome for one task. task_id: None for an id that is none; status: a word; error: why there is no status."""

    task_id: UUID | None
    status: str | None = None
    error: TaskError | None = None

    @property
    def is_final(self) -> bool:
        """False when the same action may have another outcome later, because something was unavailable."""
        return not isinstance(self.error, (TaskStorageUnavailableError, VaultUnavailableError))


@dataclass(frozen=True, slots=True)
class BatchStep:
    """The tasks of one step of a batch by filter. remaining: tasks behind it, at most, matching or not."""

    task_ids: Sequence[UUID]
    next_cursor: str | None
    remaining: int


class BatchTasks:
    """Does to many tasks what `ExecuteTasks` and `ManageTasks` do to one."""

    def __init__(
        self,
        tasks: ManageTasks,
        execution: Callable[[OwnersVault], ExecuteTasks],
        vault: OwnersVault,
        listed: TaskListStore,
        cursors: Cursors,
    ) -> None:
        """execution: makes the use case over a vault, which is asked once about each token of a batch."""
        self._tasks = tasks
        self._execution = execution
        self._vault = vault
        self._listed = listed
        self._cursors = cursors

    def select(self, person: Person, query: TaskQuery, limit: int, cursor: str | None) -> BatchStep:
        """The next tasks that match. Raises CursorError, TaskStorageUnavailableError."""
        after = self._cursors.read(person.owner, query, cursor) if cursor else None
        tasks, following = self._listed.page(person.owner, query, limit, after)
        if following is None:
            return BatchStep([task.id for task in tasks], None, 0)
        remaining = self._listed.count_after(person.owner, query.sort, following)
        return BatchStep([task.id for task in tasks], self._cursors.write(person.owner, query, following), remaining)

    def act(
        self, person: Person, wanted: BatchOptions, task_ids: Sequence[UUID | None], receipt: Receipt | None
    ) -> Sequence[Outcome]:
        """Do it to each, in order; an outcome for each. After something is unavailable, nothing more is tried."""
        deed = self._deed(person, wanted)
        known: dict[UUID | None, Outcome] = {}
        unavailable: TaskError | None = None
        for task_id in task_ids:
            if task_id in known:
                continue
            if unavailable is not None:
                known[task_id] = Outcome(task_id, error=unavailable)
                continue
            known[task_id] = outcome = _outcome(task_id, deed, receipt)
            if not outcome.is_final:
                unavailable = outcome.error
        return [known[task_id] for task_id in task_ids]

    def _deed(self, person: Person, wanted: BatchOptions) -> Callable[[UUID, Receipt | None], str]:
        execution = self._execution(AskedOnce(self._vault))

        def cancel(task_id: UUID, _: Receipt | None) -> str:
            execution.cancel(person, task_id, wanted.reason)
            return TaskStatus.CANCELLED.value

        def link(task_id: UUID, _: Receipt | None) -> str:
            if wanted.persistent_token_id is None:
                raise TokenNotFoundError
            execution.link(person, task_id, wanted.persistent_token_id)
            return LINKED

        def delete(task_id: UUID, receipt: Receipt | None) -> str:
            self._tasks.delete(person, task_id, receipt)
            return DELETED

        deeds: Mapping[BatchAction, Callable[[UUID, Receipt | None], str]] = {
            BatchAction.EXECUTE: lambda task_id, receipt: execution.execute(person, task_id, receipt).answer.value,
            BatchAction.RETRY: lambda task_id, receipt: execution.run_again(person, task_id, receipt).answer.value,
            BatchAction.CANCEL: cancel,
            BatchAction.DELETE: delete,
            BatchAction.LINK: link,
        }
        return deeds[wanted.action]


DELETED = "deleted"
LINKED = "linked"


def _outcome(task_id: UUID | None, deed: Callable[[UUID, Receipt | None], str], receipt: Receipt | None) -> Outcome:
    if task_id is None:
        return Outcome(None, error=TaskNotFoundError())
    try:
        return Outcome(task_id, deed(task_id, receipt.of_part(str(task_id), _said) if receipt else None))
    except AlreadyDoneError as done:
        return Outcome(task_id, done.answer.decode())
    except TaskError as error:
        return Outcome(task_id, error=error)


def _said(result: object) -> bytes:
    """The receipt of one task: the word of its outcome."""
    return str(getattr(result, "answer", DELETED)).encode()


class AskedOnce:
    """`OwnersVault` that is asked once about each token. It lives as long as a request."""

    def __init__(self, vault: OwnersVault) -> None:
        self._vault = vault
        self._known: dict[UUID, LinkedGrant | None] = {}

    def grant(self, persistent_token_id: UUID, owner: Owner) -> LinkedGrant:
        """One token of the person."""
        if persistent_token_id not in self._known:
            try:
                self._known[persistent_token_id] = self._vault.grant(persistent_token_id, owner)
            except TokenNotFoundError:
                self._known[persistent_token_id] = None
        found = self._known[persistent_token_id]
        if found is None:
            raise TokenNotFoundError
        return found

    def grants(self, owner: Owner, task_id: UUID | None = None) -> Sequence[LinkedGrant]:
        """The person's tokens, newest first."""
        return self._vault.grants(owner, task_id)

    def revoke(self, persistent_token_id: UUID, owner: Owner) -> bool:
        """Revoke a token of the person."""
        self._known.pop(persistent_token_id, None)
        return self._vault.revoke(persistent_token_id, owner)

    def linked(self, owner: Owner, ids: Sequence[UUID]) -> Sequence[LinkedGrant]:
        """The tokens among these that are the person's."""
        return self._vault.linked(owner, ids)
