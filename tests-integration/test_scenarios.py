"""R27: the three scenarios of the customer's document, with its own curl commands."""

import json
import re
import subprocess
from typing import Any

from api import MANAGER, Api
from person import Person
from stack import Stack, eventually

CREATE = """curl -X POST http://localhost:3000/api/tasks \
  -H "Authorization: Bearer $TOKEN" \
  -H "Content-Type: application/json" \
  -d '{"name":"Test Task","description":"Testing"}'"""
EXECUTE = """curl -X POST http://localhost:3000/api/tasks/task-123/execute \
  -H "Authorization: Bearer $TOKEN" """
PROGRESS = """curl http://localhost:3000/api/tasks/task-123 \
  -H "Authorization: Bearer $TOKEN" """
CONSENT = """curl -X POST http://localhost:3000/api/auth/manager/offline-consent \
  -H "Authorization: Bearer $TOKEN" \
  -H "Content-Type: application/json" \
  -d '{"taskId":"task-123"}'"""


def curl(stack: Stack, caller: Api, command: str, task_id: str = "task-123") -> dict[str, Any]:
    """Paste a command of the document into a shell, for this stack's port and this task."""
    pasted = command.replace("http://localhost:3000", stack.gateway).replace("task-123", task_id)
    done = subprocess.run(
        ["/bin/sh", "-c", pasted.replace("curl ", "curl --silent --show-error ", 1)],
        env={**stack.environ, "TOKEN": caller.bearer or ""},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return dict(json.loads(done.stdout))


def test_happy_path(stack: Stack, alice: Api, alice_person: Person) -> None:
    """Scenario 1: create, consent, execute, watch it complete by tenths."""
    task = curl(stack, alice, CREATE)
    assert task["status"] == "pending"
    assert "persistentTokenId" not in task

    asked = curl(stack, alice, CONSENT, task["id"])
    landed = alice.arrive(alice_person, alice_person.grant(asked["consentUrl"], stop_at=stack.gateway))
    assert landed == {"persistent_token_id": asked["persistentTokenId"], "task_id": task["id"]}

    execution = curl(stack, alice, EXECUTE, task["id"])
    assert execution == {
        "status": "executing",
        "message": "Task is now running",
        "taskId": task["id"],
        "persistentTokenId": asked["persistentTokenId"],
    }
    seen: set[int] = set()

    def ended() -> dict[str, Any] | None:
        current = curl(stack, alice, PROGRESS, task["id"])
        seen.add(current.get("progress", 0))
        return current if current["status"] not in {"queued", "running"} else None

    done = eventually(ended, "the task completes", 40)
    assert done["status"] == "completed"
    assert done["offlineTokenStatus"] == "active"
    assert "alice" in done["result"]
    assert "error" not in done
    assert seen <= set(range(0, 101, 10))
    assert len(seen) > 5
    for name in ("createdAt", "startedAt", "completedAt"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", done[name])


def test_without_token(stack: Stack, alice: Api) -> None:
    """Scenario 2."""
    task = curl(stack, alice, CREATE)
    assert curl(stack, alice, EXECUTE, task["id"]) == {
        "status": "needs_consent",
        "message": "Task needs offline token. Please request consent first.",
        "taskId": task["id"],
    }


def test_pending_token(stack: Stack, alice: Api) -> None:
    """Scenario 3: asked for, not granted, and no browser that could have linked it."""
    task = curl(stack, alice, CREATE)
    asked = curl(stack, alice, CONSENT, task["id"])
    assert curl(stack, alice, EXECUTE, task["id"]) == {
        "status": "waiting_consent",
        "message": "Waiting for user to grant consent",
        "taskId": task["id"],
        "persistentTokenId": asked["persistentTokenId"],
    }
    assert curl(stack, alice, PROGRESS, task["id"])["offlineTokenStatus"] == "pending"


def test_a_revoked_token_fails_and_a_new_consent_mends_it(alice: Api, alice_person: Person) -> None:
    """R22: `token_failed`, the task stays pending, and a new request leads out of it."""
    task_id, token_id = alice.ready_task(alice_person)
    assert alice.delete(f"{MANAGER}/tokens/{token_id}").status_code == 200

    answer = alice.execute(task_id).json()
    assert (answer["status"], answer["message"]) == ("token_failed", "Token request failed. Please try again.")
    task = alice.task(task_id)
    assert (task["status"], task["offlineTokenStatus"]) == ("pending", "failed")

    alice.link(task_id, alice.grant(alice_person, task_id))
    assert alice.execute(task_id).json()["status"] == "executing"


def test_executing_twice_is_refused_while_it_runs(alice: Api, alice_person: Person) -> None:
    """One execution at a time; the second is a conflict, not a second run."""
    task_id, _ = alice.ready_task(alice_person)
    assert alice.execute(task_id).status_code == 200
    again = alice.execute(task_id)
    assert (again.status_code, again.json()["code"]) == (409, "task_not_executable")


def test_a_deleted_task_is_gone_although_it_runs(alice: Api, alice_person: Person) -> None:
    """Deleting is always allowed."""
    task_id, _ = alice.ready_task(alice_person)
    alice.execute(task_id)
    eventually(lambda: alice.task(task_id)["status"] == "running", "the task runs")
    assert alice.delete(f"/api/tasks/{task_id}").status_code == 200
    assert alice.get(f"/api/tasks/{task_id}").status_code == 404
