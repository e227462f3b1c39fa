"""Dependencies on a real database: starts, propagation, races, fan-in and fan-out."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service_kit.postgres.database import Database
from task_service.adapters.postgres.attempts import PostgresAttempts
from task_service.adapters.postgres.dependencies import PostgresDependencies
from task_service.adapters.postgres.runs import PostgresRuns
from task_service.adapters.postgres.schedules import PostgresSchedules
from task_service.adapters.postgres.tasks import PostgresTasks
from task_service.application.dependencies import CarryOn, ManageDependencies
from task_service.application.manage import ManageTasks, Person
from task_service.application.ports.vault import LinkedGrant
from task_service.application.schedules import Tick
from task_service.domain.attempt import AttemptKey
from task_service.domain.dependencies import Dependency, DependencyError, Step, judge
from task_service.domain.run import Cause
from task_service.domain.schedule import Rule
from task_service.domain.status import ENDED, UNDER_WAY, TaskStatus, WaitReason
from task_service.domain.task import Policy, Task, TokenStatus

Look = Callable[..., list[tuple[object, ...]]]


class Pipeline:
    """Tasks of one person, each with an active token, and a worker and a tick that the test calls."""

    def __init__(self, database: Database, person: Person) -> None:
        self.tasks = PostgresTasks(database)
        self.runs = PostgresRuns(database)
        self.attempts = PostgresAttempts(database)
        self.carry_on = CarryOn(PostgresDependencies(database))
        self.owner = person.owner

    def add(self, *depends_on: UUID, name: str = "n", token: TokenStatus | None = TokenStatus.ACTIVE) -> UUID:
        """A task."""
        task = self.tasks.add(self.owner, name, "", Policy(depends_on=depends_on))
        if token is not None:
            self.tasks.link(task.id, self.owner, LinkedGrant(uuid4(), token))
        return task.id

    def execute(self, task_id: UUID) -> None:
        """As its owner does."""
        self.runs.enqueue(task_id, self.owner, Cause.USER, allowed=frozenset(TaskStatus) - UNDER_WAY)

    def see(self, task_id: UUID) -> Task:
        """The task."""
        return self.tasks.find(task_id, self.owner)

    def states(self, *ids: UUID) -> list[str]:
        """Their states, after the tick."""
        self.carry_on.tick()
        return [self.see(task_id).status.value for task_id in ids]

    def end(self, task_id: UUID, fence: int = 1, error: str = "") -> None:
        """A worker makes the attempt; with an error, it fails."""
        attempt = self.attempts.begin(AttemptKey(task_id, fence))
        assert attempt is not None
        assert self.attempts.fail(attempt, error) if error else self.attempts.complete(attempt, "done")


@pytest.fixture
def line(database: Database, alice: Person) -> Pipeline:
    """Alice's."""
    return Pipeline(database, alice)


def test_a_task_runs_when_all_that_it_depends_on_have_completed(line: Pipeline, look: Look) -> None:
    """By itself, with the cause `dependency`; and again when all have completed again."""
    first, second = line.add(), line.add()
    last = line.add(first, second)
    for round_number in (1, 2):
        for upstream, state in ((first, None), (second, "queued")):
            line.execute(upstream)
            line.end(upstream, round_number)
            assert line.states(last) == [state or ("pending" if round_number == 1 else "completed")]
        line.end(last, round_number)
    assert line.states(last) == ["completed"]
    assert look("select cause, number from runs where task_id = %s order by number", last) == [
        ("dependency", 1),
        ("dependency", 2),
    ]


def test_one_that_completes_twice_does_not_stand_for_two(line: Pipeline) -> None:
    """Each must have completed since the last run."""
    first, second = line.add(), line.add()
    last = line.add(first, second)
    for fence in (1, 2):
        line.execute(first)
        line.end(first, fence)
    assert line.states(last) == ["pending"]


def test_what_its_owner_wants_waits_for_its_dependencies(line: Pipeline) -> None:
    """And says so; if they have completed, it is queued at once."""
    first = line.add()
    last = line.add(first)
    line.execute(last)
    waiting = line.see(last).latest_run
    assert (waiting.status, waiting.wait_reason) == (TaskStatus.WAITING, WaitReason.DEPENDENCY)
    assert line.states(last) == ["waiting"]
    line.execute(first)
    assert line.states(last) == ["waiting"]
    line.end(first)
    assert line.states(last) == ["queued"]
    assert line.see(last).latest_run.reason is None
    line.end(last)
    line.execute(last)
    assert line.states(last) == ["queued"]
    line.end(last, 2)
    assert line.states(last) == ["completed"]


