"""The list at scale: pages, filters, search, order, counts, and what they cost."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scripted_vault import ScriptedVault

from service_kit.postgres.database import Database
from task_service.adapters.postgres.attempts import PostgresAttempts
from task_service.adapters.postgres.database import tasks_database
from task_service.adapters.postgres.history import PostgresHistory
from task_service.adapters.postgres.listing import PostgresTaskList
from task_service.application.cursors import Cursors
from task_service.application.errors import CursorError
from task_service.application.execute import ExecuteTasks
from task_service.application.listing import ListTasks
from task_service.application.manage import ManageTasks, Person
from task_service.domain.attempt import AttemptKey
from task_service.domain.listing import LAST_RUNS, MOST_COUNTED, Position, ScheduleFilter, Sort, Standing, TaskQuery
from task_service.domain.owner import Owner
from task_service.domain.status import STARTS, UNDER_WAY, TaskStatus, can_follow
from task_service.domain.task import TokenStatus

Look = Callable[..., list[tuple[object, ...]]]
EVERYTHING = TaskQuery()
ALICE = Person(Owner("https://issuer.example/realms/demo", "alice-sub"))


@pytest.fixture
def add(look: Look, alice: Person) -> Callable[..., list[UUID]]:
    """Adds tasks of hers at once, the latest run of each in a state (none: pending)."""
    return adder(look, alice)


def adder(look: Look, alice: Person) -> Callable[..., list[UUID]]:
    """`add`, on any database."""

    def make(number: int, state: TaskStatus | None = None, name: str = "n", kind: str = "demo") -> list[UUID]:
        rows = look(
            "with made as (insert into tasks (id, issuer, subject, name, description, kind, last_run, created_at)"
            " select gen_random_uuid(), %s, %s, %s, '', %s, %s, now() + n * interval '1 microsecond'"
            " from generate_series(1, %s) as n returning id) select id from made",
            *(alice.owner.issuer, alice.owner.sub, name, kind, int(state is not None), number),
        )
        ids = [UUID(str(row[0])) for row in rows]
        if state is not None:
            look(
                "insert into runs (task_id, number, issuer, subject, cause, status, wait_reason, fence)"
                " select id, 1, issuer, subject, 'user', %s, %s, 1 from tasks where id = any (%s) returning 1",
                *(state.value, "retry" if state is TaskStatus.WAITING else None, ids),
            )
        return ids

    return make


def pages(listing: ListTasks, person: Person, query: TaskQuery, limit: int) -> Iterator[list[UUID]]:
    """Page after page."""
    cursor = None
    while True:
        page = listing.page(person, query, limit, cursor)
        yield [task.id for task in page.tasks]
        cursor = page.next_cursor
        if cursor is None:
            return


def test_the_list_is_the_owners_and_newest_first(
    manage: ManageTasks, listing: ListTasks, alice: Person, bob: Person
) -> None:
    """R1."""
    first, second = (manage.create(alice, name, "words") for name in ("first", "second"))
    assert listing.page(alice, EVERYTHING, 10).tasks == [second, first]
    assert listing.page(bob, EVERYTHING, 10).tasks == []


@pytest.mark.parametrize("sort", Sort)
@pytest.mark.parametrize("statuses", [frozenset(), frozenset({TaskStatus.PENDING, TaskStatus.FAILED})])
def test_pages_have_each_task_once_and_in_order(
    listing: ListTasks, add: Callable[..., list[UUID]], alice: Person, sort: Sort, statuses: frozenset[TaskStatus]
) -> None:
    """Also where tasks are of the same time or name; a full last page has no cursor."""
    add(5, name="Bee")
    add(5, TaskStatus.FAILED, name="ant")
    query = TaskQuery(sort=sort, statuses=statuses)
    found = list(pages(listing, alice, query, 5 if sort.by_name else 3))
    assert [len(page) for page in found] == ([5, 5] if sort.by_name else [3, 3, 3, 1])
    together = [task_id for page in found for task_id in page]
    assert len(set(together)) == 10
    tasks = listing.page(alice, query, 1000).tasks
    assert [task.id for task in tasks] == together
    keys = [task.name.lower() if sort.by_name else task.created_at for task in tasks]
    assert keys == sorted(keys, reverse=sort.startswith("-"))


def test_each_state_is_a_filter(listing: ListTasks, add: Callable[..., list[UUID]], alice: Person) -> None:
    """Alone, and together with every other; with a second filter too."""
    made = {state: set(add(2, None if state is TaskStatus.PENDING else state)) for state in TaskStatus}
    for state in TaskStatus:
        query = TaskQuery(statuses=frozenset({state}))
        for each in (query, replace(query, kind="demo"), replace(query, sort=Sort.NAME)):
            assert {task.id for task in listing.page(alice, each, 100).tasks} == made[state]
            assert all(task.status is state for task in listing.page(alice, each, 100).tasks)
        assert listing.page(alice, replace(query, kind="other"), 100).tasks == []
    every = listing.page(alice, TaskQuery(statuses=frozenset(TaskStatus)), 100).tasks
    assert {task.id for task in every} == set().union(*made.values())
    assert every == sorted(every, key=lambda task: (task.created_at, task.id), reverse=True)


def test_kind_and_grant_are_filters(
    manage: ManageTasks,
    listing: ListTasks,
    execution: ExecuteTasks,
    vault: ScriptedVault,
    add: Callable[..., list[UUID]],
    alice: Person,
) -> None:
    """The tasks of one grant are those that stop when it is revoked."""
    add(3)
    other = add(2, kind="http")
    token_id = vault.knows(alice.owner, TokenStatus.ACTIVE)
    task = manage.create(alice, "a", "")
    execution.link(alice, task.id, token_id)
    assert {each.id for each in listing.page(alice, TaskQuery(kind="http"), 10).tasks} == set(other)
    assert [each.id for each in listing.page(alice, TaskQuery(persistent_token_id=token_id), 10).tasks] == [task.id]
    assert listing.page(alice, TaskQuery(persistent_token_id=uuid4()), 10).tasks == []


def test_tasks_that_need_consent_are_those_that_nothing_but_an_active_token_keeps_from_running(
    manage: ManageTasks,
    listing: ListTasks,
    execution: ExecuteTasks,
    vault: ScriptedVault,
    add: Callable[..., list[UUID]],
    alice: Person,
    bob: Person,
) -> None:
    """Pending, failed and cancelled ones without an active token; their number is told with the counts."""
    wanted = {state: set(add(2, state)) for state in TaskStatus if state is not TaskStatus.PENDING}
    without = manage.create(alice, "never asked", "")
    ready = manage.create(alice, "ready", "")
    execution.link(alice, ready.id, vault.knows(alice.owner, TokenStatus.ACTIVE))
    asked = manage.create(alice, "asked", "")
    execution.link(alice, asked.id, vault.knows(alice.owner, TokenStatus.PENDING))
    manage.create(bob, "another person's", "")
    need = wanted[TaskStatus.FAILED] | wanted[TaskStatus.CANCELLED] | {without.id, asked.id}
    query = TaskQuery(needs_consent=True)
    assert set().union(*pages(listing, alice, query, 2)) == need
    named = TaskQuery(needs_consent=True, search="asked", sort=Sort.NAME, statuses=frozenset({TaskStatus.PENDING}))
    assert [task.id for task in listing.page(alice, named, 10).tasks] == [asked.id, without.id]
    assert listing.standing(alice) == Standing(needs_consent=len(need), scheduled=0)


def test_a_schedule_stands_until_it_has_ended(
    listing: ListTasks, add: Callable[..., list[UUID]], look: Look, alice: Person
) -> None:
    """Active, paused or stopped; these are counted, up to a limit."""
    ids = dict(zip(("active", "paused", "stopped", "ended", "none"), add(5), strict=True))
    for status in ("active", "paused", "stopped", "ended"):
        look(
            "insert into schedules"
            " (task_id, issuer, subject, cron, timezone, overlap, status, stop_reason, next_run_at) values"
            " (%s, %s, %s, '0 0 * * *', 'UTC', 'skip', %s, %s, case when %s then now() end) returning 1",
            *(ids[status], alice.owner.issuer, alice.owner.sub, status),
            *("token_failed" if status == "stopped" else None, status == "active"),
        )
    found = listing.page(alice, TaskQuery(schedule=ScheduleFilter.STANDING), 10).tasks
    assert {task.id for task in found} == {ids["active"], ids["paused"], ids["stopped"]}
    assert listing.standing(alice).scheduled == len(found)
    add(MOST_COUNTED)
    assert listing.standing(alice).needs_consent == MOST_COUNTED


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("data", True),
        ("PROC", True),
        ("proc dat", True),
        ("weekly", True),
        ("straße", True),
        ("2026-11", True),
        ("o'brien", True),
        ("a\\b", True),
        ("rocessing", False),
        ("data monthly", False),
        ("---", False),
        ("':*|", False),
        ("& | ! ( ) <-> :", False),
        ("%", False),
    ],
)
def test_a_search_finds_words_by_their_beginnings(
    manage: ManageTasks, listing: ListTasks, alice: Person, bob: Person, search: str, found: bool
) -> None:
    """All words must be there; punctuation separates words, and no text is a syntax error."""
    manage.create(alice, "Data-Processing", "Weekly report, Straße\nof 2026-11-28 by O'Brien a\\b")
    manage.create(bob, "Data-Processing", "")
    manage.create(alice, "Other", "")
    assert len(listing.page(alice, TaskQuery(search=search), 10).tasks) == int(found)


def test_any_word_can_be_stored_and_searched(manage: ManageTasks, listing: ListTasks, alice: Person) -> None:
    """Longer than the index can hold, too."""
    task = manage.create(alice, "x" * 200, "é" * 2000)
    for search in ("x" * 200, "é" * 150):
        assert listing.page(alice, TaskQuery(search=search), 10).tasks == [task]


def test_a_cursor_holds_for_its_owner_and_its_query_only(
    listing: ListTasks, add: Callable[..., list[UUID]], alice: Person, bob: Person
) -> None:
    """Every other use, and every changed character, is refused."""
    add(3)
    cursor = listing.page(alice, EVERYTHING, 1).next_cursor
    assert cursor is not None
    assert len(listing.page(alice, EVERYTHING, 2, cursor).tasks) == 2
    with pytest.raises(CursorError):
        listing.page(bob, EVERYTHING, 1, cursor)
    others = [
        TaskQuery(sort=Sort.OLDEST),
        TaskQuery(kind="demo"),
        TaskQuery(search="n"),
        TaskQuery(statuses=frozenset({TaskStatus.PENDING})),
        TaskQuery(persistent_token_id=uuid4()),
        TaskQuery(needs_consent=True),
        TaskQuery(schedule=ScheduleFilter.STANDING),
    ]
    for query in others:
        with pytest.raises(CursorError):
            listing.page(alice, query, 1, cursor)
    for place in range(len(cursor)):
        changed = cursor[:place] + ("A" if cursor[place] != "A" else "B") + cursor[place + 1 :]
        if changed.rstrip("=")[:-1] == cursor[:-1] and place == len(cursor) - 1:
            continue  # the last character of base64 may have bits that say nothing
        with pytest.raises(CursorError):
            listing.page(alice, EVERYTHING, 1, changed)


@given(st.text(max_size=60))
def test_no_text_is_a_cursor_by_accident(text: str) -> None:
    """And none is an unexpected error."""
    with pytest.raises(CursorError):
        Cursors("a secret").read(Owner("i", "s"), EVERYTHING, text)


@given(key=st.text(max_size=50), task_id=st.uuids(), secret=st.text(min_size=1), other=st.text(min_size=1))
def test_a_cursor_gives_its_position_back(key: str, task_id: UUID, secret: str, other: str) -> None:
    """To the holders of the same secret only."""
    position, owner = Position(key, task_id), Owner("i", "s")
    cursor = Cursors(secret).write(owner, EVERYTHING, position)
    assert Cursors(secret).read(owner, EVERYTHING, cursor) == position
    if other != secret:
        with pytest.raises(CursorError):
            Cursors(other).read(owner, EVERYTHING, cursor)


def test_a_page_follows_its_predecessor_whatever_was_deleted_or_added_meanwhile(
    manage: ManageTasks, listing: ListTasks, add: Callable[..., list[UUID]], alice: Person
) -> None:
    """Even the task at which it begins."""
    add(6)
    before = [task.id for task in listing.page(alice, EVERYTHING, 10).tasks]
    page = listing.page(alice, EVERYTHING, 3)
    manage.delete(alice, before[2])
    manage.create(alice, "new", "")
    assert [task.id for task in listing.page(alice, EVERYTHING, 3, page.next_cursor).tasks] == before[3:]


STEPS = st.lists(
    st.tuples(st.sampled_from(["create", "run", "change", "delete"]), st.integers(0, 5), st.sampled_from(TaskStatus)),
    max_size=25,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_counts_are_those_of_the_list_whatever_happens_to_tasks(
    listing: ListTasks, look: Look, tasks_url: str, alice: Person, steps: list[tuple[str, int, TaskStatus]]
) -> None:
    """Against what the list shows, on connections of many slots; runs other than the latest do not count."""
    look("delete from tasks where issuer = %s returning 1", alice.owner.issuer)
    for action, place, state in steps:
        with psycopg.connect(tasks_url, autocommit=True) as connection:
            ids = [row[0] for row in connection.execute("select id from tasks order by created_at, id")]
            if action == "create":
                connection.execute(
                    "insert into tasks (id, issuer, subject, name, description) values (%s, %s, %s, 'n', '')",
                    [uuid4(), alice.owner.issuer, alice.owner.sub],
                )
            elif ids:
                change(connection, action, ids[place % len(ids)], state)
    listed = Counter(task.status for task in listing.page(alice, EVERYTHING, 1000).tasks)
    assert listing.counts(alice) == {state: listed[state] for state in TaskStatus}
    for state in TaskStatus:
        found = listing.page(alice, TaskQuery(statuses=frozenset({state})), 1000).tasks
        assert len(found) == listed[state]


def change(connection: psycopg.Connection, action: str, task_id: UUID, state: TaskStatus) -> None:
    """A new run if none is under way, the next state of the latest one if it can follow, or the end of the task."""
    if action == "delete":
        connection.execute("delete from tasks where id = %s", [task_id])
        return
    latest = "select r.status from tasks t join runs r on r.task_id = t.id and r.number = t.last_run where t.id = %s"
    row = connection.execute(latest, [task_id]).fetchone()
    before = TaskStatus.PENDING if row is None else TaskStatus(row[0])
    reason = "retry" if state is TaskStatus.WAITING else None
    if action == "run" and before not in UNDER_WAY and state in STARTS:
        connection.execute("update tasks set last_run = last_run + 1 where id = %s", [task_id])
        connection.execute(
            "insert into runs (task_id, number, issuer, subject, cause, status, wait_reason, fence)"
            " select id, last_run, issuer, subject, 'user', %s, %s, 1 from tasks where id = %s",
            [state.value, reason, task_id],
        )
    elif action == "change" and before in UNDER_WAY and can_follow(before, state):
        connection.execute(
            "update runs r set status = %s, wait_reason = %s from tasks t"
            " where t.id = r.task_id and r.number = t.last_run and t.id = %s",
            [state.value, reason, task_id],
        )


def test_what_changes_together_changes_the_list_once(
    add: Callable[..., list[UUID]], listing: ListTasks, look: Look, alice: Person
) -> None:
    """However many tasks of one owner a statement touches: their counters have one new version, not one for each."""

    def versions() -> int:
        ((version,),) = look("select coalesce(sum(version), 0)::integer from list_versions")
        return int(str(version))

    ids = add(50, TaskStatus.QUEUED)
    seen, states = [versions()], []
    for statement in (
        (
            "update tasks set persistent_token_id = gen_random_uuid(), token_status = 'active'"
            " where id = any (%s) returning 1"
        ),
        (
            "insert into schedules (task_id, issuer, subject, cron, timezone, overlap, status, next_run_at)"
            " select id, issuer, subject, '0 0 * * *', 'UTC', 'skip', 'active', now() from tasks"
            " where id = any (%s) returning 1"
        ),
        "update runs set status = 'running' where task_id = any (%s) returning 1",
        "update runs set progress = 50 where task_id = any (%s) returning 1",
        "update runs set status = 'completed' where task_id = any (%s) returning 1",
        (
            "insert into runs (task_id, number, issuer, subject, cause, status, fence)"
            " select id, 2, issuer, subject, 'user', 'queued', 2 from tasks where id = any (%s) returning 1"
        ),
        "update tasks set token_status = 'failed' where id = any (%s) returning 1",
        "update tasks set last_run = 2 where id = any (%s) returning 1",
        "delete from tasks where id = any (%s) and name = 'none' returning 1",
    ):
        look(statement, ids)
        seen.append(versions())
        states.append({state.value: number for state, number in listing.counts(alice).items() if number})
    assert [after - before for before, after in itertools.pairwise(seen)] == [1, 1, 0, 0, 1, 2, 2, 0, 0]
    assert states == [
        {"queued": 50}, {"queued": 50}, {"running": 50}, {"running": 50}, {"completed": 50},
        *[{"queued": 50}] * 4,
    ]  # fmt: skip
    assert look("select distinct status, stop_reason from schedules") == [("stopped", "token_failed")]


def run_again(look: Look, task_id: UUID, ends: list[TaskStatus]) -> None:
    """More runs of a task that has one: each ends like that, the first of them a week ago."""
    for number, end in enumerate(ends, start=2):
        look(
            "insert into runs (task_id, number, issuer, subject, cause, status, fence, completed_at)"
            " select id, %s, issuer, subject, 'user', %s, %s, now() - interval '7 days' from tasks where id = %s"
            " returning 1",
            *(number, end.value, number, task_id),
        )
    look("update tasks set last_run = %s where id = %s returning 1", 1 + len(ends), task_id)


def test_the_last_runs_of_each_task_are_told_the_latest_first(
    listing: ListTasks, add: Callable[..., list[UUID]], look: Look, alice: Person
) -> None:
    """So many of each at most; of a task that was never executed there is nothing to tell."""
    ((never,), (once,), (often,)) = add(1), add(1, TaskStatus.FAILED), add(1, TaskStatus.COMPLETED)
    ends = [TaskStatus.CANCELLED, TaskStatus.FAILED] * 4 + [TaskStatus.COMPLETED] * 3
    run_again(look, often, ends)
    told = listing.last_runs(listing.page(alice, EVERYTHING, 10).tasks)
    assert told == {once: [TaskStatus.FAILED], often: list(reversed(ends))[:LAST_RUNS]}
    assert never not in told
    assert listing.last_runs([]) == {}


def test_the_list_changes_when_an_old_run_is_cleaned_away(
    listing: ListTasks, past: PostgresHistory, add: Callable[..., list[UUID]], look: Look, alice: Person
) -> None:
    """For the last runs of a task are in it; cleaning without anything to clean changes nothing."""
    (task,) = add(1, TaskStatus.COMPLETED)
    run_again(look, task, [TaskStatus.FAILED, TaskStatus.COMPLETED])
    counts, before = listing.counts(alice), listing.version(alice)
    assert past.remove_old(days=1, at_most=10) == 1
    assert listing.version(alice) != before
    assert listing.counts(alice) == counts
    before = listing.version(alice)
    assert past.remove_old(days=1, at_most=10) == 0
    assert listing.version(alice) == before


def test_a_task_that_is_executed_again_counts_by_its_new_run(
    manage: ManageTasks,
    listing: ListTasks,
    execution: ExecuteTasks,
    vault: ScriptedVault,
    attempts: PostgresAttempts,
    alice: Person,
) -> None:
    """Through the service's own statements: pending, queued, running, failed, queued."""
    task = manage.create(alice, "a", "")

    def only() -> TaskStatus:
        (state,) = [state for state, number in listing.counts(alice).items() if number]
        (listed,) = listing.page(alice, TaskQuery(statuses=frozenset({state})), 10).tasks
        assert listed.status is state
        return state

    seen = [only()]
    execution.link(alice, task.id, vault.knows(alice.owner, TokenStatus.ACTIVE))
    execution.execute(alice, task.id)
    seen.append(only())
    attempt = attempts.begin(AttemptKey(task.id, 1))
    assert attempt is not None
    seen.append(only())
    attempts.fail(attempt, "no")
    seen.append(only())
    execution.execute(alice, task.id)
    seen.append(only())
    assert seen == [
        TaskStatus.PENDING,
        TaskStatus.QUEUED,
        TaskStatus.RUNNING,
        TaskStatus.FAILED,
        TaskStatus.QUEUED,
    ]
    manage.delete(alice, task.id)
    assert not any(listing.counts(alice).values())


