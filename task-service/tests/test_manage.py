"""Owners create, read, list and delete tasks, on a real database."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from uuid import UUID, uuid4

import pytest
from scripted_vault import ScriptedVault

from service_kit.postgres.database import Database
from task_service.adapters.engine import jobs
from task_service.adapters.postgres.attempts import PostgresAttempts
from task_service.adapters.postgres.runs import PostgresRuns
from task_service.application.errors import (
    TaskNotExecutableError,
    TaskNotFoundError,
    TaskNotLinkableError,
    TokenNotFoundError,
    VaultUnavailableError,
)
from task_service.application.execute import ExecuteAnswer, ExecuteTasks
from task_service.application.listing import ListTasks
from task_service.application.manage import ManageTasks, Person
from task_service.domain.attempt import AttemptKey
from task_service.domain.run import Cause
from task_service.domain.status import TaskStatus
from task_service.domain.task import TokenStatus, parse_id, public_id

Look = Callable[..., list[tuple[object, ...]]]


def linked(manage: ManageTasks, execution: ExecuteTasks, vault: ScriptedVault, caller: Person) -> UUID:
    """A task with an active token."""
    task = manage.create(caller, "Data Processing", "")
    execution.link(caller, task.id, vault.knows(caller.owner, TokenStatus.ACTIVE))
    return task.id


def test_a_new_task_is_pending_and_its_owners(manage: ManageTasks, alice: Person) -> None:
    """R2, R3: without a token and without a run."""
    first = manage.create(alice, "first", "words")
    assert manage.find(alice, first.id) == first
    assert (first.status, first.token_status, first.latest_run.progress) == (TaskStatus.PENDING, None, None)


@pytest.mark.parametrize("act", ["find", "delete", "execute", "link"])
def test_another_persons_task_does_not_exist(
    manage: ManageTasks, execution: ExecuteTasks, vault: ScriptedVault, alice: Person, bob: Person, act: str
) -> None:
    """404 for every call, and nothing happens to it."""
    task = manage.create(alice, "hers", "")
    token_id = vault.knows(bob.owner, TokenStatus.ACTIVE)
    calls: dict[str, Callable[[], object]] = {
        "find": lambda: manage.find(bob, task.id),
        "delete": lambda: manage.delete(bob, task.id),
        "execute": lambda: execution.execute(bob, task.id),
        "link": lambda: execution.link(bob, task.id, token_id),
    }
    with pytest.raises(TaskNotFoundError):
        calls[act]()
    assert manage.find(alice, task.id) == task


def test_only_ones_own_token_can_be_linked(
    manage: ManageTasks, execution: ExecuteTasks, vault: ScriptedVault, alice: Person, bob: Person
) -> None:
    """The vault says whose it is."""
    task = manage.create(alice, "a", "")
    with pytest.raises(TokenNotFoundError):
        execution.link(alice, task.id, vault.knows(bob.owner, TokenStatus.ACTIVE))
    assert manage.find(alice, task.id).persistent_token_id is None


def test_linking_is_idempotent_and_takes_the_vaults_status(
    manage: ManageTasks, execution: ExecuteTasks, vault: ScriptedVault, alice: Person
) -> None:
    """Pending before the consent, active after it."""
    task = manage.create(alice, "a", "")
    token_id = vault.knows(alice.owner, TokenStatus.PENDING)
    for status in (TokenStatus.PENDING, TokenStatus.ACTIVE, TokenStatus.ACTIVE):
        vault.says(alice.owner, token_id, status)
        assert execution.link(alice, task.id, token_id).token_status is status


@pytest.mark.parametrize(
    ("status", "answer", "state"),
    [
        (None, ExecuteAnswer.NEEDS_CONSENT, TaskStatus.PENDING),
        (TokenStatus.PENDING, ExecuteAnswer.WAITING_CONSENT, TaskStatus.PENDING),
        (TokenStatus.FAILED, ExecuteAnswer.TOKEN_FAILED, TaskStatus.PENDING),
        (TokenStatus.ACTIVE, ExecuteAnswer.EXECUTING, TaskStatus.QUEUED),
    ],
)
@pytest.mark.parametrize("how", ["linked", "asked for the task"])
def test_the_four_answers(
    manage: ManageTasks,
    execution: ExecuteTasks,
    vault: ScriptedVault,
    alice: Person,
    status: TokenStatus | None,
    answer: ExecuteAnswer,
    state: TaskStatus,
    how: str,
) -> None:
    """R6; also when nothing was linked but the consent was asked for this very task."""
    task = manage.create(alice, "a", "")
    vault.knows(alice.owner, TokenStatus.ACTIVE, uuid4())
    token_id = None
    if status is not None:
        token_id = vault.knows(alice.owner, status, task.id)
        if how == "linked":
            execution.link(alice, task.id, token_id)
    outcome = execution.execute(alice, task.id)
    assert (outcome.answer, outcome.persistent_token_id) == (answer, token_id)
    assert manage.find(alice, task.id).status is state
    assert manage.find(alice, task.id).token_status is status


def test_a_linked_token_that_the_vault_forgot_has_failed(
    manage: ManageTasks, execution: ExecuteTasks, vault: ScriptedVault, alice: Person
) -> None:
    """As a revoked one."""
    task_id = linked(manage, execution, vault, alice)
    vault._grants.clear()
    assert execution.execute(alice, task_id).answer is ExecuteAnswer.TOKEN_FAILED


def test_a_vault_that_is_away_changes_nothing(
    manage: ManageTasks, listing: ListTasks, execution: ExecuteTasks, vault: ScriptedVault, alice: Person, look: Look
) -> None:
    """Operations that need the vault answer 503; the list shows the last known status."""
    task_id = linked(manage, execution, vault, alice)
    vault.unavailable = True
    look("update owners set token_checked_at = 'epoch' returning 1")
    with pytest.raises(VaultUnavailableError):
        execution.execute(alice, task_id)
    assert listing.version(alice)
    assert manage.find(alice, task_id).token_status is TokenStatus.ACTIVE
    assert look("select count(*) from procrastinate_jobs") == [(0,)]


def test_of_twenty_that_race_one_executes(
    manage: ManageTasks, execution: ExecuteTasks, vault: ScriptedVault, alice: Person, look: Look
) -> None:
    """One attempt, one job, nineteen conflicts."""
    task_id = linked(manage, execution, vault, alice)

    def execute(_: int) -> bool:
        try:
            return execution.execute(alice, task_id).answer is ExecuteAnswer.EXECUTING
        except (TaskNotExecutableError, TaskNotLinkableError):
            return False

    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(execute, range(20))) == 1
    assert look("select count(*) from procrastinate_jobs") == [(1,)]
    assert look("select fence from attempts") == [(1,)]


def test_a_deletion_against_a_run_or_an_execution_leaves_nothing_behind(
    manage: ManageTasks,
    execution: ExecuteTasks,
    vault: ScriptedVault,
    attempts: PostgresAttempts,
    alice: Person,
    look: Look,
) -> None:
    """In either order: no run without a task, no job without a run, and the worker notices the deletion."""

    def execute(task_id: UUID) -> None:
        with suppress(TaskNotFoundError):
            execution.execute(alice, task_id)

    def work(task_id: UUID) -> None:
        attempt = attempts.begin(AttemptKey(task_id, 1))
        jobs = look("select job_id from runs where task_id = %s", task_id)
        if attempt is not None and attempts.give_back(attempt):
            look("delete from procrastinate_jobs where id = %s returning 1", *jobs[0])  # the engine ends the one it ran

    with ThreadPoolExecutor(2) as pool:
        for number in range(30):
            task_id = linked(manage, execution, vault, alice)
            if number % 2:
                execution.execute(alice, task_id)
            other = pool.submit(work if number % 2 else execute, task_id)
            manage.delete(alice, task_id)
            other.result()
            assert attempts.begin(AttemptKey(task_id, 2)) is None
    for table in ("tasks", "runs", "attempts", "procrastinate_jobs", "unstarted_tasks"):
        assert look(f"select count(*) from {table}") == [(0,)], table


def test_a_failed_task_can_be_executed_again_and_forgets_its_failure(
    manage: ManageTasks, execution: ExecuteTasks, vault: ScriptedVault, alice: Person, attempts: PostgresAttempts
) -> None:
    """Error, result and progress are cleared; a completed one stays as it is."""
    task_id = linked(manage, execution, vault, alice)
    execution.execute(alice, task_id)
    attempt = attempts.begin(AttemptKey(task_id, 1))
    assert attempt is not None
    assert attempts.fail(attempt, "out of paper")
    assert manage.find(alice, task_id).latest_run.error == "out of paper"
    execution.execute(alice, task_id)
    again = manage.find(alice, task_id)
    assert (again.status, again.latest_run.error, again.latest_run.progress, again.latest_run.started_at) == (
        TaskStatus.QUEUED,
        None,
        None,
        None,
    )
    second = attempts.begin(AttemptKey(task_id, 2))
    assert second is not None
    assert attempts.complete(second, "done")
    with pytest.raises(TaskNotExecutableError):
        execution.execute(alice, task_id)


def test_another_token_cannot_be_linked_while_it_runs(
    manage: ManageTasks, execution: ExecuteTasks, vault: ScriptedVault, alice: Person
) -> None:
    """The same one can."""
    task_id = linked(manage, execution, vault, alice)
    execution.execute(alice, task_id)
    with pytest.raises(TaskNotLinkableError):
        execution.link(alice, task_id, vault.knows(alice.owner, TokenStatus.ACTIVE))
    same = manage.find(alice, task_id).persistent_token_id
    assert same is not None
    assert execution.link(alice, task_id, same).status is TaskStatus.QUEUED


def test_a_running_task_can_be_deleted(
    manage: ManageTasks,
    execution: ExecuteTasks,
    vault: ScriptedVault,
    alice: Person,
    attempts: PostgresAttempts,
    look: Look,
) -> None:
    """The task's worker finds that the attempt has ended."""
    task_id = linked(manage, execution, vault, alice)
    execution.execute(alice, task_id)
    attempt = attempts.begin(AttemptKey(task_id, 1))
    assert attempt is not None
    manage.delete(alice, task_id)
    assert not attempts.write_progress([(attempt, 10)])
    assert not attempts.complete(attempt, "done")
    assert look("select count(*) from attempts") == [(0,)]


