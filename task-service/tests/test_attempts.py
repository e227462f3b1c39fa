"""Attempts: fenced writes, take-over of the dead, and what handlers can count on."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
from memory_journal import MemoryJournal
from scripted_vault import ScriptedVault

from task_service.adapters.postgres.attempts import PostgresAttempts
from task_service.application.access import AttemptAccess
from task_service.application.errors import TaskStorageUnavailableError, TokenRefusedError, VaultUnavailableError
from task_service.application.execute import ExecuteTasks
from task_service.application.handler import Handler, HandlerContext, Stop, Stopped, Time
from task_service.application.manage import ManageTasks, Person
from task_service.application.ports.vault import OwnerToken
from task_service.application.progress import GroupedProgress
from task_service.application.run_attempt import RunAttempt
from task_service.domain.attempt import MAX_CRASHES, Attempt, AttemptKey
from task_service.domain.status import TaskStatus
from task_service.domain.task import TokenStatus
from task_service.kinds.base import KindSettings, Tools
from task_service.kinds.demo import Demo
from task_service.kinds.registry import HereHandler

Look = Callable[..., list[tuple[object, ...]]]


@pytest.fixture
def queued(manage: ManageTasks, execution: ExecuteTasks, vault: ScriptedVault, alice: Person) -> UUID:
    """A task whose first attempt is queued."""
    task = manage.create(alice, "Data Processing", "")
    execution.link(alice, task.id, vault.knows(alice.owner, TokenStatus.ACTIVE))
    execution.execute(alice, task.id)
    return task.id


class UserinfoOf:
    """`application.ports.Identity`."""

    def __init__(self, sub: str = "alice-sub") -> None:
        self.sub = sub

    def who(self, token: OwnerToken) -> tuple[str, str]:
        """The person that the test names."""
        return self.sub, "alice"


def never() -> Stop | None:
    """The attempt is not to stop."""
    return None


def runner(attempts: PostgresAttempts, vault: ScriptedVault, sub: str = "alice-sub") -> RunAttempt:
    """Runs the demonstration without waiting."""
    return runner_of(
        attempts,
        vault,
        HereHandler(Demo(Tools(userinfo=UserinfoOf(sub), settings=KindSettings(demo_step_seconds=0.0)))),
    )


def runner_of(attempts: PostgresAttempts, vault: ScriptedVault, handler: Handler) -> RunAttempt:
    """Runs tasks of kind `demo` with that handler."""
    return RunAttempt(attempts, GroupedProgress(attempts), MemoryJournal(), AttemptAccess(vault), {"demo": handler})


def test_the_demonstration_completes(
    manage: ManageTasks, alice: Person, attempts: PostgresAttempts, vault: ScriptedVault, queued: UUID, look: Look
) -> None:
    """R12–R14: a token, ten steps, a result."""
    assert runner(attempts, vault).run(AttemptKey(queued, 1), never) == "completed"
    task = manage.find(alice, queued)
    assert (task.status, task.latest_run.progress) == (TaskStatus.COMPLETED, 100)
    assert task.latest_run.result is not None
    assert "on behalf of alice" in task.latest_run.result
    assert "access of" not in task.latest_run.result
    assert task.latest_run.started_at is not None
    assert task.latest_run.completed_at is not None
    assert look("select outcome, started_at is not null, ended_at is not null from attempts") == [
        ("completed", True, True)
    ]


def test_an_attempt_that_completes_removes_its_job_with_the_same_commit(
    attempts: PostgresAttempts, queued: UUID, look: Look
) -> None:
    """The engine need not; an attempt that was taken over leaves the job of the one that follows."""
    first = attempts.begin(AttemptKey(queued, 1))
    assert first is not None
    assert attempts.replace_crashed(AttemptKey(queued, 1))
    jobs = "select id from procrastinate_jobs where id in (select job_id from runs)"
    following = look(jobs)
    assert not attempts.complete(first, "late")
    assert look(jobs) == following != []
    second = attempts.begin(AttemptKey(queued, 2))
    assert second is not None
    transaction = "select (select xmin::text from runs), (select xmin::text from attempts where fence = 2)"
    assert attempts.complete(second, "done")
    assert look(jobs) == []
    ((run, attempt),) = look(transaction)
    assert run == attempt


def test_functions_of_triggers_keep_their_plans(look: Look) -> None:
    """PostgreSQL plans the body of a function in SQL for each call, unless it becomes a part of the statement."""
    unkept = """
        select proname from pg_proc join pg_language l on l.oid = prolang
        where lanname = 'sql' and provolatile <> 'i' and pronamespace = 'public'::regnamespace
          and not starts_with(proname, 'procrastinate')
    """
    assert look(unkept) == []


def test_a_token_of_somebody_else_fails_the_task(
    manage: ManageTasks, alice: Person, attempts: PostgresAttempts, vault: ScriptedVault, queued: UUID
) -> None:
    """The handler proves its token."""
    assert runner(attempts, vault, sub="mallory").run(AttemptKey(queued, 1), never) == "failed"
    assert manage.find(alice, queued).latest_run.error == "The access token belongs to another person."


def test_a_refused_token_fails_task_and_token(
    manage: ManageTasks, alice: Person, attempts: PostgresAttempts, vault: ScriptedVault, queued: UUID
) -> None:
    """R22's words, and the badge."""
    manage.find(alice, queued)  # the vault is asked, and not again for a while
    vault.script.append(TokenRefusedError())
    assert runner(attempts, vault).run(AttemptKey(queued, 1), never) == "token_failed"
    task = manage.find(alice, queued)
    assert (task.status, task.latest_run.error) == (TaskStatus.FAILED, "Token request failed. Please try again.")
    assert task.token_status is TokenStatus.FAILED


