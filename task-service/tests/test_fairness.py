"""The queue between owners: order, priorities, and no wait for another owner's ten thousand runs."""

from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service_kit.postgres.database import Database
from task_service.adapters.postgres.attempts import PostgresAttempts
from task_service.adapters.postgres.runs import PostgresRuns
from task_service.adapters.postgres.tasks import PostgresTasks
from task_service.application.manage import Person
from task_service.application.ports.vault import LinkedGrant
from task_service.domain.attempt import AttemptKey
from task_service.domain.fairness import GREATEST_TAG, Priority, tag
from task_service.domain.run import Cause
from task_service.domain.task import Policy, TokenStatus

Look = Callable[..., list[tuple[object, ...]]]


@pytest.fixture
def queue(database: Database) -> Callable[..., UUID]:
    """Queues a run of a new task."""

    def add(person: Person, priority: Priority = Priority.NORMAL) -> UUID:
        tasks = PostgresTasks(database)
        task = tasks.add(person.owner, "n", "", Policy(priority=priority))
        tasks.link(task.id, person.owner, LinkedGrant(uuid4(), TokenStatus.ACTIVE))
        PostgresRuns(database).enqueue(task.id, person.owner, Cause.USER)
        return task.id

    return add


@pytest.fixture
def fetch(look: Look) -> Callable[[], UUID]:
    """A worker takes the next job: its task."""
    ((worker,),) = look("select id from procrastinate_register_worker_v1() as id")

    def take() -> UUID:
        ((task_id,),) = look("select args->>'task_id' from procrastinate_fetch_job_v2(null, %s)", worker)
        return UUID(str(task_id))

    return take


def test_one_owners_many_runs_delay_anothers_one_by_one(
    queue: Callable[..., UUID], fetch: Callable[[], UUID], alice: Person, bob: Person
) -> None:
    """However many wait, and whenever the other comes."""
    hers = [queue(alice) for _ in range(30)]
    first = queue(bob)
    assert first in {fetch(), fetch()}
    taken = [fetch() for _ in range(10)]
    assert taken == hers[1:11]
    second = queue(bob)
    assert second in {fetch(), fetch()}


def test_ten_thousand_that_wait_delay_another_by_one(
    queue: Callable[..., UUID], fetch: Callable[[], UUID], alice: Person, bob: Person, look: Look
) -> None:
    """The figure of the requirement, with the queue as the service would have made it."""
    queue(alice)
    look(
        "insert into tasks (id, issuer, subject, name, description, last_run)"
        " select gen_random_uuid(), %s, %s, 'many', '', 1 from generate_series(2, 10000) returning 1",
        *(alice.owner.issuer, alice.owner.sub),
    )
    look(
        "with made as (select id, 1 + row_number() over () as place from tasks where name = 'many')"
        ", jobs as (insert into procrastinate_jobs (queue_name, task_name, priority, args)"
        " select 'attempts', 'x', -place, jsonb_build_object('task_id', id) from made returning id, priority, args)"
        " insert into runs (task_id, number, issuer, subject, cause, status, fence, job_id, queue_tag)"
        " select (args->>'task_id')::uuid, 1, %s, %s, 'user', 'queued', 1, id, -priority from jobs returning 1",
        *(alice.owner.issuer, alice.owner.sub),
    )
    his = queue(bob)
    assert his in {fetch(), fetch()}
    again = queue(alice)
    assert look("select queue_tag from runs where task_id = %s", again) == [(10001,)]


def test_the_runs_of_one_owner_keep_their_order(
    queue: Callable[..., UUID], fetch: Callable[[], UUID], alice: Person
) -> None:
    """First in, first out."""
    made = [queue(alice) for _ in range(8)]
    assert [fetch() for _ in range(4)] == made[:4]
    made += [queue(alice) for _ in range(3)]
    assert [fetch() for _ in range(7)] == made[4:]


def test_a_higher_priority_overtakes_ones_own_runs_only(
    queue: Callable[..., UUID], fetch: Callable[[], UUID], alice: Person, bob: Person
) -> None:
    """Among equals the first comes first; another owner loses no more than one place."""
    low = [queue(alice, Priority.LOW) for _ in range(5)]
    his = [queue(bob) for _ in range(2)]
    high = [queue(alice, Priority.HIGH) for _ in range(2)]
    order = [fetch() for _ in range(9)]
    assert order.index(high[0]) < order.index(high[1]) < order.index(low[2])
    assert order.index(his[0]) <= 3
    assert sorted(low, key=order.index) == low


def test_an_attempt_that_was_lost_comes_first(
    queue: Callable[..., UUID],
    fetch: Callable[[], UUID],
    attempts: PostgresAttempts,
    alice: Person,
) -> None:
    """The lost attempt's run has waited already."""
    first = queue(alice)
    for _ in range(5):
        queue(alice)
    assert fetch() == first
    assert attempts.begin(AttemptKey(first, 1)) is not None
    assert attempts.replace_crashed(AttemptKey(first, 1))
    assert first in {fetch(), fetch()}


QUEUE = st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), st.booleans()), max_size=60)


@given(QUEUE)
def test_no_owner_waits_for_more_than_one_run_of_each_other_owner(steps: list[tuple[str, bool]]) -> None:
    """Against a model of the queue: runs are queued and taken in any order, all of one priority."""
    waiting: list[tuple[int, int, str]] = []
    for number, (owner, takes) in enumerate(steps):
        if takes and waiting:
            waiting.remove(min(waiting))
            continue
        own = [each for each in waiting if each[2] == owner]
        greatest = {1: max(place for place, _, _ in own)} if own else {}
        place = tag(min(waiting)[0] if waiting else 0, greatest, 1)
        if not own:
            ahead = [each[2] for each in waiting if (each[0], each[1]) < (place, number)]
            assert all(ahead.count(other) <= 1 for other in "abc")
        waiting.append((place, number, owner))
    for owner in "abc":
        numbers = [number for _, number, of in sorted(waiting) if of == owner]
        assert numbers == sorted(numbers)


@given(
    st.integers(0, GREATEST_TAG), st.dictionaries(st.integers(0, 2), st.integers(0, GREATEST_TAG)), st.integers(0, 2)
)
def test_a_tag_lies_behind_the_owners_equals_and_within_what_the_engine_stores(
    queue_time: int, own: dict[int, int], urgency: int
) -> None:
    """Runs of a lower priority do not count."""
    found = tag(queue_time, own, urgency)
    assert found <= GREATEST_TAG
    assert found >= queue_time
    assert all(found > each or found == GREATEST_TAG for of, each in own.items() if of >= urgency)
    assert found == tag(queue_time, {of: each for of, each in own.items() if of >= urgency}, urgency)
    assert [Priority.of(each.urgency) for each in Priority] == list(Priority)