@pytest.mark.parametrize("how", ["fail", "cancel", "delete"])
@pytest.mark.parametrize("waits", [True, False])
def test_a_bad_end_reaches_all_that_depends_on_it(line: Pipeline, how: str, waits: bool) -> None:
    """With the reason, over several steps, whether the run waits already or not."""
    first = line.add(name="Load")
    second = line.add(first, name="Clean")
    third = line.add(second, name="Report")
    if waits:
        line.execute(second)
        line.execute(third)
    line.execute(first)
    if how == "fail":
        line.end(first, error="disk full")
    elif how == "cancel":
        line.runs.cancel(first, line.owner, "no need")
    else:
        line.tasks.delete(first, line.owner)
    if how == "delete" and not waits:
        assert line.states(second, third) == ["pending", "pending"]
        return
    word = "failed" if how == "fail" else "cancelled"
    line.carry_on.tick()
    assert line.states(second, third) == [word, word]
    said = [line.see(task_id).latest_run for task_id in (second, third)]
    reasons = [run.error if how == "fail" else run.reason for run in said]
    verb = {"fail": "failed", "cancel": "was cancelled", "delete": "was deleted"}[how]
    assert reasons[0] is not None
    assert reasons[0].startswith('Task "Load", on which this task depend')
    assert reasons[0].endswith(f"{verb}.")
    assert reasons[1] == f'Task "Clean", on which this task depends, {"failed" if how == "fail" else "was cancelled"}.'
    line.carry_on.tick()
    assert [line.see(task_id).latest_run.number for task_id in (second, third)] == [1, 1]


def test_after_a_failure_the_whole_line_can_be_run_again(line: Pipeline) -> None:
    """The failed task again: what depends on it follows."""
    first = line.add()
    second = line.add(first)
    line.execute(first)
    line.end(first, error="no")
    assert line.states(second) == ["failed"]
    line.execute(first)
    line.end(first, 2)
    assert line.states(second) == ["queued"]


def test_a_run_under_way_is_left_alone_and_followed_by_another(line: Pipeline) -> None:
    """The dependency has completed a second time meanwhile."""
    first = line.add()
    second = line.add(first)
    line.execute(first)
    line.end(first)
    assert line.states(second) == ["queued"]
    line.execute(first)
    line.end(first, 2)
    assert line.states(second) == ["queued"]
    line.end(second)
    assert line.states(second) == ["queued"]
    assert line.see(second).latest_run.number == 2


@pytest.mark.parametrize("token", [None, TokenStatus.PENDING, TokenStatus.FAILED])
def test_without_a_usable_token_the_run_fails_and_says_so(line: Pipeline, token: TokenStatus | None) -> None:
    """The run cannot wait for its owner, who is absent."""
    first = line.add()
    second = line.add(first, token=token)
    line.execute(first)
    line.end(first)
    assert line.states(second) == ["failed"]
    failed = token is TokenStatus.FAILED
    assert line.see(second).latest_run.error == (
        "Token request failed. Please try again."
        if failed
        else "Task needs offline token. Please request consent first."
    )


def test_a_waiting_run_can_be_cancelled_and_nothing_comes_back(line: Pipeline) -> None:
    """Also if the dependency completes at the same moment."""
    first = line.add()
    second = line.add(first)
    line.execute(second)
    line.execute(first)
    line.end(first)
    line.runs.cancel(second, line.owner, "no need")
    assert line.states(second) == ["cancelled"]


def test_a_scheduled_run_waits_for_dependencies_too(line: Pipeline, database: Database, look: Look) -> None:
    """A schedule is a wish like its owner's."""
    first = line.add()
    second = line.add(first)
    PostgresSchedules(database).put(second, line.owner, Rule(cron="0 0 29 2 *"))
    look("update schedules set next_run_at = now() returning 1")
    Tick(PostgresSchedules(database)).tick()
    assert line.states(second) == ["waiting"]
    line.execute(first)
    line.end(first)
    assert line.states(second) == ["queued"]
    assert look("select cause from runs where task_id = %s", second) == [("schedule",)]


def test_a_run_that_ended_before_the_dependency_was_set_is_no_news(
    line: Pipeline, alice: Person, database: Database
) -> None:
    """Only what ends later starts the task."""
    first, second = line.add(), line.add()
    line.execute(first)
    line.end(first)
    ManageDependencies(PostgresDependencies(database)).put(alice, second, [first])
    assert line.states(second) == ["pending"]
    line.execute(first)
    line.end(first, 2)
    assert line.states(second) == ["queued"]


def test_two_changes_at_once_make_no_cycle(line: Pipeline, database: Database) -> None:
    """One of them is refused, each time."""
    store = PostgresDependencies(database)

    def depend(pair: tuple[UUID, UUID]) -> bool:
        try:
            store.put(pair[0], line.owner, [pair[1]])
        except DependencyError:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        for _ in range(10):
            first, second = line.add(), line.add()
            assert sorted(pool.map(depend, [(first, second), (second, first)])) == [False, True]


def test_of_ticks_at_once_one_starts_a_task(line: Pipeline, database: Database, look: Look) -> None:
    """Of each of many."""
    first = line.add()
    made = [line.add(first) for _ in range(40)]
    line.execute(first)
    line.end(first)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: CarryOn(PostgresDependencies(database)).tick(), range(6)))
    assert line.states(*made) == ["queued"] * 40
    assert look("select count(*) from runs where cause = 'dependency'") == [(40,)]
    assert look("select count(*) from dependency_news") == [(0,)]


