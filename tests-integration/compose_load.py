"""People and services at work while containers die, and the books that must balance afterwards."""

import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import psycopg
import requests
from api import Api
from compose_stack import ComposeStack
from stack import eventually

PAUSE = 0.08
ASKED_A_SECOND = 60
"""More than all callers together ask when every answer comes, or does not come, at once."""
ALMOST_NEW = "290"
"""With tokens that live 300 s: a `min_valid` that leads to a refresh about every ten seconds and grant; a refresh that
takes long is of use all the same."""


@dataclass(frozen=True)
class Bounds:
    """The disturbance that callers may notice: a few times the measured one (docs/containers.md), far less than an
    outage.

    gap: seconds without any token; refused: answers of 503; unanswered: requests without an answer.
    """

    gap: float = 10.0
    refused: int = 0
    unanswered: int = 0


@dataclass
class Load:
    """Callers that ask for access tokens all the time, and tasks that run, for the length of a block.

    heard: request ids of the answers that held a token; slowest: how long one of them took, in seconds; gap: the
    longest time in seconds without any such answer; refreshed: how often all grants had been refreshed before;
    repeated: answers that two vaults have recorded, since the first could not give it.
    """

    stack: ComposeStack
    alice: Api
    grants: Sequence[str]
    task_count: int
    tasks: list[str] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    gap: float = 0.0
    refreshed: int = 0
    repeated: int = 0

    def __post_init__(self) -> None:
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._last = 0.0
        self._threads = [threading.Thread(target=self._ask, args=(grant,)) for grant in self.grants]

    def __enter__(self) -> Self:
        for number in range(self.task_count):
            task_id = self.alice.create_task(f"Under load {number}")
            self.alice.link(task_id, self.grants[number % len(self.grants)])
            self.tasks.append(task_id)
        self.refreshed = sum(self.refreshes().values())
        self._last = time.monotonic()
        for thread in self._threads:
            thread.start()
        for task_id in self.tasks:
            assert self.alice.execute(task_id).json()["status"] == "executing"
        eventually(lambda: all(self.alice.task(task).get("progress", 0) >= 10 for task in self.tasks), "all run", 60)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def goes_on(self, seconds: float = 3.0) -> None:
        """Return when tokens have been given for a while after what has happened."""
        for _ in range(int(seconds)):
            before = len(self.heard)
            eventually(lambda before=before: len(self.heard) > before + 10, "tokens are given again", 90)  # type: ignore[misc]

    def finish_tasks(self) -> None:
        """Wait until no task runs any more."""
        eventually(lambda: all(self._ended(task_id) for task_id in self.tasks), "all tasks end", 120)

    def balance(self, bounds: Bounds = Bounds()) -> None:
        """Nothing lost, nothing twice, no session ended: by the answers, both databases and Keycloak's own log."""
        self.assert_within(bounds)
        with psycopg.connect(self._database("vault")) as vault:
            rows = vault.execute(
                "select request_id, count(*) from audit"
                " where event = 'token.issued' and request_id = any(%s) group by 1",
                [self.heard],
            ).fetchall()
            failed = vault.execute("select count(*) from audit where event = 'grant.failed'").fetchone()
        assert {number for _, number in rows} <= {1, 2}, "each token is recorded, once by each vault that was asked"
        self.repeated = sum(number == 2 for _, number in rows)
        assert len(rows) == len(self.heard), "no token was given unrecorded"
        assert failed == (0,), "no grant has failed"
        assert [self.alice.task(task_id)["status"] for task_id in self.tasks] == ["completed"] * len(self.tasks)
        assert set(self.completions().values()) <= {1}, "no task has completed twice"
        assert len(self.completions()) == len(self.tasks), "no task is lost"
        before = self.refreshes()
        eventually(lambda: self._all_refreshed_since(before), "each grant refreshes", 60)
        assert "REFRESH_TOKEN_ERROR" not in self.stack.log("idp"), "no refresh token was used that Keycloak refuses"

    def assert_within(self, bounds: Bounds) -> None:
        """Callers have noticed no more than that."""
        assert not set(self.others) - {"503", "no answer"}, self.others
        assert self.gap <= bounds.gap, f"{self.gap:.1f} s without a token"
        assert self.others["503"] <= bounds.refused, self.others
        assert self.others["no answer"] <= bounds.unanswered, self.others

    def refreshes(self) -> dict[str, int]:
        """The number of refreshes of each grant, by the audit."""
        with psycopg.connect(self._database("vault")) as connection:
            rows = connection.execute(
                "select grant_id::text, count(*) from audit where event = 'grant.refreshed' group by 1"
            ).fetchall()
        return dict(rows)

    def completions(self) -> dict[str, int]:
        """The number of completed attempts of each task."""
        return self._attempts("completed")

    def taken_over(self) -> int:
        """The number of attempts that were begun again, because their worker was dead or cut off."""
        return sum(self._attempts("crashed").values())

    def figures(self, what: str) -> dict[str, object]:
        """The figures of the load, for people."""
        return {
            "fault": what,
            "tokens": len(self.heard),
            "refused": self.others["503"],
            "unanswered": self.others["no answer"],
            "recorded twice": self.repeated,
            "slowest, s": round(self.slowest, 2),
            "longest gap, s": round(self.gap, 2),
            "tasks": len(self.tasks),
            "completed": len(self.completions()),
            "refreshes": sum(self.refreshes().values()) - self.refreshed,
            "taken over": self.taken_over(),
        }

    def _all_refreshed_since(self, before: dict[str, int]) -> bool:
        for grant in self.grants:
            answer = self.alice.access_token(grant, min_valid=ALMOST_NEW)
            assert answer.status_code in {200, 422, 503}, answer.text  # 422: it took too long to be that new
        now = self.refreshes()
        return all(now.get(grant, 0) > before.get(grant, 0) for grant in self.grants)

    def _attempts(self, outcome: str) -> dict[str, int]:
        with psycopg.connect(self._database("tasks")) as connection:
            rows = connection.execute(
                "select task_id::text, count(*) from attempts"
                " where outcome = %s and 'task-' || task_id::text = any(%s) group by 1",
                [outcome, self.tasks],
            ).fetchall()
        return dict(rows)

    def _database(self, name: str) -> str:
        return self.stack["POSTGRES_SUPERUSER_URL"].rpartition("/")[0] + f"/{name}"

    def _ended(self, task_id: str) -> bool:
        try:
            answer = self.alice.get(f"/api/tasks/{task_id}")
        except requests.RequestException:
            return False
        return answer.status_code == 200 and answer.json()["status"] not in {"queued", "running"}

    def _ask(self, grant: str) -> None:
        number = 0
        while not self._over.wait(PAUSE):
            number += 1
            try:
                answer = self.alice.access_token(grant, **({"min_valid": ALMOST_NEW} if number % 5 == 0 else {}))
            except requests.RequestException:
                self._count("no answer", None)
                continue
            self._count(str(answer.status_code), answer.headers.get("X-Request-ID"), answer.elapsed.total_seconds())

    def _count(self, status: str, request_id: str | None, seconds: float = 0.0) -> None:
        with self._lock:
            if status == "200" and request_id is not None:
                now = time.monotonic()
                self.gap = max(self.gap, now - self._last)
                self._last = now
                self.slowest = max(self.slowest, seconds)
                self.heard.append(request_id)
            else:
                self.others[status] += 1