def test_the_version_grows_with_each_change_and_only_then(
    manage: ManageTasks, listing: ListTasks, execution: ExecuteTasks, vault: ScriptedVault, alice: Person, bob: Person
) -> None:
    """The ETag of the list is made of the version; other owners' tasks do not count."""
    assert listing.version(alice) == "0-"
    task_id = linked(manage, execution, vault, alice)
    before = listing.version(alice)
    manage.create(bob, "his", "")
    assert listing.version(alice) == before
    execution.execute(alice, task_id)
    assert listing.version(alice) != before


def test_enqueueing_is_all_or_nothing(
    manage: ManageTasks,
    execution: ExecuteTasks,
    vault: ScriptedVault,
    alice: Person,
    database: Database,
    look: Look,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No task that is queued without a job, no job without a task."""
    task_id = linked(manage, execution, vault, alice)

    def broken(*_: object) -> int:
        raise RuntimeError("in the middle")

    monkeypatch.setattr(jobs, "enqueue", broken)
    with pytest.raises(RuntimeError):
        PostgresRuns(database).enqueue(task_id, alice.owner, Cause.USER)
    assert manage.find(alice, task_id).status is TaskStatus.PENDING
    assert look(
        "select (select count(*) from runs), (select count(*) from attempts), (select count(*) from procrastinate_jobs)"
    ) == [(0, 0, 0)]


def test_public_ids() -> None:
    """`task-` and a UUID in its one spelling."""
    task_id = uuid4()
    assert parse_id(public_id(task_id)) == task_id
    for bad in (str(task_id), f"task-{task_id.hex}", f"TASK-{task_id}", "task-", "task-123", f"task-task-{task_id}"):
        assert parse_id(bad) is None
