"""The table of states and transitions, and that SQL, API and page follow it."""

import json
import re
from collections.abc import Callable
from enum import StrEnum
from itertools import product
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from task_service import adapters
from task_service.domain.attempt import AttemptOutcome
from task_service.domain.run import NO_RUN, Cause
from task_service.domain.schedule import Overlap, ScheduleStatus, StopReason
from task_service.domain.status import (
    ENDED,
    EXECUTABLE,
    RUN_STATES,
    STARTS,
    TRANSITIONS,
    UNDER_WAY,
    WITH_JOB,
    TaskStatus,
    WaitReason,
    can_follow,
)
from task_service.domain.task import TokenStatus

Look = Callable[..., list[tuple[object, ...]]]
PAGE = Path(__file__).parents[2] / "frontend" / "src"


def test_the_table_is_complete_and_its_ends_are_ends() -> None:
    """Every state has a row; a run always comes to an end, and never back to `pending`."""
    assert set(TRANSITIONS) == set(TaskStatus)
    assert {TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED} == ENDED
    assert UNDER_WAY.union(ENDED) == RUN_STATES
    assert WITH_JOB < UNDER_WAY
    assert TaskStatus.PENDING not in set().union(*TRANSITIONS.values())
    for status in TaskStatus:
        assert reachable(status) & ENDED or status in ENDED
    assert reachable(TaskStatus.PENDING) == RUN_STATES
    assert NO_RUN.status not in RUN_STATES
    assert EXECUTABLE.isdisjoint(UNDER_WAY)


def reachable(status: TaskStatus) -> set[TaskStatus]:
    """All states that can come after it."""
    found: set[TaskStatus] = set()
    ahead = {status}
    while ahead:
        ahead = set().union(*(TRANSITIONS[each] for each in ahead)) - found
        found |= ahead
    return found


@pytest.mark.parametrize(
    ("table", "column", "values"),
    [
        ("runs", "status", RUN_STATES),
        ("runs", "wait_reason", WaitReason),
        ("runs", "cause", Cause),
        ("attempts", "outcome", AttemptOutcome),
        ("tasks", "token_status", TokenStatus),
        ("schedules", "status", ScheduleStatus),
        ("schedules", "overlap", Overlap),
        ("schedules", "stop_reason", StopReason),
    ],
)
def test_each_check_constraint_lists_the_domains_values(
    look: Look, table: str, column: str, values: frozenset[StrEnum] | type[StrEnum]
) -> None:
    """Neither more nor fewer."""
    definitions = look(
        "select pg_get_constraintdef(oid) from pg_constraint where conrelid = %s::regclass and contype = 'c'", table
    )
    said = [str(row[0]) for row in definitions if re.match(rf"CHECK \(\({column} = ANY", str(row[0]))]
    assert [set(re.findall(r"'(\w+)'::text", each)) for each in said] == [{value.value for value in values}]


def test_each_transition_in_sql_is_one_of_the_table() -> None:
    """`update runs … set status = 'x' … status in (…)`: from each of these to x."""
    found = set()
    for path in Path(str(adapters.__path__[0]), "postgres").glob("*.sql"):
        for statement in re.split(r"-- name: ", path.read_text())[1:]:
            name = statement.split("\n")[0]
            for change in re.findall(r"update runs(.*?)returning", statement, re.DOTALL):
                after = re.search(r"set status = '(\w+)'", change)
                if after is None:
                    continue
                before = re.search(r"status (?:in \(([^)]*)\)|= ('\w+')\n)", change[after.end() :])
                assert before is not None, name
                words = re.findall(r"'(\w+)'", before.group(0))
                found |= {(name, TaskStatus(word), TaskStatus(after.group(1))) for word in words}
    assert {name for name, *_ in found} == {
        "begin",
        "complete",
        "fail",
        "replace",
        "cancel",
        "retry",
        "queue_retry",
        "release",
        "fail_waiting",
    }
    for name, old, new in found:
        assert old == new or can_follow(old, new), (name, old, new)


def test_a_run_is_made_in_a_state_in_which_runs_start() -> None:
    """`insert into runs`."""
    text = Path(str(adapters.__path__[0]), "postgres", "runs.sql").read_text()
    made = re.findall(r"insert into runs .*?values \([^;]*?'(\w+)'", text, re.DOTALL)
    assert {TaskStatus(each) for each in made} == STARTS


def test_the_indexes_of_runs_under_way_cover_the_states_with_a_job(look: Look) -> None:
    """The sweep and the engine's trigger look through them."""
    rows = look("select indexname, indexdef from pg_indexes where tablename = 'runs' and indexdef like '%% WHERE %%'")
    found = {str(name): set(re.findall(r"'(\w+)'::text", str(text))) for name, text in rows}
    by_state = {name: states for name, states in found.items() if states}
    jobs = {status.value for status in WITH_JOB}
    assert by_state == {
        "runs_queued": {"queued"},
        "runs_running": {"running"},
        "runs_of_job": jobs,
        "runs_without_job": jobs,
    }


@pytest.mark.parametrize(("status", "reason"), list(product(sorted(RUN_STATES), [None, *WaitReason])))
def test_exactly_the_waiting_runs_name_what_they_wait_for(
    look: Look, tasks_url: str, status: TaskStatus, reason: WaitReason | None
) -> None:
    """The database refuses the others."""
    task_id = uuid4()
    with psycopg.connect(tasks_url, autocommit=True) as connection:
        connection.execute(
            "insert into tasks (id, issuer, subject, name, description) values (%s, 'i', 's', 'n', '')", [task_id]
        )
        run = (task_id, status.value, reason.value if reason else None)
        insert = (
            "insert into runs (task_id, number, issuer, subject, cause, status, fence, wait_reason)"
            " values (%s, 1, 'i', 's', 'user', %s, 1, %s)"
        )
        if (status is TaskStatus.WAITING) == (reason is not None):
            connection.execute(insert, run)
        else:
            with pytest.raises(psycopg.errors.CheckViolation):
                connection.execute(insert, run)


def test_the_page_knows_the_same_states() -> None:
    """The page's generated type, badges, words, and the states in which a task can be executed."""
    (listed,) = re.findall(r'TaskStatus: ((?:"\w+"(?: \| )?)+);', (PAGE / "api/generated/tasks.d.ts").read_text())
    assert set(re.findall(r'"(\w+)"', listed)) == set(TaskStatus)
    view = (PAGE / "tasks" / "view.ts").read_text()
    (badges,) = re.findall(r"Record<TaskStatus, [^=]+> = \{(.*?)\n\};", view, re.DOTALL)
    assert set(re.findall(r"^  (\w+):", badges, re.MULTILINE)) == set(TaskStatus)
    (startable,) = re.findall(r"ReadonlySet<TaskStatus> = new Set\(\[(.*?)\]\)", view)
    assert set(re.findall(r'"(\w+)"', startable)) == EXECUTABLE
    for language in ("en", "de"):
        files = (PAGE / "texts").glob(f"{language}*.json")  # a language may be in parts, the later ones loaded later
        texts = {key for path in files for key in json.loads(path.read_text())}
        for family in ("status", "said"):
            said = {key.removeprefix(f"{family}.") for key in texts if re.fullmatch(rf"{family}\.\w+", key)}
            assert said >= set(TaskStatus), (language, family)
