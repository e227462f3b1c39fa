"""The promise of the product, end to end: a task runs by itself while its owner is logged out."""

from datetime import datetime
from typing import Any

import psycopg
from api import Api, problem
from person import Person
from protocol import ProtocolServer
from stack import Stack, eventually

RUNS = 3
MINUTE_AND_RUN = 120.0


def let_the_minute_pass(stack: Stack) -> None:
    """As if the schedules' next minute had come."""
    with psycopg.connect(stack["POSTGRES_SUPERUSER_URL"].rpartition("/")[0] + "/tasks", autocommit=True) as connection:
        connection.execute("update schedules set next_run_at = now() where status = 'active'")


def runs_of(caller: Api, task_id: str) -> list[dict[str, Any]]:
    """The runs of a task that have ended, the latest first."""
    runs = caller.get(f"/api/tasks/{task_id}/runs").json()["runs"]
    return [run for run in runs if run["status"] not in {"waiting", "queued", "running"}]


def test_a_schedule_runs_three_times_while_its_owner_is_logged_out(stack: Stack, alice: Api) -> None:
    """The login in which the consent was given has ended at the authorization server; each run gets a fresh token.

    The test looks at the tasks with an access token that was issued before.
    """
    server, person = ProtocolServer(stack), Person("alice")
    page = server.logged_in(person)
    token_id = alice.grant(person)
    wish = {"name": "nightly", "persistentTokenId": token_id, "schedule": {"cron": "* * * * *", "timezone": "UTC"}}
    task_id = alice.post("/api/tasks", wish).json()["id"]

    back = f"{stack['PUBLIC_URL']}/tasks"
    gone = person.get(server.logout_url(id_token_hint=page["id_token"], post_logout_redirect_uri=back))
    assert gone.headers["Location"].startswith(back)
    assert server.page_refresh(page).json()["error"] == "invalid_grant"

    for number in range(1, RUNS + 1):
        let_the_minute_pass(stack)
        eventually(lambda number=number: len(runs_of(alice, task_id)) >= number, f"run {number}", MINUTE_AND_RUN)  # type: ignore[misc]
    assert alice.post(f"/api/tasks/{task_id}/schedule/pause").status_code == 200
    records = [
        alice.get(f"/api/tasks/{task_id}/runs/{run['number']}").json() for run in runs_of(alice, task_id)[-RUNS:]
    ]
    assert {(record["cause"], record["status"]) for record in records} == {("schedule", "completed")}
    (attempts,) = zip(*(record["attempts"] for record in records), strict=True)
    assert {attempt["persistentTokenId"] for attempt in attempts} == {token_id}
    assert len({attempt["ticketId"] for attempt in attempts}) == RUNS
    fetched = [datetime.fromisoformat(attempt["tokenFetchedAt"]) for attempt in attempts]
    assert sorted(set(fetched), reverse=True) == fetched
    assert server.page_refresh(page).json()["error"] == "invalid_grant"

    assert alice.delete(f"/api/auth/manager/tokens/{token_id}").status_code == 200
    assert problem(alice.access_token(token_id)) == (410, "token_revoked")
