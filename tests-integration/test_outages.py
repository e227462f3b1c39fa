"""Outages of parts: the rest of the stack works, the answers name the cause, and nothing is lost."""

import pytest
from api import MANAGER, Api, command_line_token, problem
from person import Person
from stack import Stack, eventually


def test_vault_down(healthy: Stack, alice: Api, alice_person: Person) -> None:
    """`execute` and linking answer 503 with Retry-After. Tasks can be read, and nothing has changed."""
    task_id, token_id = alice.ready_task(alice_person)
    healthy.kill("vault")
    answer = alice.execute(task_id)
    assert problem(answer) == (503, "vault_unavailable")
    assert int(answer.headers["Retry-After"]) >= 1
    assert problem(alice.link(task_id, token_id)) == (503, "vault_unavailable")
    assert problem(alice.access_token(token_id)) == (503, "service_unavailable")
    task = alice.task(task_id)
    assert (task["status"], task["offlineTokenStatus"]) == ("pending", "active")
    healthy.start()
    assert alice.execute(task_id).json()["status"] == "executing"
    assert alice.finished(task_id)["status"] == "completed"


def test_authorization_server_down(healthy: Stack, alice: Api, alice_person: Person) -> None:
    """Unexpired tokens are still served, and callers are still verified. A refresh answers 503."""
    token_id = alice.grant(alice_person)
    assert alice.access_token(token_id).status_code == 200
    healthy.kill("idp")
    assert alice.access_token(token_id).status_code == 200
    answer = alice.access_token(token_id, scope="openid")
    assert problem(answer) == (503, "provider_unavailable")
    assert int(answer.headers["Retry-After"]) >= 1
    healthy.start()
    eventually(lambda: alice.access_token(token_id, scope="openid").status_code == 200, "it refreshes again", 60)


@pytest.mark.any_server
def test_redis_down(healthy: Stack, alice: Api, alice_person: Person) -> None:
    """Nothing depends on it."""
    healthy.kill("redis")
    task_id, token_id = alice.ready_task(alice_person)
    for _ in range(5):
        assert alice.access_token(token_id).status_code == 200
    assert alice.execute(task_id).json()["status"] == "executing"
    assert alice.finished(task_id)["status"] == "completed"


@pytest.mark.any_server
def test_worker_killed_in_mid_task(healthy: Stack, alice: Api, alice_person: Person) -> None:
    """Another worker takes over, under a new fence, and the task completes once."""
    task_id, _ = alice.ready_task(alice_person)
    alice.execute(task_id)
    eventually(lambda: alice.task(task_id).get("progress", 0) >= 20, "it is in the middle")
    healthy.kill("worker")
    healthy.start()
    assert alice.finished(task_id)["status"] == "completed"


@pytest.mark.any_server
def test_a_child_that_dies_is_started_again(healthy: Stack, alice: Api, alice_person: Person) -> None:
    """The supervisor brings the worker back by itself."""
    task_id, _ = alice.ready_task(alice_person)
    alice.execute(task_id)
    eventually(lambda: alice.task(task_id).get("progress", 0) >= 10, "it runs")
    healthy.kill_children("worker")
    assert alice.finished(task_id)["status"] == "completed"


@pytest.mark.any_server
def test_a_full_worker_goes_on_sweeping(healthy: Stack, alice: Api, alice_person: Person) -> None:
    """While every place is taken, the number of waiting attempts is reported, and a dead child's attempts are taken
    over.
    """
    token_id = alice.grant(alice_person)
    tasks = [alice.create_task(f"Task {number}") for number in range(20)]
    for task_id in tasks:
        assert alice.link(task_id, token_id).status_code == 200
    results = alice.post("/api/tasks/batch", {"action": "execute", "ids": tasks}).json()["results"]
    assert [result.get("status") for result in results] == ["executing"] * len(tasks)

    def measured(name: str) -> float:
        return sum(sample.value for sample in healthy.metrics("worker") if sample.name == name)

    eventually(lambda: measured("task_queue_depth") == 4, "the rest waits, and the metrics say so")
    assert measured("task_attempts_running") == 16
    healthy.kill_children("worker")
    assert {alice.finished(task_id, 90)["status"] for task_id in tasks} == {"completed"}


@pytest.mark.any_server
def test_a_deploy_loses_no_task(healthy: Stack, alice: Api, alice_person: Person) -> None:
    """SIGTERM gives running attempts back at once."""
    task_id, _ = alice.ready_task(alice_person)
    alice.execute(task_id)
    eventually(lambda: alice.task(task_id).get("progress", 0) >= 10, "it runs")
    healthy.terminate("worker")
    eventually(lambda: alice.task(task_id)["status"] == "queued", "it is given back")
    eventually(lambda: not healthy.parts()["worker"], "the worker is gone")
    healthy.start()
    assert alice.finished(task_id)["status"] == "completed"


def test_everything_restarts_and_nothing_is_lost(healthy: Stack, alice: Api, alice_person: Person) -> None:
    """kill -9 of every part at once; then the same token and the same tasks work."""
    task_id, token_id = alice.ready_task(alice_person)
    names = set(healthy.parts())
    assert names == {"postgres", "redis", "idp", "vault", "tasks", "worker", "gateway"}
    for name in names:
        healthy.kill(name)
    healthy.start()
    renewed = Api(healthy, command_line_token(healthy, "alice"))
    assert renewed.task(task_id)["offlineTokenStatus"] == "active"
    assert renewed.access_token(token_id).status_code == 200
    assert renewed.access_token(token_id, scope="openid").status_code == 200  # a refresh, with the stored token
    assert renewed.execute(task_id).json()["status"] == "executing"


def test_postgres_restarted(healthy: Stack, alice: Api, alice_person: Person) -> None:
    """No token leaves while nothing can be recorded; both services recover by themselves."""
    token_id = alice.grant(alice_person)
    assert alice.access_token(token_id).status_code == 200
    healthy.kill("postgres")
    assert problem(alice.access_token(token_id)) == (503, "audit_unavailable")
    assert problem(alice.get("/api/tasks")) == (503, "storage_unavailable")
    healthy.start()
    eventually(lambda: alice.access_token(token_id).status_code == 200, "the vault is back", 20)
    eventually(lambda: alice.get("/api/tasks").status_code == 200, "the tasks are back", 20)
    task_id = alice.create_task()
    assert alice.link(task_id, token_id).status_code == 200
    assert alice.execute(task_id).json()["status"] == "executing"
    assert alice.finished(task_id)["status"] == "completed"


def test_a_token_that_fails_while_a_task_runs_fails_the_task(
    dev_stack: Stack, alice: Api, alice_person: Person
) -> None:
    """R22: the worker learns it, the task says so."""
    dev_stack.control("PUT", "/settings", {"accessTokenLifespan": 2})
    task_id, token_id = alice.ready_task(alice_person)
    dev_stack.control("PUT", "/users/alice", {"enabled": False})
    eventually(lambda: alice.access_token(token_id).status_code == 409, "the vault has noticed")
    token = alice.get(f"{MANAGER}/tokens/{token_id}").json()
    assert (token["status"], token["failure"]) == ("failed", "reauthorization_required")
    assert alice.execute(task_id).json()["status"] == "token_failed"
