"""Tasks, runs and attempts as a state machine: people, schedules, dependencies, workers and the sweep, in any order.

The oracle is the table of transitions in `domain.status`. After every step each run is where it was or where the table
lets it go, and what the tables say of one another agrees.
"""

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

import hypothesis.strategies as st
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from service_kit.postgres.database import Database
from task_service.adapters.engine.watch import attempt_of
from task_service.adapters.postgres.attempts import PostgresAttempts
from task_service.adapters.postgres.dependencies import PostgresDependencies
from task_service.adapters.postgres.listing import PostgresTaskList
from task_service.adapters.postgres.runs import PostgresRuns
from task_service.adapters.postgres.schedules import PostgresSchedules
from task_service.adapters.postgres.tasks import PostgresTasks
from task_service.application.errors import TaskNotCancellableError, TaskNotExecutableError
from task_service.application.ports.vault import LinkedGrant
from task_service.domain.attempt import MAX_CRASHES, Attempt
from task_service.domain.owner import Owner
from task_service.domain.retry import RetryPolicy
from task_service.domain.run import Cause
from task_service.domain.schedule import Overlap, Rule
from task_service.domain.status import ENDED, EXECUTABLE, REPEATABLE, STARTS, UNDER_WAY, TaskStatus, can_follow
from task_service.domain.task import Policy, TokenStatus

LONG = os.environ.get("FAULTS") == "long"
OWNER = Owner("https://issuer.example", "alice")
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
places = st.integers(0, 99)
Seen = dict[tuple[UUID, int], tuple[TaskStatus, int]]
"""State and fence of each run, by task and number."""


@dataclass(frozen=True)
class AttemptAtWork:
    """An attempt that a worker makes, with its job; it may have been taken over since."""

    attempt: Attempt
    job_id: int