def test_a_vault_that_is_away_for_a_moment_is_waited_for(
    attempts: PostgresAttempts, vault: ScriptedVault, queued: UUID
) -> None:
    """The vault's answer allows another request at once."""
    vault.script.extend([VaultUnavailableError(0.01)] * 3)
    assert runner(attempts, vault).run(AttemptKey(queued, 1), never) == "completed"


def test_a_vault_that_stays_away_fails_the_task(
    manage: ManageTasks, alice: Person, attempts: PostgresAttempts, vault: ScriptedVault, queued: UUID
) -> None:
    """The vault's Retry-After is longer than the attempt may wait; the token does not count as failed."""
    vault.script.append(VaultUnavailableError(3600.0))
    assert runner(attempts, vault).run(AttemptKey(queued, 1), never) == "vault_unavailable"
    task = manage.find(alice, queued)
    assert (task.status, task.token_status) == (TaskStatus.FAILED, TokenStatus.ACTIVE)


def test_an_unexpected_error_is_told_without_details(
    manage: ManageTasks, alice: Person, attempts: PostgresAttempts, vault: ScriptedVault, queued: UUID
) -> None:
    """The log has them."""

    class Broken:
        def run(self, context: HandlerContext) -> str:
            raise ZeroDivisionError(context.token().value)

    with pytest.raises(ZeroDivisionError):
        runner_of(attempts, vault, Broken()).run(AttemptKey(queued, 1), never)
    assert manage.find(alice, queued).latest_run.error == "The task failed unexpectedly."


def test_a_database_that_is_away_fails_no_task(
    manage: ManageTasks, alice: Person, attempts: PostgresAttempts, vault: ScriptedVault, queued: UUID, look: Look
) -> None:
    """Progress that could not be written is no fault of the task's: it is attempted again."""

    class Unlucky:
        def run(self, context: HandlerContext) -> str:
            raise TaskStorageUnavailableError

    with pytest.raises(TaskStorageUnavailableError):
        runner_of(attempts, vault, Unlucky()).run(AttemptKey(queued, 1), never)
    assert manage.find(alice, queued).status is TaskStatus.RUNNING
    look("delete from procrastinate_jobs returning 1")  # as the engine does when an attempt ends with an error
    assert attempts.orphans() == [AttemptKey(queued, 1)]
    assert attempts.replace_crashed(AttemptKey(queued, 1))
    assert runner(attempts, vault).run(AttemptKey(queued, 2), never) == "completed"


def test_a_shutdown_gives_the_attempt_back(
    manage: ManageTasks, alice: Person, attempts: PostgresAttempts, vault: ScriptedVault, queued: UUID, look: Look
) -> None:
    """A new fence, a new job; no crash is counted."""
    assert runner(attempts, vault).run(AttemptKey(queued, 1), lambda: Stop.SHUTDOWN) == "requeued"
    assert manage.find(alice, queued).status is TaskStatus.QUEUED
    assert look("select fence, crashes from runs") == [(2, 0)]
    assert look("select fence, outcome from attempts order by fence") == [(1, "requeued"), (2, None)]
    assert runner(attempts, vault).run(AttemptKey(queued, 2), never) == "completed"


