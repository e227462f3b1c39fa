"""Linking an offline token to a task, executing the task with it, cancelling: R5, R6, R12 and R33."""

import enum
from collections.abc import Set
from dataclasses import dataclass, replace
from uuid import UUID

from task_service.application.errors import (
    ScheduleNotFoundError,
    TaskNotExecutableError,
    TaskNotRepeatableError,
    TokenNotFoundError,
    VaultUnavailableError,
)
from task_service.application.manage import Person
from task_service.application.ports.tasks import RunQueue, TaskStore
from task_service.application.ports.vault import LinkedGrant, OwnersVault
from task_service.domain.receipt import Receipt
from task_service.domain.run import Cause
from task_service.domain.status import EXECUTABLE, REPEATABLE, UNDER_WAY, TaskStatus
from task_service.domain.task import Task, TokenStatus


class ExecuteAnswer(enum.StrEnum):
    """The four answers of `execute` (R6)."""

    NEEDS_CONSENT = "needs_consent"
    WAITING_CONSENT = "waiting_consent"
    EXECUTING = "executing"
    TOKEN_FAILED = "token_failed"  # noqa: S105 - an answer, not a password


MESSAGES = {
    ExecuteAnswer.NEEDS_CONSENT: "Task needs offline token. Please request consent first.",
    ExecuteAnswer.WAITING_CONSENT: "Waiting for user to grant consent",
    ExecuteAnswer.EXECUTING: "Task is now running",
    ExecuteAnswer.TOKEN_FAILED: "Token request failed. Please try again.",
}
"""The messages that go with them (R22)."""

CANCELLED_BY_OWNER = "Cancelled by its owner."


@dataclass(frozen=True, slots=True)
class Execution:
    """The outcome of a wish to execute."""

    answer: ExecuteAnswer
    task_id: UUID
    persistent_token_id: UUID | None


class ExecuteTasks:
    """Links tokens and makes runs. The vault confirms each time whose token it is and what it is worth."""

    def __init__(self, tasks: TaskStore, runs: RunQueue, vault: OwnersVault) -> None:
        self._tasks = tasks
        self._runs = runs
        self._vault = vault

    def link(self, person: Person, task_id: UUID, persistent_token_id: UUID) -> Task:
        """Store a token's id with the task, once the vault has confirmed that it is the person's. Idempotent.

        Raises TaskNotFoundError, TokenNotFoundError, TaskNotLinkableError, VaultUnavailableError.
        """
        self._tasks.find(task_id, person.owner)
        grant = self._vault.grant(persistent_token_id, person.owner)
        task = self._tasks.link(task_id, person.owner, grant)
        self._revoke_replaced(person, task, grant)
        return task

    def execute(self, person: Person, task_id: UUID, receipt: Receipt | None = None) -> Execution:
        """Queue a run if the task's token is active; else say what is missing.

        Raises TaskNotFoundError, TaskNotExecutableError, TaskNotLinkableError, TooManyOpenTasksError,
        VaultUnavailableError, AlreadyDoneError, KeyReusedError.
        """
        return self._run(person, task_id, EXECUTABLE, receipt)

    def run_scheduled_now(self, person: Person, task_id: UUID) -> Execution:
        """The same for a task with a schedule, in every state in which its schedule could run it.

        Raises what `execute` raises, and ScheduleNotFoundError.
        """
        task = self._tasks.find(task_id, person.owner)
        if task.schedule is None:
            raise ScheduleNotFoundError
        return self._run(person, task_id, frozenset(TaskStatus) - UNDER_WAY, None)

    def run_again(self, person: Person, task_id: UUID, receipt: Receipt | None = None) -> Execution:
        """The same for a task that has ended, completed ones included: a new run.

        Raises TaskNotFoundError, TaskNotRepeatableError, TaskNotLinkableError, TooManyOpenTasksError,
        VaultUnavailableError, AlreadyDoneError, KeyReusedError.
        """
        try:
            return self._run(person, task_id, REPEATABLE, receipt)
        except TaskNotExecutableError as error:
            raise TaskNotRepeatableError from error

    def cancel(self, person: Person, task_id: UUID, reason: str = "") -> Task:
        """Cancel the run under way; a task whose run was cancelled before stays as it is.

        Raises TaskNotFoundError, TaskNotCancellableError.
        """
        self._runs.cancel(task_id, person.owner, reason or CANCELLED_BY_OWNER)
        return self._tasks.find(task_id, person.owner)

    def _run(self, person: Person, task_id: UUID, allowed: Set[TaskStatus], receipt: Receipt | None) -> Execution:
        task = self._tasks.find(task_id, person.owner)
        started = Execution(ExecuteAnswer.EXECUTING, task_id, task.persistent_token_id)
        if task.status not in allowed:  # unless it is by now, or the key stands for its run, this raises
            return self._queue(person, started, allowed, receipt)
        grant = self._grant_of(person, task)
        if grant is None:
            return Execution(ExecuteAnswer.NEEDS_CONSENT, task_id, None)
        if (grant.persistent_token_id, grant.status) != (task.persistent_token_id, task.token_status):
            task = self._tasks.link(task_id, person.owner, grant)
        self._revoke_replaced(person, task, grant)
        if grant.status is TokenStatus.ACTIVE:
            started = replace(started, persistent_token_id=grant.persistent_token_id)
            return self._queue(person, started, allowed, receipt)
        pending = grant.status is TokenStatus.PENDING
        answer = ExecuteAnswer.WAITING_CONSENT if pending else ExecuteAnswer.TOKEN_FAILED
        return Execution(answer, task_id, grant.persistent_token_id)

    def _queue(
        self, person: Person, started: Execution, allowed: Set[TaskStatus], receipt: Receipt | None
    ) -> Execution:
        bound = receipt.answering(started) if receipt else None
        self._runs.enqueue(started.task_id, person.owner, Cause.USER, allowed=allowed, receipt=bound)
        return started

    def _revoke_replaced(self, person: Person, task: Task, grant: LinkedGrant) -> None:
        """Revoke the token of the first consent once the second one for the same task is given.

        It stays if it was not asked for this task, if another task or service uses it, or if it was asked for another
        task too that has no other. While the vault is unavailable it is kept in mind for the next time.
        """
        replaced = task.replaces_token_id
        if replaced is None or grant.status is not TokenStatus.ACTIVE:
            return
        try:
            first = self._vault.grant(replaced, person.owner)
            is_replaced = task.id in first.task_ids and task.id in grant.task_ids
            if is_replaced and self._tasks.links(person.owner, replaced, 1, first.task_ids) == 0:
                self._vault.revoke(replaced, person.owner)
        except TokenNotFoundError:
            pass
        except VaultUnavailableError:
            return
        self._tasks.forget_replaced(task.id, person.owner, replaced)

    def _grant_of(self, person: Person, task: Task) -> LinkedGrant | None:
        """The task's token as the vault sees it: the linked one, else the newest that was requested for this task."""
        if task.persistent_token_id is None:
            return next(iter(self._vault.grants(person.owner, task.id)), None)
        try:
            return self._vault.grant(task.persistent_token_id, person.owner)
        except TokenNotFoundError:
            return LinkedGrant(task.persistent_token_id, TokenStatus.FAILED)
