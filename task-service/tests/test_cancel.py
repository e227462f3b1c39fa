"""Cancelling a run under way (R33), running a task again, and races with workers and deletions."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from scripted_vault import ScriptedVault

from task_service.adapters.postgres.attempts import PostgresAttempts
from task_service.application.errors import (
    TaskNotCancellableError,
    TaskNotExecutableError,
    TaskNotFoundError,
    TaskNotRepeatableError,
)
from task_service.application.execute import CANCELLED_BY_OWNER, ExecuteAnswer, ExecuteTasks
from task_service.application.manage import ManageTasks, Person
from task_service.application.run_attempt import RunAttempt
from task_service.domain.attempt import AttemptKey
from task_service.domain.status import TaskStatus
from task_service.domain.task import TokenStatus

Look = Callable[..., list[tuple[object, ...]]]


@pytest.fixture
def queued(manage: ManageTasks, execution: ExecuteTasks, vault: ScriptedVault, alice: Person) -> Callable[[], UUID]:
    """Makes tasks whose first attempt is queued."""

    def make() -> UUID:
        task = manage.create(alice, "Data Processing", "")
        execution.link(alice, task.id, vault.knows(alice.owner, TokenStatus.ACTIVE))
        execution.execute(alice, task.id)
        return task.id

    return make


@pytest.mark.parametrize("state", [TaskStatus.QUEUED, TaskStatus.RUNNING, TaskStatus.WAITING])
def test_a_run_under_way_is_cancelled_with_its_reason(
    queued: Callable[[], UUID],
    execution: ExecuteTasks,
    attempts: PostgresAttempts,
    alice: Person,
    look: Look,
    state: TaskStatus,
) -> None:
    """In each state: the queue has no job of the run, no attempt stays open, and no worker can continue it."""
    task_id = queued()
    attempt = attempts.begin(AttemptKey(task_id, 1)) if state is not TaskStatus.QUEUED else None
    if attempt is not None and state is TaskStatus.WAITING:
        assert attempts.retry(attempt, "out of paper", 0.0)
        look("delete from procrastinate_jobs returning 1")  # as the engine does when an attempt has ended
    cancelled = execution.cancel(alice, task_id, "not wanted any more")
    run = cancelled.latest_run
    assert (cancelled.status, run.reason, run.wait_reason, run.next_attempt_at) == (
        TaskStatus.CANCELLED,
        "not wanted any more",
        None,
        None,
    )
    assert run.completed_at is not None
    outcome = "failed" if state is TaskStatus.WAITING else "cancelled"
    assert look("select outcome, ended_at is not null from attempts") == [(outcome, True)]
    assert look("select count(*) from procrastinate_jobs where status = 'todo' and not abort_requested") == [(0,)]
    assert attempts.begin(AttemptKey(task_id, 1)) is None
    assert attempts.queue_retries(10) == 0
    if attempt is not None:
        assert attempts.write_progress([(attempt, 50)]) == {}
        assert not attempts.complete(attempt, "done")
        assert not attempts.fail(attempt, "failed")
        assert not attempts.give_back(attempt)
        assert not attempts.replace_crashed(attempt.key)
    assert attempts.orphans() == []


def test_cancelling_twice_is_once_and_the_first_reason_stays(
    queued: Callable[[], UUID], execution: ExecuteTasks, alice: Person
) -> None:
    """Without a reason it says who did it."""
    task_id = queued()
    first = execution.cancel(alice, task_id)
    assert first.latest_run.reason == CANCELLED_BY_OWNER
    assert execution.cancel(alice, task_id, "another") == first


def test_what_is_not_under_way_cannot_be_cancelled(
    manage: ManageTasks,
    queued: Callable[[], UUID],
    execution: ExecuteTasks,
    run_demo: RunAttempt,
    alice: Person,
    bob: Person,
) -> None:
    """A task that never ran, one that has completed, another person's."""
    pending, completed, hers = manage.create(alice, "a", "").id, queued(), queued()
    run_demo.run(AttemptKey(completed, 1), lambda: None)
    for task_id in (pending, completed):
        with pytest.raises(TaskNotCancellableError):
            execution.cancel(alice, task_id)
    with pytest.raises(TaskNotFoundError):
        execution.cancel(bob, hers)
    assert manage.find(alice, hers).status is TaskStatus.QUEUED


def test_a_cancelled_task_can_be_executed_and_its_old_worker_changes_nothing(
    queued: Callable[[], UUID], manage: ManageTasks, execution: ExecuteTasks, attempts: PostgresAttempts, alice: Person
) -> None:
    """The new run has a new fence, and no reason."""
    task_id = queued()
    old = attempts.begin(AttemptKey(task_id, 1))
    assert old is not None
    execution.cancel(alice, task_id)
    assert execution.execute(alice, task_id).answer is ExecuteAnswer.EXECUTING
    new = attempts.begin(AttemptKey(task_id, 2))
    assert new is not None
    assert not attempts.complete(old, "zombie")
    task = manage.find(alice, task_id)
    assert (task.status, task.latest_run.number, task.latest_run.reason) == (TaskStatus.RUNNING, 2, None)


