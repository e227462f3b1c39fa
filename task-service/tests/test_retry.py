"""Retries (R34): when a failed attempt is followed by another, which errors can pass, and what the owner sees."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from memory_journal import MemoryJournal
from scripted_vault import ScriptedVault

from task_service.adapters.postgres.attempts import PostgresAttempts
from task_service.application.access import AttemptAccess
from task_service.application.errors import HandlerError, TaskError, TokenRefusedError, VaultUnavailableError
from task_service.application.execute import ExecuteTasks
from task_service.application.handler import HandlerContext
from task_service.application.manage import ManageTasks, Person
from task_service.application.progress import GroupedProgress
from task_service.application.run_attempt import RunAttempt, can_pass
from task_service.domain.attempt import MAX_CRASHES, AttemptKey
from task_service.domain.retry import MAX_ATTEMPTS, MAX_BACKOFF_SECONDS, NO_RETRY, RetryPolicy
from task_service.domain.status import TaskStatus, WaitReason
from task_service.domain.task import Policy, TokenStatus

Look = Callable[..., list[tuple[object, ...]]]
POLICY = RetryPolicy(3, 10.0, 15.0)
policies = st.builds(
    lambda attempts, backoff, more: RetryPolicy(attempts, backoff, min(backoff + more, MAX_BACKOFF_SECONDS)),
    st.integers(1, MAX_ATTEMPTS),
    st.floats(0, MAX_BACKOFF_SECONDS),
    st.floats(0, MAX_BACKOFF_SECONDS),
)


@given(policies, st.integers(1, 10_000), st.floats(0, 1), st.floats(0, 1e9))
def test_a_delay_grows_up_to_its_limit(policy: RetryPolicy, failures: int, spread: float, asked: float) -> None:
    """A delay is at least half of the doubled backoff, at most the limit, and never shorter than the requested time."""
    delay = policy.delay(failures, spread)
    assert policy.delay(1, 0.0) == pytest.approx(policy.backoff / 2)
    assert 0 <= delay <= policy.max_backoff
    assert delay >= min(policy.backoff, policy.max_backoff) / 2
    assert policy.delay(failures + 1, spread) >= delay
    assert policy.delay(failures, 1.0) >= delay
    assert max(delay, min(asked, MAX_BACKOFF_SECONDS)) == policy.delay(failures, spread, asked)


@given(policies)
def test_a_run_has_as_many_attempts_as_its_policy_says(policy: RetryPolicy) -> None:
    """The first included."""
    assert sum(policy.allows_another(failures) for failures in range(1, 100)) == policy.max_attempts - 1
    assert not NO_RETRY.allows_another(1)


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (VaultUnavailableError(), True),
        (HandlerError("the API answers 503", can_pass=True), True),
        (ConnectionResetError(), True),
        (TimeoutError(), True),
        (HandlerError("the file does not exist"), False),
        (TokenRefusedError(), False),
        (ZeroDivisionError(), False),
        (FileNotFoundError(), False),
    ],
)
def test_only_what_can_pass_is_retried(error: Exception, passes: bool) -> None:
    """A refused token is not among it."""
    assert can_pass(error) is passes


class Fails:
    """A handler that raises."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def run(self, context: HandlerContext) -> str:
        """Raise it."""
        raise self.error


@pytest.fixture
def queued(manage: ManageTasks, execution: ExecuteTasks, vault: ScriptedVault, alice: Person) -> UUID:
    """A task that may be attempted three times; its first attempt is queued."""
    task = manage.create(alice, "Data Processing", "", Policy(retry=POLICY))
    execution.link(alice, task.id, vault.knows(alice.owner, TokenStatus.ACTIVE))
    execution.execute(alice, task.id)
    return task.id


@pytest.fixture
def attempt(attempts: PostgresAttempts, vault: ScriptedVault) -> Callable[[UUID, int, Exception], str]:
    """Makes an attempt whose handler fails; an unexpected error counts as its outcome."""

    def make(task_id: UUID, fence: int, error: Exception) -> str:
        run = RunAttempt(
            attempts,
            GroupedProgress(attempts),
            MemoryJournal(),
            AttemptAccess(vault),
            {"demo": Fails(error)},
            spread=lambda: 1.0,
        )
        try:
            return run.run(AttemptKey(task_id, fence), lambda: None)
        except (ArithmeticError, OSError):
            return "unexpected"

    return make


@pytest.fixture
def pass_time(look: Look) -> Callable[[float], object]:
    """Lets seconds pass for all runs that wait."""
    return lambda seconds: look(
        "update runs set next_attempt_at = next_attempt_at - make_interval(secs => %s),"
        " waiting_since = waiting_since - make_interval(secs => %s) where next_attempt_at is not null returning 1",
        seconds,
        seconds,
    )


