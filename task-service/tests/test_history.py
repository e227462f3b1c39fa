"""A task's history (R32): runs, attempts with the access they used, log lines, and what is cleaned away."""

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from memory_journal import MemoryJournal
from scripted_vault import ScriptedVault

from service_kit.postgres.database import Database
from task_service.adapters.postgres.attempts import PostgresAttempts
from task_service.adapters.postgres.history import MAX_ATTEMPTS_SHOWN, PostgresHistory
from task_service.adapters.postgres.receipts import PostgresReceipts
from task_service.application.access import AttemptAccess
from task_service.application.errors import RunNotFoundError, TaskNotFoundError, TaskStorageUnavailableError
from task_service.application.execute import ExecuteTasks
from task_service.application.handler import HandlerContext
from task_service.application.history import CLEANED_AT_ONCE, CleanHistory, ReadHistory
from task_service.application.journal import GroupedJournal
from task_service.application.manage import ManageTasks, Person
from task_service.application.progress import GroupedProgress
from task_service.application.run_attempt import RunAttempt
from task_service.domain.attempt import Attempt, AttemptKey, AttemptOutcome
from task_service.domain.journal import FULL, MAX_LINES, MAX_MESSAGE, Level, shortened, storable
from task_service.domain.owner import Owner
from task_service.domain.run import Cause
from task_service.domain.status import TaskStatus
from task_service.domain.task import TokenStatus

Look = Callable[..., list[tuple[object, ...]]]
LAST = 2**31 - 1


def an_attempt(task_id: UUID | None = None) -> Attempt:
    """The first attempt of some task."""
    return Attempt(
        key=AttemptKey(task_id or uuid4(), 1),
        run=1,
        owner=Owner("i", "s"),
        task_name="a",
        kind="demo",
        parameters={},
        persistent_token_id=uuid4(),
    )


@pytest.fixture
def history(past: PostgresHistory) -> ReadHistory:
    """The history as its owner reads it."""
    return ReadHistory(past)


@pytest.fixture
def queued(manage: ManageTasks, execution: ExecuteTasks, vault: ScriptedVault, alice: Person) -> UUID:
    """A task whose first attempt is queued."""
    task = manage.create(alice, "Data Processing", "")
    execution.link(alice, task.id, vault.knows(alice.owner, TokenStatus.ACTIVE))
    execution.execute(alice, task.id)
    return task.id


def test_a_run_is_remembered_with_its_attempts_access_and_log(
    queued: UUID,
    manage: ManageTasks,
    history: ReadHistory,
    attempts: PostgresAttempts,
    run_demo: RunAttempt,
    journal: GroupedJournal,
    alice: Person,
) -> None:
    """The ledger: which grant, when a token was fetched, its scopes and end, how it ended, by which request id."""
    first = attempts.begin(AttemptKey(queued, 1))
    assert first is not None
    attempts.give_back(first)
    run_demo.run(AttemptKey(queued, 2), lambda: None)
    journal.flush()
    record = history.run(alice, queued, 1, 0, 100)
    assert (record.run.cause, record.run.run.status, record.run.failures) == (Cause.USER, TaskStatus.COMPLETED, 0)
    second, first_seen = record.attempts
    assert [attempt.outcome for attempt in record.attempts] == [AttemptOutcome.COMPLETED, AttemptOutcome.REQUEUED]
    assert second.persistent_token_id == manage.find(alice, queued).persistent_token_id
    assert second.key.request_id == f"{queued}.2"
    assert second.access is not None
    assert second.access.token is not None
    assert second.access.token.scopes == frozenset({"openid"})
    assert second.access.token.fetched_at < second.access.token.expires_at
    assert first_seen.access is None
    (line,) = record.log
    assert (line.attempt, line.level, line.message) == (2, Level.INFO, "Working on behalf of alice: 10 steps of 0 s.")
    assert abs((datetime.now(UTC) - line.at).total_seconds()) < 60
    assert record.log_next is None


def test_runs_are_listed_page_by_page_the_latest_first(
    queued: UUID, history: ReadHistory, execution: ExecuteTasks, alice: Person
) -> None:
    """Pages meet without gap or overlap, also when a run is added meanwhile."""
    for _ in range(4):
        execution.cancel(alice, queued)
        execution.run_again(alice, queued)
    pages = [[run.run.number for run in history.runs(alice, queued, LAST, 2)]]
    execution.cancel(alice, queued)
    execution.run_again(alice, queued)
    while pages[-1]:
        pages.append([run.run.number for run in history.runs(alice, queued, pages[-1][-1], 2)])
    assert pages == [[5, 4], [3, 2], [1], []]


