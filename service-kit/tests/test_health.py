"""Alive and ready."""

from collections.abc import Callable

import pytest
import structlog
from flask.testing import FlaskClient

from service_kit.http import health
from service_kit.http.app import create_app


def fine() -> None:
    """A part that is well."""


def broken() -> None:
    """A part that is not."""
    raise ConnectionError("no route to db.internal:5432")


def client(**pings: object) -> FlaskClient:
    """An application with these pings."""
    app = create_app("test", {})
    app.register_blueprint(health.blueprint(pings))  # type: ignore[arg-type] # functions, all of them
    return app.test_client()


def test_it_is_ready_when_all_parts_are_well() -> None:
    """And says which it looked at."""
    answer = client(database=fine, redis=fine).get("/readyz")
    assert answer.status_code == 200
    assert answer.get_json() == {"status": "ok", "checks": {"database": "ok", "redis": "ok"}}


@pytest.mark.parametrize("order", [("database", "redis"), ("redis", "database")])
def test_it_is_not_ready_when_one_is_not(order: tuple[str, str]) -> None:
    """All are asked; the answer names the part, the reason stands in the log only."""
    pings = {name: broken if name == "database" else fine for name in order}
    with structlog.testing.capture_logs() as logged:
        answer = client(**pings).get("/readyz")
    assert answer.status_code == 503
    assert answer.get_json() == {"status": "unavailable", "checks": {"database": "unavailable", "redis": "ok"}}
    assert "db.internal" not in answer.text
    assert "db.internal" in logged[0]["reason"]


def test_it_is_alive_whatever_its_parts_do() -> None:
    """Else an orchestrator would kill every replica when the database restarts."""
    answer = client(database=broken).get("/healthz")
    assert (answer.status_code, answer.get_json()) == (200, {"status": "ok", "checks": {}})


def test_without_parts_it_is_ready() -> None:
    """Nothing is needed."""
    assert client().get("/readyz").status_code == 200


@pytest.mark.parametrize(
    ("database", "status", "word"), [(fine, 200, "degraded"), (broken, 503, "unavailable")], ids=["well", "broken"]
)
def test_what_is_merely_useful_does_not_make_it_unready(database: Callable[[], None], status: int, word: str) -> None:
    """The answer names the failing part; needed parts decide about readiness."""
    app = create_app("test", {})
    app.register_blueprint(health.blueprint({"database": database}, {"redis": broken}))
    answer = app.test_client().get("/readyz")
    checks = {"database": "ok" if database is fine else "unavailable", "redis": "unavailable"}
    assert (answer.status_code, answer.get_json()) == (status, {"status": word, "checks": checks})