class Tasks(RuleBasedStateMachine):
    """Whatever can happen to one owner's tasks."""

    def __init__(self, database: Database, look: Callable[..., list[tuple[object, ...]]]) -> None:
        super().__init__()
        self.database = database
        self.look = look
        self.tasks, self.runs = PostgresTasks(database), PostgresRuns(database)
        self.attempts, self.listing = PostgresAttempts(database), PostgresTaskList(database)
        self.schedules, self.dependencies = PostgresSchedules(database), PostgresDependencies(database)
        self.ids: list[UUID] = []
        self.at_work: list[AttemptAtWork] = []
        self.seen: Seen = {}

    @initialize()
    def begin(self) -> None:
        """Nothing is left of the example before; one worker is registered."""
        for table in ("dependency_news", "tasks", "list_versions", "procrastinate_jobs", "procrastinate_workers"):
            self.look(f"delete from {table} returning 1")
        ((self.worker,),) = self.look("select worker_id from procrastinate_register_worker_v1()")

    # people

    @rule(attempts=st.integers(1, 3), upstream=st.sets(places, max_size=3))
    def create(self, attempts: int, upstream: set[int]) -> None:
        """A task with access, which may depend on others."""
        on = tuple({self.ids[place % len(self.ids)] for place in upstream}) if self.ids else ()
        policy = Policy(retry=RetryPolicy(attempts, 0.01, 0.01), depends_on=on)
        grant = LinkedGrant(uuid4(), TokenStatus.ACTIVE)
        self.ids.append(self.tasks.add(OWNER, "n", "", policy, grant).id)

    @precondition(lambda self: self.ids)
    @rule(place=places, again=st.booleans())
    def execute(self, place: int, again: bool) -> None:
        """Or run again; refused in the states that the domain names."""
        task_id = self._task(place)
        allowed = REPEATABLE if again else EXECUTABLE
        may = self._status(task_id) in allowed
        try:
            self.runs.enqueue(task_id, OWNER, Cause.USER, allowed=allowed)
        except TaskNotExecutableError:
            assert not may
        else:
            assert may
            assert self._status(task_id) in STARTS

    @precondition(lambda self: self.ids)
    @rule(place=places)
    def cancel(self, place: int) -> None:
        """Whatever is under way is cancelled; what is cancelled stays so."""
        task_id = self._task(place)
        before = self._status(task_id)
        try:
            done = self.runs.cancel(task_id, OWNER, "enough")
        except TaskNotCancellableError:
            assert before not in UNDER_WAY | {TaskStatus.CANCELLED}
        else:
            assert done == (before in UNDER_WAY)
            assert self._status(task_id) is TaskStatus.CANCELLED

    @precondition(lambda self: self.ids)
    @rule(place=places)
    def delete(self, place: int) -> None:
        """In any state."""
        task_id = self._task(place)
        self.tasks.delete(task_id, OWNER)
        self.ids.remove(task_id)

    @precondition(lambda self: self.ids)
    @rule(place=places, overlap=st.sampled_from(Overlap))
    def schedule(self, place: int, overlap: Overlap) -> None:
        """For a time that has passed: it is due at once."""
        self.schedules.put(self._task(place), OWNER, Rule(run_at=LONG_AGO, overlap=overlap))

    # the threads of workers

    @rule()
    def look_around(self) -> None:
        """As each worker's threads do: schedules, retries, then the ends of runs."""
        self.schedules.fire_due(20)
        self._check_transitions()
        self._queue_retries()
        self._check_transitions()
        self._carry_on()

    def _carry_on(self) -> None:
        """Ends of runs are carried on until there is no news; then nothing waits for tasks that have all completed."""
        for _ in range(len(self.ids) + 2):
            if self.dependencies.take_news(100) == 0:
                break
            self._check_transitions()
        else:
            raise AssertionError("there is news without end")
        held = self.look(
            "select r.task_id from runs r join tasks t on t.id = r.task_id and t.last_run = r.number"
            " where r.status = 'waiting' and r.wait_reason = 'dependency' and not exists ("
            " select from dependencies d join tasks u on u.id = d.depends_on"
            " left join runs o on o.task_id = u.id and o.number = u.last_run"
            " where d.task_id = r.task_id and coalesce(o.status, 'pending') <> 'completed')"
        )
        assert held == []

    def _queue_retries(self) -> None:
        """Queue all retries; all are due after a hundredth of a second."""
        self.look("update runs set next_attempt_at = now() where next_attempt_at is not null returning 1")
        self.attempts.queue_retries(100)
        assert self.look("select 1 from runs where wait_reason = 'retry'") == []

    @rule()
    def fetch(self) -> None:
        """A worker takes the next job and begins its attempt, unless that is wanted no more."""
        ((job_id, args),) = self.look("select id, args from procrastinate_fetch_job_v2(null, %s)", self.worker)
        if job_id is None:
            return
        assert isinstance(args, dict)
        assert isinstance(job_id, int)
        attempt = self.attempts.begin(attempt_of(args))
        if attempt is None:
            self._end_job(job_id)
        else:
            self.at_work.append(AttemptAtWork(attempt, job_id))

    @rule(attempts=st.integers(1, 3))
    def start(self, attempts: int) -> None:
        """A new task, executed; the next job begins."""
        self.create(attempts, set())
        self.runs.enqueue(self.ids[-1], OWNER, Cause.USER)
        self._check_transitions()
        self.fetch()

    @rule(place=places, how=st.sampled_from(["complete", "fail", "retry", "give back", "token"]))
    def end_attempt(self, place: int, how: str) -> None:
        """However it ends: it is written if the attempt was not taken over, cancelled or deleted, and only then."""
        self._have_work()
        work = self.at_work.pop(place % len(self.at_work))
        attempt, key = work.attempt, work.attempt.key
        is_current = self.seen.get((key.task_id, attempt.run)) == (TaskStatus.RUNNING, key.fence)
        written = {
            "complete": lambda: self.attempts.complete(attempt, "done"),
            "fail": lambda: self.attempts.fail(attempt, "no"),
            "retry": lambda: self.attempts.retry(attempt, "not yet", 0.01),
            "give back": lambda: self.attempts.give_back(attempt),
            "token": lambda: self.attempts.fail(attempt, "refused", token_failed=True),
        }[how]()
        assert written == is_current
        self._end_job(work.job_id)

    @rule(place=places, returns=st.booleans())
    def crash(self, place: int, returns: bool) -> None:
        """The sweep takes the attempt over. returns: the worker was only frozen, and continues its attempt."""
        self._have_work()
        work = self.at_work[place % len(self.at_work)]
        if not returns:
            self.at_work.remove(work)
        key = (work.attempt.key.task_id, work.attempt.run)
        is_current = self.seen.get(key) == (TaskStatus.RUNNING, work.attempt.key.fence)
        replaced = self.attempts.replace_crashed(work.attempt.key, work.job_id)
        assert replaced <= is_current
        if replaced:  # it comes first in the queue
            self._check_transitions()
            self.fetch()
        if replaced and returns:
            assert not self.attempts.complete(work.attempt, "late")
            assert not self.attempts.write_progress([(work.attempt, 99)])
            assert not self.attempts.retry(work.attempt, "late", 0.0)
            assert not self.attempts.fail(work.attempt, "late")

    def _have_work(self) -> None:
        if not self.at_work:
            self.start(3)
            self._check_transitions()
        while not self.at_work:  # others came first, and were wanted no more
            self.fetch()
            self._check_transitions()

    # what holds after every step

    @invariant()
    def each_run_goes_where_the_table_lets_it(self) -> None:
        """Fences grow, numbers follow one another, and a new run begins when the one before has ended."""
        self._check_transitions()

    @invariant()
    def what_runs_has_one_open_attempt_and_a_job(self) -> None:
        """And what does not has neither."""
        rows = self.look(
            "select r.status, count(a.fence) filter (where a.ended_at is null and a.fence = r.fence),"
            " count(a.fence) filter (where a.ended_at is null and a.fence <> r.fence),"
            " bool_or(j.id is not null) filter (where r.job_id is not null)"
            " from runs r left join attempts a on a.task_id = r.task_id and a.run = r.number"
            " left join procrastinate_jobs j on j.id = r.job_id group by r.task_id, r.number, r.status"
        )
        for status, own, others, has_job in rows:
            with_job = status in {"queued", "running"}
            assert (own, others) == (int(with_job), 0), status
            assert not with_job or has_job, status
        assert self.look("select 1 from runs where crashes > %s", MAX_CRASHES) == []

    @invariant()
    def the_list_counts_what_there_is(self) -> None:
        """The kept counters are those that counting gives."""
        kept = {state: number for state, number in self.listing.counts(OWNER).items() if number}
        assert kept == dict(Counter(self._status(task_id) for task_id in self.ids))

    def _check_transitions(self) -> None:
        rows = self.look("select task_id, number, status, fence from runs order by task_id, number")
        now: Seen = {(r[0], r[1]): (TaskStatus(str(r[2])), r[3]) for r in rows}  # type: ignore[misc, index]
        for (task_id, number), (status, fence) in now.items():
            before = self.seen.get((task_id, number))
            if before is None:
                assert number == 1 or now[task_id, number - 1][0] in ENDED
                assert status is not TaskStatus.RUNNING
            else:
                assert status is before[0] or can_follow(before[0], status), (before, status)
                assert fence >= before[1]
                assert before[0] not in ENDED or fence == before[1]
        self.seen = now

    def _task(self, place: int) -> UUID:
        return self.ids[place % len(self.ids)]

    def _status(self, task_id: UUID) -> TaskStatus:
        return self.tasks.find(task_id, OWNER).status

    def _end_job(self, job_id: int) -> None:
        self.look(
            "with gone as (delete from procrastinate_jobs where id = %s returning 1) select count(*) from gone", job_id
        )


def test_tasks_runs_and_attempts_as_a_state_machine(
    database: Database, look: Callable[..., list[tuple[object, ...]]]
) -> None:
    """In the long form with more examples, and others each time."""
    run_state_machine_as_test(
        lambda: Tasks(database, look),  # type: ignore[arg-type]  # a factory will do
        settings=settings(
            max_examples=300 if LONG else 15,
            stateful_step_count=40,
            deadline=None,
            derandomize=not LONG,
            phases=(Phase.generate, Phase.shrink) if LONG else (Phase.generate,),
            suppress_health_check=list(HealthCheck),
        ),
    )