def test_the_log_is_read_page_by_page(
    queued: UUID, history: ReadHistory, attempts: PostgresAttempts, journal: GroupedJournal, alice: Person
) -> None:
    """In the order in which it was written."""
    attempt = attempts.begin(AttemptKey(queued, 1))
    assert attempt is not None
    for number in range(7):
        journal.log(attempt, Level.DEBUG, f"line {number}")
    journal.flush()
    seen, after = [], 0
    while True:
        record = history.run(alice, queued, 1, after, 3)
        seen.append([line.message for line in record.log])
        if record.log_next is None:
            break
        after = record.log_next
    assert seen == [["line 0", "line 1", "line 2"], ["line 3", "line 4", "line 5"], ["line 6"]]


def test_history_is_its_owners(queued: UUID, history: ReadHistory, alice: Person, bob: Person) -> None:
    """Another person's task does not exist; a run that does not exist is told apart from it."""
    with pytest.raises(TaskNotFoundError):
        history.runs(bob, queued, LAST, 10)
    with pytest.raises(TaskNotFoundError):
        history.run(bob, queued, 1, 0, 10)
    with pytest.raises(RunNotFoundError):
        history.run(alice, queued, 2, 0, 10)


def test_many_attempts_are_cut_to_the_latest(
    queued: UUID, history: ReadHistory, attempts: PostgresAttempts, alice: Person
) -> None:
    """A run that was given back by many deployments."""
    for fence in range(1, MAX_ATTEMPTS_SHOWN + 5):
        attempt = attempts.begin(AttemptKey(queued, fence))
        assert attempt is not None
        attempts.give_back(attempt)
    fences = [attempt.key.fence for attempt in history.run(alice, queued, 1, 0, 10).attempts]
    assert fences == list(range(MAX_ATTEMPTS_SHOWN + 5, 5, -1))


def test_lines_of_a_deleted_task_are_dropped_and_do_not_take_others_with_them(
    queued: UUID,
    manage: ManageTasks,
    history: ReadHistory,
    attempts: PostgresAttempts,
    journal: GroupedJournal,
    alice: Person,
) -> None:
    """One group has lines of both."""
    attempt = attempts.begin(AttemptKey(queued, 1))
    assert attempt is not None
    journal.log(an_attempt(), Level.INFO, "of a task that is gone")
    journal.log(attempt, Level.ERROR, "of one that is there")
    journal.flush()
    assert [line.message for line in history.run(alice, queued, 1, 0, 10).log] == ["of one that is there"]
    manage.delete(alice, queued)
    journal.log(attempt, Level.ERROR, "too late")
    journal.flush()


def test_what_cannot_be_stored_is_replaced(
    queued: UUID,
    manage: ManageTasks,
    history: ReadHistory,
    attempts: PostgresAttempts,
    vault: ScriptedVault,
    alice: Person,
) -> None:
    """NUL and lone surrogates, in log lines and in results: the run completes."""

    class Odd:
        def run(self, context: HandlerContext) -> str:
            context.log("a\x00b\ud800c", Level.WARNING)
            return "r\x00\udfff"

    journal = GroupedJournal(history._store)  # type: ignore[arg-type]
    run = RunAttempt(attempts, GroupedProgress(attempts), journal, AttemptAccess(vault), {"demo": Odd()})
    assert run.run(AttemptKey(queued, 1), lambda: None) == "completed"
    journal.flush()
    assert [line.message for line in history.run(alice, queued, 1, 0, 10).log] == ["a\ufffdb\ufffdc"]
    assert manage.find(alice, queued).latest_run.result == "r\ufffd\ufffd"


@given(st.text(st.characters(exclude_categories=[])))
def test_text_that_can_be_stored_is_kept_to_the_letter(text: str) -> None:
    """The rest becomes U+FFFD, one for each; surrogate pairs become the character that they stand for."""
    stored = storable(text)
    stored.encode()
    assert "\x00" not in stored
    if not any(character == "\x00" or "\ud800" <= character <= "\udfff" for character in text):
        assert stored == text
    assert storable(stored) == stored