def test_a_task_that_somebody_holds_delays_no_other_and_no_worker(line: Pipeline, tasks_url: str) -> None:
    """Neither the end of the run before it, nor its neighbours."""
    first = line.add()
    held, free = line.add(first), line.add(first)
    line.execute(first)
    with psycopg.connect(tasks_url) as other:
        other.execute("select from tasks where id = %s for update", [held])
        line.end(first)
        assert line.states(free) == ["queued"]
    assert line.states(held) == ["queued"]


def many(line: Pipeline, look: Look) -> list[UUID]:
    """A thousand tasks with a token."""
    rows = look(
        "insert into tasks (id, issuer, subject, name, description, persistent_token_id, token_status)"
        " select gen_random_uuid(), %s, %s, 'n', '', gen_random_uuid(), 'active' from generate_series(1, 1000)"
        " returning id",
        line.owner.issuer,
        line.owner.sub,
    )
    return [UUID(str(row[0])) for row in rows]


def test_a_task_can_depend_on_a_thousand(line: Pipeline, look: Look) -> None:
    """The task runs after its last dependency; the graph shows all of them."""
    upstream = many(line, look)
    last = line.add(*upstream)
    set_completed(look, upstream[:990])
    for task_id in upstream[990:999]:
        set_completed(look, [task_id])
    assert line.states(last) == ["pending"]
    set_completed(look, upstream[999:])
    assert line.states(last) == ["queued"]
    graph = PostgresDependencies(line.tasks._database).graph(last, line.owner)
    assert (len(graph.nodes), len(graph.edges), graph.complete) == (1001, 1000, True)


def test_a_thousand_can_depend_on_a_task(line: Pipeline, look: Look) -> None:
    """The task's failure reaches each of them, and so does its later success."""
    first = line.add()
    downstream = many(line, look)
    look("insert into dependencies (task_id, depends_on) select unnest(%s::uuid[]), %s returning 1", downstream, first)
    line.execute(first)
    line.end(first, error="no")
    assert line.carry_on.tick() >= 1000
    assert look("select status, count(*) from runs where cause = 'dependency' group by status") == [("failed", 1000)]
    line.execute(first)
    line.end(first, 2)
    line.carry_on.tick()
    line.carry_on.tick()
    assert look("select count(*) from runs where status = 'queued' and number = 2") == [(1000,)]


def set_completed(look: Look, ids: Sequence[UUID]) -> None:
    """Runs of theirs that have completed."""
    look("update tasks set last_run = 1 where id = any (%s) returning 1", list(ids))
    look(
        "insert into runs (task_id, number, issuer, subject, cause, status, fence)"
        " select id, 1, issuer, subject, 'user', 'running', 1 from tasks where id = any (%s) returning 1",
        list(ids),
    )
    look("update runs set status = 'completed' where task_id = any (%s) returning 1", list(ids))


DEPENDENCIES = st.lists(
    st.builds(
        Dependency,
        st.uuids(),
        st.text(max_size=5),
        st.sampled_from(TaskStatus),
        last_run=st.integers(0, 3),
        seen_run=st.integers(0, 3),
    ),
    max_size=5,
)


@given(st.sampled_from(TaskStatus), st.sampled_from(WaitReason), DEPENDENCIES)
def test_the_verdict_follows_from_states_and_runs(
    status: TaskStatus, wait_reason: WaitReason, dependencies: list[Dependency]
) -> None:
    """A run under way stays. A dependency's new failure comes first. A run starts only if all have completed."""
    reason = wait_reason if status is TaskStatus.WAITING else None
    waits = reason is WaitReason.DEPENDENCY
    verdict = judge(status, reason, dependencies)
    news = [each for each in dependencies if each.status not in UNDER_WAY and each.last_run > each.seen_run]
    bad = [each for each in news if each.status in ENDED - {TaskStatus.COMPLETED}]
    if not dependencies or (status in UNDER_WAY and not waits):
        assert verdict.step is Step.NOTHING
    elif bad:
        assert verdict.step in {Step.FAIL, Step.CANCEL}
        assert verdict.reason
        assert list(verdict.seen) == [bad[0].task_id]
    else:
        all_done = all(each.status is TaskStatus.COMPLETED for each in dependencies)
        starts = all_done and (waits or len(news) == len(dependencies))
        assert (verdict.step is Step.START) == starts


def test_tasks_of_others_are_not_in_reach(line: Pipeline, database: Database, bob: Person, manage: ManageTasks) -> None:
    """Neither as a dependency nor in a graph."""
    first = line.add()
    his = manage.create(bob, "his", "")
    store = PostgresDependencies(database)
    with pytest.raises(DependencyError) as refused:
        store.put(his.id, bob.owner, [his.id, first])
    assert refused.value.place == 1
    with pytest.raises(DependencyError) as cycle:
        store.put(his.id, bob.owner, [his.id])
    assert cycle.value.place is None
