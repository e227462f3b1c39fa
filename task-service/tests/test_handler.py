"""The context of handlers, on the test's clocks, and their choice by the dispatcher."""

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from memory_attempts import Memory, an_attempt
from memory_journal import MemoryJournal
from scripted_vault import ScriptedVault

from task_service.application.access import AttemptAccess
from task_service.application.errors import TaskStorageUnavailableError, VaultUnavailableError
from task_service.application.handler import VAULT_PATIENCE_SECONDS, HandlerContext, Stop, Stopped, Time
from task_service.application.progress import GROUP_SECONDS, PAUSE_SECONDS, GroupedProgress
from task_service.application.run_attempt import RunAttempt
from task_service.domain.attempt import AttemptKey
from task_service.domain.result import Document


class Clocks:
    """A monotonic clock that pauses move."""

    def __init__(self) -> None:
        self.monotonic = 50.0

    def pause(self, seconds: float) -> None:
        """Advance the clock."""
        self.monotonic += seconds

    def time(self) -> Time:
        """The clocks of a context."""
        return Time(lambda: self.monotonic, self.pause)


class Does:
    """A handler that does what a test says."""

    def __init__(self, work: Callable[[HandlerContext], str | Document]) -> None:
        self._work = work

    def run(self, context: HandlerContext) -> str | Document:
        """Do it."""
        return self._work(context)


def context(vault: ScriptedVault, clocks: Clocks, stop: Callable[[], Stop | None] = lambda: None) -> HandlerContext:
    """The context of a handler."""
    attempt = an_attempt()
    return HandlerContext(
        attempt, GroupedProgress(Memory(attempt)), MemoryJournal(), AttemptAccess(vault), stop, clocks.time()
    )


@given(st.floats(0.0, 30.0))
def test_a_pause_takes_as_long_by_the_monotonic_clock(seconds: float) -> None:
    """Handlers know no other clock: one that is set back does not make a running task stand still."""
    clocks = Clocks()
    started = clocks.monotonic
    context(ScriptedVault(), clocks).wait(seconds)
    assert clocks.monotonic - started == pytest.approx(seconds)


def test_a_pause_ends_as_soon_as_the_attempt_should_stop() -> None:
    """Within a tenth of a second."""
    clocks = Clocks()
    started = clocks.monotonic
    with pytest.raises(Stopped) as stopped:
        context(ScriptedVault(), clocks, lambda: Stop.CANCELLED if clocks.monotonic - started > 2 else None).wait(10)
    assert stopped.value.reason is Stop.CANCELLED
    assert clocks.monotonic - started < 2.2


@pytest.mark.parametrize("ahead", [timedelta(), timedelta(hours=1), timedelta(hours=-1)])
def test_a_token_is_fetched_again_before_it_expires_by_the_monotonic_clock(ahead: timedelta) -> None:
    """Also when the vault's clock and the worker's differ."""
    vault, clocks = ScriptedVault(), Clocks()
    vault.clock_ahead = ahead
    given = context(vault, clocks)
    given.token()
    clocks.pause(200)
    given.token()
    assert vault.tokens_asked == 1
    clocks.pause(80)
    given.token()
    assert vault.tokens_asked == 2


def test_an_unavailable_vault_is_asked_for_a_while() -> None:
    """As often as it says, and no longer than VAULT_PATIENCE_SECONDS."""
    vault, clocks = ScriptedVault(), Clocks()
    vault.script.extend([VaultUnavailableError(5.0)] * 100)
    started = clocks.monotonic
    with pytest.raises(VaultUnavailableError):
        context(vault, clocks).token()
    assert clocks.monotonic - started == pytest.approx(VAULT_PATIENCE_SECONDS)
    assert vault.tokens_asked == VAULT_PATIENCE_SECONDS / 5 + 1


def saying(name: str) -> Callable[[HandlerContext], str]:
    """Work that says who did it, with what."""
    return lambda given: f"{name} with {given.attempt.parameters}"


@pytest.mark.parametrize("kind", ["demo", "other"])
def test_the_kind_chooses_the_handler(kind: str) -> None:
    """And the handler sees the kind's parameters."""
    attempt = an_attempt(kind)
    memory = Memory(attempt)
    handlers = {name: Does(saying(name)) for name in ("demo", "other")}
    run = RunAttempt(memory, GroupedProgress(memory), MemoryJournal(), AttemptAccess(ScriptedVault()), handlers)
    assert run.run(attempt.key, lambda: None) == "completed"
    assert memory.ended == [("completed", f"{kind} with {{'of': '{kind}'}}")]