def test_an_old_fence_changes_nothing(
    manage: ManageTasks, alice: Person, attempts: PostgresAttempts, queued: UUID
) -> None:
    """A frozen worker that wakes up finds that another has taken over."""
    frozen = attempts.begin(AttemptKey(queued, 1))
    assert frozen is not None
    assert attempts.replace_crashed(AttemptKey(queued, 1))
    current = attempts.begin(AttemptKey(queued, 2))
    assert current is not None
    assert attempts.write_progress([(frozen, 90)]) == {}
    assert not attempts.complete(frozen, "zombie")
    assert not attempts.fail(frozen, "zombie")
    assert not attempts.give_back(frozen)
    assert not attempts.replace_crashed(AttemptKey(queued, 1))
    assert attempts.begin(AttemptKey(queued, 1)) is None
    assert attempts.write_progress([(current, 10)]) == {current.key: True}
    assert manage.find(alice, queued).latest_run.progress == 10


def test_after_too_many_crashes_the_task_fails(
    manage: ManageTasks, alice: Person, attempts: PostgresAttempts, queued: UUID
) -> None:
    """A task that kills its worker is not attempted without end."""
    for fence in range(1, MAX_CRASHES + 1):
        attempts.begin(AttemptKey(queued, fence))
        assert attempts.replace_crashed(AttemptKey(queued, fence))
    task = manage.find(alice, queued)
    assert task.status is TaskStatus.FAILED
    assert task.latest_run.error == f"The worker died {MAX_CRASHES} times while it ran this task."


def test_a_task_whose_job_is_gone_is_not_forgotten(
    manage: ManageTasks, alice: Person, attempts: PostgresAttempts, vault: ScriptedVault, queued: UUID, look: Look
) -> None:
    """The worker could not store the failure. The sweep finds the task, once."""
    attempts.begin(AttemptKey(queued, 1))
    assert attempts.orphans() == []
    look("delete from procrastinate_jobs returning 1")
    assert attempts.orphans() == [AttemptKey(queued, 1)]
    assert attempts.replace_crashed(AttemptKey(queued, 1))
    assert attempts.orphans() == []
    assert runner(attempts, vault).run(AttemptKey(queued, 2), never) == "completed"
    assert attempts.orphans() == []
    assert manage.find(alice, queued).status is TaskStatus.COMPLETED


def test_a_token_is_fetched_again_when_it_is_about_to_expire(
    attempts: PostgresAttempts, vault: ScriptedVault, queued: UUID
) -> None:
    """And kept while it is good."""
    attempt = attempts.begin(AttemptKey(queued, 1))
    assert attempt is not None
    context = make_context(attempt, attempts, vault)
    asked = vault.tokens_asked
    context.token()
    context.token()
    assert vault.tokens_asked == asked + 1
    vault.lifetime = timedelta(seconds=5)
    short = make_context(attempt, attempts, vault)
    short.token()
    short.token()
    assert vault.tokens_asked == asked + 3


def test_a_cancelled_attempt_stops_at_its_next_step(
    attempts: PostgresAttempts, vault: ScriptedVault, queued: UUID
) -> None:
    """A waiting attempt stops, too."""
    attempt = attempts.begin(AttemptKey(queued, 1))
    assert attempt is not None
    with pytest.raises(Stopped):
        make_context(attempt, attempts, vault, Stop.CANCELLED).wait(10)


def test_an_attempt_that_was_taken_over_stops_after_the_next_group_of_progress(
    attempts: PostgresAttempts, vault: ScriptedVault, queued: UUID
) -> None:
    """The group finds that the attempt is not this worker's any more."""
    attempt = attempts.begin(AttemptKey(queued, 1))
    assert attempt is not None
    progress = GroupedProgress(attempts)
    context = HandlerContext(attempt, progress, MemoryJournal(), AttemptAccess(vault), never)
    context.progress(10)
    attempts.replace_crashed(attempt.key)
    progress.flush()
    with pytest.raises(Stopped):
        context.progress(50)


def test_the_idempotency_key_is_one_for_all_attempts_of_a_run(attempts: PostgresAttempts, queued: UUID) -> None:
    """For handlers that call others: a worker that takes over sends the key of the one that died."""
    first = attempts.begin(AttemptKey(queued, 1))
    assert attempts.replace_crashed(AttemptKey(queued, 1))
    second = attempts.begin(AttemptKey(queued, 2))
    assert first is not None
    assert second is not None
    assert first.idempotency_key == second.idempotency_key == f"{queued}:1"


def make_context(
    attempt: Attempt, attempts: PostgresAttempts, vault: ScriptedVault, stop: Stop | None = None
) -> HandlerContext:
    """The context of a handler; its pauses take no time."""
    return HandlerContext(
        attempt,
        GroupedProgress(attempts),
        MemoryJournal(),
        AttemptAccess(vault),
        lambda: stop,
        Time(pause=lambda _: None),
    )