def test_a_run_waits_longer_from_attempt_to_attempt_and_then_fails(
    queued: UUID,
    attempt: Callable[[UUID, int, Exception], str],
    attempts: PostgresAttempts,
    manage: ManageTasks,
    alice: Person,
    look: Look,
    pass_time: Callable[[float], object],
) -> None:
    """Three attempts, 10 s and 15 s apart; while it waits, the owner sees why and until when."""
    error = HandlerError("The API answers 503.", can_pass=True)
    for fence, delay in ((1, 10), (2, 15)):
        assert attempt(queued, fence, error) == "retrying"
        task = manage.find(alice, queued)
        run = task.latest_run
        assert (task.status, run.wait_reason, run.reason) == (TaskStatus.WAITING, WaitReason.RETRY, str(error))
        assert (run.error, run.completed_at, run.progress) == (None, None, None)
        ((waiting,),) = look("select next_attempt_at - waiting_since from runs")
        assert waiting == timedelta(seconds=delay)
        assert run.next_attempt_at is not None
        pass_time(delay - 5)
        assert attempts.queue_retries(10) == 0
        pass_time(5)
        assert attempts.queue_retries(10) == 1
        assert attempts.queue_retries(10) == 0
        again = manage.find(alice, queued)
        assert (again.status, again.latest_run.reason, again.latest_run.next_attempt_at) == (
            TaskStatus.QUEUED,
            None,
            None,
        )
    assert attempt(queued, 3, error) == "failed"
    task = manage.find(alice, queued)
    assert (task.status, task.latest_run.error, task.latest_run.number) == (TaskStatus.FAILED, str(error), 1)
    assert look("select fence, outcome, error from attempts order by fence") == [
        (fence, "failed", str(error)) for fence in (1, 2, 3)
    ]


@pytest.mark.parametrize("error", [TokenRefusedError(), HandlerError("no such file"), ZeroDivisionError()])
def test_what_cannot_pass_fails_at_once(
    queued: UUID,
    attempt: Callable[[UUID, int, Exception], str],
    manage: ManageTasks,
    alice: Person,
    error: Exception,
) -> None:
    """Although the policy would allow more."""
    assert attempt(queued, 1, error) in {"token_failed", "failed", "unexpected"}
    assert manage.find(alice, queued).status is TaskStatus.FAILED


def test_an_unexpected_connection_error_is_retried_without_its_words(
    queued: UUID, attempt: Callable[[UUID, int, Exception], str], manage: ManageTasks, alice: Person
) -> None:
    """The error's text may contain a secret."""
    assert attempt(queued, 1, ConnectionResetError("https://user:secret@host")) == "unexpected"
    task = manage.find(alice, queued)
    assert (task.status, task.latest_run.reason) == (TaskStatus.WAITING, "The task failed unexpectedly.")


def test_an_unavailable_vault_is_retried_when_it_says(
    queued: UUID, run_demo: RunAttempt, vault: ScriptedVault, look: Look
) -> None:
    """The vault's Retry-After is longer than the backoff."""
    vault.script.append(VaultUnavailableError(90.0))
    assert run_demo.run(AttemptKey(queued, 1), lambda: None) == "retrying"
    assert look("select next_attempt_at - waiting_since from runs") == [(timedelta(seconds=90),)]


@pytest.mark.parametrize("hours", [-1, -24])
def test_a_clock_that_is_set_back_keeps_no_run_waiting(
    queued: UUID, attempt: Callable[[UUID, int, Exception], str], attempts: PostgresAttempts, look: Look, hours: int
) -> None:
    """The run has waited since a time that lies ahead: it is retried at once."""
    attempt(queued, 1, TimeoutError())
    assert attempts.queue_retries(10) == 0
    look(
        "update runs set next_attempt_at = next_attempt_at - make_interval(hours => %s),"
        " waiting_since = waiting_since - make_interval(hours => %s) returning 1",
        hours,
        hours,
    )
    assert attempts.queue_retries(10) == 1


def test_shutdowns_and_crashes_use_up_no_retries(
    queued: UUID, attempt: Callable[[UUID, int, Exception], str], attempts: PostgresAttempts, look: Look
) -> None:
    """Shutdowns and crashes have their own limit, which a policy with more attempts does not raise."""
    first = attempts.begin(AttemptKey(queued, 1))
    assert first is not None
    assert attempts.give_back(first)
    for fence in range(2, MAX_CRASHES + 1):
        assert attempts.begin(AttemptKey(queued, fence)) is not None
        assert attempts.replace_crashed(AttemptKey(queued, fence))
    assert look("select failures, crashes from runs") == [(0, MAX_CRASHES - 1)]
    assert attempt(queued, MAX_CRASHES + 1, TimeoutError()) == "unexpected"
    assert look("select status, failures, crashes from runs") == [("waiting", 1, MAX_CRASHES - 1)]


def test_two_workers_that_look_at_once_queue_each_run_once(
    manage: ManageTasks,
    execution: ExecuteTasks,
    vault: ScriptedVault,
    alice: Person,
    attempts: PostgresAttempts,
    look: Look,
) -> None:
    """One job and one attempt more for each."""
    for _ in range(20):
        task = manage.create(alice, "a", "", Policy(retry=POLICY))
        execution.link(alice, task.id, vault.knows(alice.owner, TokenStatus.ACTIVE))
        execution.execute(alice, task.id)
        begun = attempts.begin(AttemptKey(task.id, 1))
        assert begun is not None
        attempts.retry(begun, "later", 0.0)
    look("delete from procrastinate_jobs returning 1")
    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(attempts.queue_retries, [100] * 4)) == 20
    assert look("select count(*), count(distinct task_id) from attempts where fence = 2") == [(20, 20)]
    assert look("select count(*) from procrastinate_jobs") == [(20,)]


def test_an_error_of_the_task_says_itself_whether_it_can_pass() -> None:
    """No is the default; the message is what is shown."""
    assert (str(HandlerError()), HandlerError().can_pass) == ("The work failed.", False)
    error: TaskError = HandlerError("words", can_pass=True)
    assert str(error) == "words"
