"""Tasks that are executed in number, and what the task service and the vault have written down about them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import requests
from stack import TIMEOUT, eventually

from faults.world import World

RETRY = {"maxAttempts": 20, "backoff": 1, "maxBackoff": 2}
TRANSITIONS = frozenset(
    {
        ("waiting", "queued"),
        ("waiting", "failed"),
        ("waiting", "cancelled"),
        ("queued", "running"),
        ("queued", "failed"),
        ("queued", "cancelled"),
        ("running", "waiting"),
        ("running", "queued"),
        ("running", "completed"),
        ("running", "failed"),
        ("running", "cancelled"),
    }
)
"""From which state of a run which other may follow, as docs/tasks.md has it."""
WATCH = """
create table seen_transitions (before text, after text, unique (before, after));
create function see_transition() returns trigger language plpgsql security definer as $$
begin
    insert into public.seen_transitions values (old.status, new.status) on conflict do nothing;
    return null;
end
$$;
create trigger see_transition after update on runs
    for each row when (old.status <> new.status) execute function see_transition();
"""
UNWATCH = "drop trigger see_transition on runs; drop function see_transition; drop table seen_transitions"
TWICE = """
select count(*)
from (
    select from attempts
    where task_id = any (%(ids)s)
    group by task_id
    having count(*) filter (where outcome = 'completed') > 1 or count(distinct run) > 1
) t
"""


@dataclass(frozen=True, slots=True)
class TaskBooks:
    """The ends of the tasks. All numbers but `crashed` are to be 0.

    lost: tasks without an end; given_up: that failed, for whatever reason; twice: that completed more than once, or in
    more than one run; open: attempts without an end; unsaid: attempts which were given a token that the ledger of
    attempts does not have; crashed: attempts that others had to make again.
    """

    lost: int
    given_up: int
    twice: int
    open: int
    unsaid: int
    crashed: int
    transitions: frozenset[tuple[str, str]]


class TaskLoad:
    """Alice's tasks, straight at the service, and the service's rows as their owner sees them."""

    def __init__(self, world: World, tokens: Sequence[str]) -> None:
        """tokens: ids of the grants that the tasks use in turn."""
        self._world = world
        self._tokens = tokens
        self.ids: list[str] = []
        """As in the database."""
        self._locked = ""

    def add(self, number: int) -> None:
        """Create and execute so many more."""
        ids = [self._post("", self._new(place)).json()["id"] for place in range(number)]
        for begin in range(0, number, 100):
            done = self._post("/batch", {"action": "execute", "ids": ids[begin : begin + 100]}).json()["results"]
            assert {result.get("status") for result in done} == {"executing"}, done
        self.ids += [each.removeprefix("task-") for each in ids]

    def are_made(self) -> bool:
        """True when workers make attempts."""
        return self.count("select count(*) from runs where status = 'running'") > 0

    def have_ended(self) -> bool:
        """True when none has anything to come."""
        left = "select count(*) from runs where status in ('waiting', 'queued', 'running') and task_id = any (%(ids)s)"
        return self.count(left) == 0

    def ends(self) -> list[tuple[Any, ...]]:
        """The number of tasks by state and error."""
        query = "select status, error, reason, count(*) from runs where task_id = any (%(ids)s) group by 1, 2, 3"
        return self.rows(query)

    def have_recovered(self) -> bool:
        """True when every task that has lost an attempt with its worker has ended: none can meet the cap of crashes."""
        struck = "select count(*) from runs where crashes > 0 and status in ('waiting', 'queued', 'running')"
        return self.count(f"{struck} and task_id = any (%(ids)s)") == 0

    def books(self) -> TaskBooks:
        """Compare both ledgers."""
        ours = "task_id = any (%(ids)s)"
        done = self.count(f"select count(*) from runs where status = 'completed' and {ours}")
        failed = self.count(f"select count(*) from runs where status = 'failed' and {ours}")
        ledger = set(self.rows(f"select 'task-' || task_id, fence from attempts where {ours}"))
        issued = "select task_id, attempt from audit where event = 'token.issued' and task_id = any (%s::text[])"
        with self._world.connect() as connection:
            given = set(connection.execute(issued, [[f"task-{each}" for each in self.ids]]).fetchall())
        assert len(given) >= len(self.ids), "the vault has given a token for each"
        return TaskBooks(
            lost=len(self.ids) - done - failed,
            given_up=failed,
            twice=self.count(TWICE),
            open=self.count(f"select count(*) from attempts where ended_at is null and {ours}"),
            unsaid=len(given - ledger),
            crashed=self.count(f"select count(*) from attempts where outcome = 'crashed' and {ours}"),
            transitions=frozenset((str(old), str(new)) for old, new in self.rows("select * from seen_transitions")),
        )

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Transitions of runs are written down during the block."""
        with self.connect() as connection:
            connection.execute(WATCH)
        yield
        with self.connect() as connection:
            connection.execute(UNWATCH)

    @contextmanager
    def one_locked(self) -> Iterator[None]:
        """The rows of a running task are locked during the block, as by a forgotten transaction."""
        query = "select task_id::text from runs r join tasks t on t.id = task_id where status = 'running' limit 1"
        with self.connect() as connection, connection.transaction():
            locking = f"{query} for update"  # finds none when the run goes on in between
            row = eventually(lambda: connection.execute(locking.encode()).fetchone(), "a running task is locked")
            self._locked = str(row[0])
            yield
        self._locked = ""

    def in_hand(self) -> set[int | None]:
        """The workers that have attempts in hand, by the engine's id, but for the one that is locked; None: removed."""
        query = "select worker_id from procrastinate_jobs where status = 'doing' and args->>'task_id' <> %(locked)s"
        return {worker for (worker,) in self.rows(query)}

    def heartbeats(self) -> dict[int, str]:
        """The last heartbeat of each worker, by the engine's id."""
        return dict(self.rows("select id, last_heartbeat::text from procrastinate_workers"))

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query, which may name the `ids` of these tasks and the `locked` one."""
        with self.connect() as connection:
            return connection.execute(query.encode(), {"ids": self.ids, "locked": self._locked}).fetchall()

    def count(self, query: str) -> int:
        """The number that a query counts."""
        return int(self.rows(query)[0][0])

    def connect(self) -> "psycopg.Connection[tuple[Any, ...]]":
        """A connection to the task service's database, as the superuser."""
        server = self._world.stack["POSTGRES_SUPERUSER_URL"].rpartition("/")[0]
        return psycopg.connect(f"{server}/tasks", autocommit=True, connect_timeout=5)

    def is_back(self) -> bool:
        """True when service and database answer."""
        try:
            url = self._world.stack["TASK_URL"]
            return requests.get(f"{url}/readyz", timeout=TIMEOUT).ok and self.count("select 1") == 1
        except (psycopg.OperationalError, requests.RequestException):
            return False

    def _new(self, place: int) -> dict[str, Any]:
        return {"name": "chaos", "retry": RETRY, "persistentTokenId": self._tokens[place % len(self._tokens)]}

    def _post(self, path: str, body: dict[str, Any]) -> requests.Response:
        url, headers = self._world.stack["TASK_URL"], {"Authorization": f"Bearer {self._world.bearer}"}
        answer = requests.post(f"{url}/api/tasks{path}", json=body, headers=headers, timeout=TIMEOUT)
        assert answer.ok, answer.text
        return answer