@pytest.fixture(scope="module")
def ten_thousand(
    migrated_tasks: None, new_database: Callable[[str, str], AbstractContextManager[str]]
) -> Iterator[str]:
    """A database of completed tasks, with three failed ones among them."""
    with new_database("tasks", "tasks") as url:
        with psycopg.connect(url.replace("tasks:test@", "tasks_owner:test@"), autocommit=True) as connection:
            add = adder(lambda query, *values: connection.execute(query.encode(), values).fetchall(), ALICE)
            add(5000, TaskStatus.COMPLETED)
            add(3, TaskStatus.FAILED, name="needle")
            add(5000, TaskStatus.COMPLETED)
            connection.execute("vacuum analyze")
        yield url


QUERIES = {
    "newest": EVERYTHING,
    "by name": TaskQuery(sort=Sort.NAME),
    "state": TaskQuery(statuses=frozenset({TaskStatus.FAILED, TaskStatus.PENDING})),
    "common state": TaskQuery(statuses=frozenset({TaskStatus.COMPLETED})),
    "search": TaskQuery(search="need"),
    "kind": TaskQuery(kind="none"),
    "grant": TaskQuery(persistent_token_id=UUID(int=7)),
    "needs consent": TaskQuery(needs_consent=True),
}


@pytest.mark.parametrize("name", QUERIES)
def test_a_page_reads_no_more_of_a_long_list_than_of_a_short_one(ten_thousand: str, name: str) -> None:
    """At the beginning and in the middle of the list. The test counts rows and index entries, not time."""
    with closing(tasks_database(ten_thousand, name="test", size=2)) as database:
        listing = PostgresTaskList(database)
        after = None
        for _ in range(2):
            before = rows_read(database, ten_thousand)
            found, following = listing.page(ALICE.owner, QUERIES[name], 50, after)
            listing.last_runs(found)
            listing.counts(ALICE.owner)
            listing.standing(ALICE.owner)
            listing.list_version(ALICE.owner)
            assert rows_read(database, ten_thousand) - before <= 400
            middle = "n" if QUERIES[name].sort.by_name else str(datetime.now(UTC))
            after = following or Position(middle, UUID(int=0))


def rows_read(database: Database, url: str) -> int:
    """The number of rows that all statements so far have read, from tables and through indexes."""
    database.one(b"select pg_stat_force_next_flush()", {})
    database.ping()
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(
            "select (select sum(seq_tup_read) + sum(coalesce(idx_tup_fetch, 0)) from pg_stat_user_tables)"
            " + (select sum(idx_tup_read) from pg_stat_user_indexes)"
        ).fetchone()
    assert row is not None
    return int(row[0])