@given(st.text(min_size=0, max_size=3 * MAX_MESSAGE))
def test_a_long_line_says_that_it_was_cut(message: str) -> None:
    """And how long it was."""
    short = shortened(message)
    assert len(short) <= MAX_MESSAGE
    assert short == message or f"({len(message)} characters)" in short


def test_the_log_of_an_attempt_is_capped_and_says_so() -> None:
    """One line more than the limit; another attempt has its own count."""
    journal, attempt, other = MemoryJournal(), an_attempt(), an_attempt()
    for number in range(MAX_LINES + 50):
        journal.log(attempt, Level.INFO, str(number))
    journal.log(other, Level.INFO, "other")
    journal.flush()
    assert [line.message for key, line in journal.lines if key == attempt.key] == [
        *map(str, range(MAX_LINES)),
        FULL,
    ]
    assert journal.lines[MAX_LINES][1].level is Level.WARNING
    assert journal.lines[-1][1].message == "other"


def test_a_journal_that_could_not_be_written_is_written_later() -> None:
    """In its order, once."""
    journal, attempt = MemoryJournal(), an_attempt()
    journal.log(attempt, Level.INFO, "first")
    journal.unavailable = True
    with pytest.raises(TaskStorageUnavailableError):
        journal.flush()
    journal.log(attempt, Level.INFO, "second")
    journal.forget(attempt.key)
    journal.unavailable = False
    journal.flush()
    journal.flush()
    assert [line.message for _, line in journal.lines] == ["first", "second"]


def test_old_runs_are_cleaned_away_but_never_the_latest_of_a_task(
    queued: UUID,
    past: PostgresHistory,
    receipts: PostgresReceipts,
    execution: ExecuteTasks,
    attempts: PostgresAttempts,
    journal: GroupedJournal,
    alice: Person,
    look: Look,
) -> None:
    """With attempts and log, after the days that the setting says."""
    for fence in (1, 2, 3):
        attempt = attempts.begin(AttemptKey(queued, fence))
        assert attempt is not None
        journal.log(attempt, Level.INFO, "a line")
        journal.flush()
        execution.cancel(alice, queued)
        if fence < 3:
            execution.run_again(alice, queued)
    look("update runs set completed_at = now() - make_interval(days => 10 * (4 - number)) returning 1")
    assert CleanHistory(past, receipts, 21).clean() == 1
    assert [run.run.number for run in past.runs(queued, alice.owner, LAST, 10)] == [3, 2]
    assert CleanHistory(past, receipts, 1).clean() == 1
    assert look("select (select array_agg(run) from attempts), (select array_agg(run) from run_log)") == [([3], [3])]
    assert CleanHistory(past, receipts, 1).clean() == 0
    assert execution.run_again(alice, queued).task_id == queued


def test_cleaning_goes_on_until_nothing_is_due(
    queued: UUID, past: PostgresHistory, receipts: PostgresReceipts, look: Look
) -> None:
    """In portions."""
    look(
        "insert into runs (task_id, number, issuer, subject, cause, status, fence, completed_at)"
        " select task_id, number + n, issuer, subject, cause, 'completed', fence, now() - interval '9 days'"
        " from runs, generate_series(1, %s) n returning 1",
        2 * CLEANED_AT_ONCE + 1,
    )
    assert CleanHistory(past, receipts, 8).clean() == 2 * CLEANED_AT_ONCE
    assert look("select number from runs order by number") == [(1,), (2 * CLEANED_AT_ONCE + 2,)]


def test_cleaning_costs_little_when_nothing_is_due(queued: UUID, database: Database, look: Look) -> None:
    """The statement goes through an index that has no row which could not be cleaned away one day."""
    with database.connection() as connection:
        query = b"explain select 1 from runs where not latest and completed_at < now() - make_interval(days => 90)"
        plan = "\n".join(row[0] for row in connection.execute(query).fetchall())
    assert "runs_by_age" in plan


def test_the_database_refuses_an_unknown_level(tasks_url: str, queued: UUID) -> None:
    """The domain's levels are the column's."""
    insert = "insert into run_log (task_id, run, fence, at, level, message) values (%s, 1, 1, now(), %s, '')"
    with psycopg.connect(tasks_url, autocommit=True) as connection:
        for level in Level:
            connection.execute(insert, [queued, level.value])
        with pytest.raises(psycopg.errors.CheckViolation):
            connection.execute(insert, [queued, "loud"])
