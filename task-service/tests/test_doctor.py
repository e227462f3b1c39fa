"""`task-service doctor` and `workers`, and the health that says that no worker is there."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from http_parts import Asked, Reply, problem, serving

from service_kit.postgres.database import Database
from task_service import config, doctor
from task_service.adapters.engine.watch import ProcrastinateWatch
from task_service.application.errors import NoWorkerError
from task_service.config import TaskSettings

Look = Callable[..., list[tuple[object, ...]]]


class Outside:
    """The authorization server and the vault. answer: what the vault says."""

    def __init__(self) -> None:
        self.answer = problem(404, "token_not_found")
        self.issuer_path = "/realms/demo"
        self.url = ""

    def __call__(self, asked: Asked) -> Reply:
        """Discovery, the service's own token, and the vault."""
        if asked.path.endswith("/openid-configuration"):
            base = f"{self.url}{self.issuer_path}"
            names = ("authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint")
            return Reply(content={"issuer": base, **{name: f"{base}/{name}" for name in names}})
        if asked.path.endswith("/token_endpoint"):
            return Reply(content={"access_token": "service-token", "expires_in": 300})
        return self.answer


@pytest.fixture
def outside() -> Iterator[Outside]:
    """Both on one address."""
    parts = Outside()
    with serving(parts) as server:
        parts.url = server.url
        yield parts


def settings(database_url: str, outside: Outside, results: str = "") -> TaskSettings:
    """The service's settings."""
    return config.read(
        {
            "TASK_DATABASE_URL": database_url,
            "ISSUER": f"{outside.url}/realms/demo",
            "VAULT_URL": outside.url,
            "TASK_SERVICE_CLIENT_SECRET": "secret",
            "TASK_RESULTS": results,
        }
    )


def states(database_url: str, outside: Outside) -> dict[str, str]:
    """The outcome of each check, by name."""
    return {each.subject: each.state for each in doctor.examine(settings(database_url, outside))}


def test_all_is_well_where_all_is_there(tasks_url: str, outside: Outside, look: Look) -> None:
    """With a worker that shows its heartbeat."""
    look("select * from procrastinate_register_worker_v1()")
    found = states(tasks_url, outside)
    assert set(found) == {"settings", "schema", "connection", "clock", "workers", "schedules", "issuer", "vault"}
    assert set(found.values()) == {"ok"}


def test_each_fault_is_found_and_has_an_advice(tasks_url: str, outside: Outside, look: Look) -> None:
    """No worker, a late schedule, a vault that refuses the service, one that does not answer, another issuer."""
    look(
        "with made as (insert into tasks (id, issuer, subject, name, description)"
        " values (gen_random_uuid(), 'i', 's', 'n', '') returning id)"
        " insert into schedules (task_id, issuer, subject, cron, timezone, overlap, status, next_run_at)"
        " select id, 'i', 's', '* * * * *', 'UTC', 'skip', 'active', now() - interval '1 hour' from made returning 1"
    )
    outside.answer = problem(403, "service_not_allowed")
    found = states(tasks_url, outside)
    assert (found["workers"], found["schedules"], found["vault"]) == ("fail", "warn", "fail")
    outside.answer = problem(503, "storage_unavailable")
    assert states(tasks_url, outside)["vault"] == "fail"
    outside.issuer_path = "/realms/other"
    assert states(tasks_url, outside)["issuer"] == "fail"
    for each in doctor.examine(settings(tasks_url, outside)):
        assert each.state == "ok" or each.advice, each.subject


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_the_result_store_is_tried(tasks_url: str, outside: Outside, tmp_path: Path, scheme: str) -> None:
    """With a file that is removed; whatever the store is, what it says is passed on."""
    if scheme:
        pytest.importorskip("fsspec", reason="the extra `results` is not installed")

    def result(place: Path) -> doctor.TaskServiceDiagnosis:
        *_, last = doctor.examine(settings(tasks_url, outside, f"{scheme}{place}"))
        return last

    found = result(tmp_path)
    assert (found.state, found.subject) == ("ok", "results")
    assert list(tmp_path.iterdir()) == []
    refused = result(tmp_path / "none")
    assert (refused.state, refused.subject) == ("warn", "results")
    assert str(tmp_path / "none") in refused.detail
    assert refused.advice


def test_a_database_that_does_not_answer_is_said_first(outside: Outside) -> None:
    """The rest is looked at all the same."""
    found = states("postgresql://tasks:x@127.0.0.1:9/tasks", outside)
    assert found["database"] == "fail"
    assert found["issuer"] == "ok"


def test_workers_are_listed(
    tasks_url: str, outside: Outside, look: Look, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the age of their heartbeat; the exit status says whether one is alive."""
    known = settings(tasks_url, outside)
    monkeypatch.setattr(config, "read", lambda: known)
    assert doctor.list_workers() == 1
    assert "no worker is alive" in capsys.readouterr().out
    look("select * from procrastinate_register_worker_v1()")
    assert doctor.list_workers() == 0
    assert ": alive, last heartbeat 0 s ago, 0 attempts" in capsys.readouterr().out
    look("update procrastinate_workers set last_heartbeat = now() - interval '1 minute' returning 1")
    assert doctor.list_workers() == 1
    assert ": silent, last heartbeat 60 s ago" in capsys.readouterr().out


def test_health_says_that_no_worker_is_there(database: Database, look: Look) -> None:
    """A check of its own, without which the service is only degraded."""
    watch = ProcrastinateWatch(database)
    with pytest.raises(NoWorkerError):
        watch.demand_worker()
    look("select * from procrastinate_register_worker_v1()")
    watch.demand_worker()
    look("update procrastinate_workers set last_heartbeat = now() - interval '1 minute' returning 1")
    with pytest.raises(NoWorkerError):
        watch.demand_worker()
