"""What owners do with their tasks: create, look, link a token, execute, delete."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from task_service.application.errors import TokenNotFoundError, VaultUnavailableError
from task_service.application.ports import Link, OwnersVault, Tasks
from task_service.domain.task import EXECUTABLE, Subject, Task, TokenStatus


class Answer(enum.StrEnum):
    """The four answers of `execute`."""

    NEEDS_CONSENT = "needs_consent"
    WAITING_CONSENT = "waiting_consent"
    EXECUTING = "executing"
    TOKEN_FAILED = "token_failed"  # noqa: S105 - an answer, not a password


MESSAGES = {
    Answer.NEEDS_CONSENT: "Task needs offline token. Please request consent first.",
    Answer.WAITING_CONSENT: "Waiting for user to grant consent",
    Answer.EXECUTING: "Task is now running",
    Answer.TOKEN_FAILED: "Token request failed. Please try again.",
}


@dataclass(frozen=True, slots=True)
class Caller:
    """The person who calls, with the access token that came with the request. It is passed on to the vault only."""

    owner: Subject
    bearer: str

    def __repr__(self) -> str:
        return f"Caller({self.owner})"


@dataclass(frozen=True, slots=True)
class Execution:
    """What became of a wish to execute."""

    answer: Answer
    task_id: UUID
    persistent_token_id: UUID | None


class ManageTasks:
    """The owner's side. Another person's task looks exactly like one that does not exist."""

    def __init__(self, tasks: Tasks, vault: OwnersVault) -> None:
        self._tasks = tasks
        self._vault = vault

    def create(self, caller: Caller, name: str, description: str) -> Task:
        """A new task, pending."""
        return self._tasks.add(caller.owner, name, description)

    def version(self, caller: Caller) -> int:
        """A number that grows whenever something in the list changes; token statuses are brought up to date first."""
        self._refresh_token_statuses(caller)
        return self._tasks.version(caller.owner)

    def all(self, caller: Caller) -> Sequence[Task]:
        """The caller's tasks, newest first."""
        return self._tasks.of_owner(caller.owner)

    def find(self, caller: Caller, task_id: UUID) -> Task:
        """One task. Raises TaskNotFoundError."""
        self._refresh_token_statuses(caller)
        return self._tasks.find(task_id, caller.owner)

    def delete(self, caller: Caller, task_id: UUID) -> None:
        """Remove a task; a running one stops at its next step. Raises TaskNotFoundError."""
        self._tasks.delete(task_id, caller.owner)

    def link(self, caller: Caller, task_id: UUID, persistent_token_id: UUID) -> Task:
        """Keep a token's id with the task, once the vault has confirmed whose it is. Idempotent.

        Raises TaskNotFoundError, TokenNotFoundError, TaskNotLinkableError, VaultUnavailableError.
        """
        self._tasks.find(task_id, caller.owner)
        return self._tasks.link(task_id, caller.owner, self._vault.link(persistent_token_id, caller.bearer))

    def execute(self, caller: Caller, task_id: UUID) -> Execution:
        """Queue an attempt if the task's token is active; else say what is missing.

        Raises TaskNotFoundError, TaskNotExecutableError, VaultUnavailableError.
        """
        task = self._tasks.find(task_id, caller.owner)
        if task.status not in EXECUTABLE:
            self._tasks.enqueue(task_id, caller.owner)  # says why not; or it has become executable just now
            return Execution(Answer.EXECUTING, task_id, task.persistent_token_id)
        link = self._link_of(caller, task)
        if link is None:
            return Execution(Answer.NEEDS_CONSENT, task_id, None)
        self._tasks.link(task_id, caller.owner, link)
        if link.status is TokenStatus.ACTIVE:
            self._tasks.enqueue(task_id, caller.owner)
            return Execution(Answer.EXECUTING, task_id, link.persistent_token_id)
        waiting = link.status is TokenStatus.PENDING
        return Execution(Answer.WAITING_CONSENT if waiting else Answer.TOKEN_FAILED, task_id, link.persistent_token_id)

    def _link_of(self, caller: Caller, task: Task) -> Link | None:
        """The task's token as the vault sees it: the linked one, else the newest that was asked for this task."""
        if task.persistent_token_id is None:
            return next(iter(self._vault.links(caller.bearer, task.id)), None)
        try:
            return self._vault.link(task.persistent_token_id, caller.bearer)
        except TokenNotFoundError:
            return Link(task.persistent_token_id, TokenStatus.FAILED)

    def _refresh_token_statuses(self, caller: Caller) -> None:
        """Bring the statuses up to date when that is due; while the vault is away, the last known ones stand."""
        if not self._tasks.claim_status_check(caller.owner):
            return
        try:
            links = self._vault.links(caller.bearer)
        except VaultUnavailableError:
            return
        self._tasks.set_token_status(caller.owner, {link.persistent_token_id: link.status for link in links})