def test_between_cancel_and_complete_exactly_one_wins(
    queued: Callable[[], UUID],
    manage: ManageTasks,
    execution: ExecuteTasks,
    attempts: PostgresAttempts,
    alice: Person,
    look: Look,
) -> None:
    """Both sides learn who it was, and run and attempt agree."""

    def cancel(task_id: UUID) -> bool:
        try:
            return execution.cancel(alice, task_id).status is TaskStatus.CANCELLED
        except TaskNotCancellableError:
            return False

    with ThreadPoolExecutor(2) as pool:
        for _ in range(30):
            task_id = queued()
            attempt = attempts.begin(AttemptKey(task_id, 1))
            assert attempt is not None
            completing, cancelling = pool.submit(attempts.complete, attempt, "done"), pool.submit(cancel, task_id)
            completed, cancelled = completing.result(), cancelling.result()
            assert completed != cancelled
            assert manage.find(alice, task_id).status is (TaskStatus.COMPLETED if completed else TaskStatus.CANCELLED)
    assert look("select count(*) from attempts a join runs r on r.task_id = a.task_id and a.outcome <> r.status") == [
        (0,)
    ]


@pytest.mark.parametrize("act", ["complete", "give_back", "retry"])
def test_a_deletion_and_a_worker_do_not_block_each_other(
    queued: Callable[[], UUID], manage: ManageTasks, attempts: PostgresAttempts, alice: Person, look: Look, act: str
) -> None:
    """Rows are locked in one order: neither ends with a deadlock, and nothing is left of the task."""

    def end(task_id: UUID) -> None:
        attempt = attempts.begin(AttemptKey(task_id, 1))
        if attempt is not None:
            work: dict[str, Callable[[], object]] = {
                "complete": lambda: attempts.complete(attempt, "done"),
                "give_back": lambda: attempts.give_back(attempt),
                "retry": lambda: (attempts.retry(attempt, "later", 0.0), attempts.queue_retries(10)),
            }
            work[act]()

    with ThreadPoolExecutor(2) as pool:
        for _ in range(30):
            task_id = queued()
            ending, deleting = pool.submit(end, task_id), pool.submit(manage.delete, alice, task_id)
            ending.result()
            deleting.result()
    assert look("select (select count(*) from runs), (select count(*) from attempts)") == [(0, 0)]


@pytest.mark.parametrize("end", [TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED])
def test_a_task_that_has_ended_is_run_again_as_a_new_run(
    queued: Callable[[], UUID],
    manage: ManageTasks,
    execution: ExecuteTasks,
    attempts: PostgresAttempts,
    alice: Person,
    look: Look,
    end: TaskStatus,
) -> None:
    """The earlier one stays as it was; a completed task is not executed by mistake."""
    task_id = queued()
    attempt = attempts.begin(AttemptKey(task_id, 1))
    assert attempt is not None
    ends: dict[TaskStatus, Callable[[], object]] = {
        TaskStatus.COMPLETED: lambda: attempts.complete(attempt, "done"),
        TaskStatus.FAILED: lambda: attempts.fail(attempt, "out of paper"),
        TaskStatus.CANCELLED: lambda: execution.cancel(alice, task_id),
    }
    ends[end]()
    if end is TaskStatus.COMPLETED:
        with pytest.raises(TaskNotExecutableError):
            execution.execute(alice, task_id)
    assert execution.run_again(alice, task_id).answer is ExecuteAnswer.EXECUTING
    run = manage.find(alice, task_id).latest_run
    assert (run.number, run.status, run.result, run.error, run.reason) == (2, TaskStatus.QUEUED, None, None, None)
    assert look("select status from runs where number = 1") == [(end.value,)]
    with pytest.raises(TaskNotRepeatableError):
        execution.run_again(alice, task_id)


def test_a_task_that_never_ran_is_not_run_again(manage: ManageTasks, execution: ExecuteTasks, alice: Person) -> None:
    """Such a task is executed instead."""
    with pytest.raises(TaskNotRepeatableError):
        execution.run_again(alice, manage.create(alice, "a", "").id)


def test_of_twenty_that_race_one_is_run_again(
    queued: Callable[[], UUID], execution: ExecuteTasks, run_demo: RunAttempt, alice: Person, look: Look
) -> None:
    """One new run."""
    task_id = queued()
    run_demo.run(AttemptKey(task_id, 1), lambda: None)

    def run_again(_: int) -> bool:
        try:
            return execution.run_again(alice, task_id).answer is ExecuteAnswer.EXECUTING
        except TaskNotRepeatableError:
            return False

    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(run_again, range(20))) == 1
    assert look("select count(*) from runs") == [(2,)]