def test_an_unknown_kind_fails_and_says_which() -> None:
    """No other handler is tried."""
    attempt = an_attempt("quantum")
    memory = Memory(attempt)
    run = RunAttempt(
        memory,
        GroupedProgress(memory),
        MemoryJournal(),
        AttemptAccess(ScriptedVault()),
        {"demo": Does(lambda _: "done")},
    )
    assert run.run(attempt.key, lambda: None) == "unknown_kind"
    assert memory.ended == [("failed", "This worker has no handler for tasks of kind 'quantum'.")]


def test_a_job_of_another_attempt_runs_nothing() -> None:
    """The attempt was taken over, or its task was deleted."""
    memory = Memory(an_attempt())
    run = RunAttempt(
        memory,
        GroupedProgress(memory),
        MemoryJournal(),
        AttemptAccess(ScriptedVault()),
        {"demo": Does(lambda _: "done")},
    )
    assert run.run(AttemptKey(uuid4(), 1), lambda: None) == "not_ours"
    assert memory.ended == []


def test_progress_is_written_in_groups_the_latest_of_each_attempt() -> None:
    """Progress that has not changed is not written again."""
    first, second = an_attempt(), an_attempt()
    memory = Memory(first)
    progress = GroupedProgress(memory)
    for percent in (10, 20, 30):
        assert progress.report(first, percent)
    assert progress.report(second, 50)
    progress.flush()
    progress.flush()
    assert memory.written == [(first.key, 30), (second.key, 50)]


def test_ten_steps_are_a_few_writes_however_long_they_take() -> None:
    """The first is written with its group, later ones after a pause, the last one by the end of the attempt."""
    for seconds in (0.01, 0.6, 1.0):
        attempt, clocks = an_attempt(), Clocks()
        memory = Memory(attempt)
        progress = GroupedProgress(memory, lambda clocks=clocks: clocks.monotonic)  # type: ignore[misc] # its default cannot be inferred
        for step in range(1, 11):
            progress.report(attempt, 10 * step)
            ends = clocks.monotonic + seconds
            while clocks.monotonic < ends:
                clocks.pause(min(GROUP_SECONDS, seconds))
                progress.flush()
        assert memory.written[0] == (attempt.key, 10)
        assert len(memory.written) <= 7, (seconds, memory.written)
        clocks.pause(PAUSE_SECONDS)
        progress.flush()
        assert memory.written[-1] == (attempt.key, 100)


def test_an_attempt_that_was_taken_over_is_told_at_its_next_report() -> None:
    """Once the group has found it out; what has ended is forgotten."""
    attempt = an_attempt()
    memory = Memory(attempt)
    progress = GroupedProgress(memory)
    memory.taken_over = True
    assert progress.report(attempt, 10)
    progress.flush()
    assert not progress.report(attempt, 20)
    progress.forget(attempt.key)
    assert progress.report(attempt, 30)


def test_progress_that_could_not_be_written_is_written_later() -> None:
    """Unless something newer was reported, or the attempt has ended."""
    kept, newer, ended = an_attempt(), an_attempt(), an_attempt()
    memory = Memory(kept)
    progress = GroupedProgress(memory)
    for attempt in (kept, newer, ended):
        progress.report(attempt, 10)
    memory.unavailable = True
    with pytest.raises(TaskStorageUnavailableError):
        progress.flush()
    progress.report(newer, 20)
    progress.forget(ended.key)
    memory.unavailable = False
    progress.flush()
    assert set(memory.written) == {(kept.key, 10), (newer.key, 20)}


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["report", "flush", "forget"]), st.integers(0, 100))))
def test_groups_never_write_what_was_superseded_or_has_ended(steps: list[tuple[int, str, int]]) -> None:
    """Against a plain account."""
    attempts = [an_attempt() for _ in range(3)]
    memory, clocks = Memory(attempts[0]), Clocks()
    progress = GroupedProgress(memory, lambda: clocks.monotonic)
    account: dict[AttemptKey, int] = {}
    for number, act, percent in steps:
        attempt = attempts[number]
        if act == "report":
            assert progress.report(attempt, percent)
            account[attempt.key] = percent
        elif act == "forget":
            progress.forget(attempt.key)
            account.pop(attempt.key, None)
        else:
            memory.written.clear()
            clocks.pause(PAUSE_SECONDS)
            progress.flush()
            assert dict(memory.written) == account
            account.clear()
