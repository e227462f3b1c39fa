"""The task API over Flask's test client: routes, wire forms, problems, the list's `ETag`."""

import re
import unicodedata
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scripted_vault import ScriptedVault
from stub_issuer import NOW, SigningKey, StubIssuer
from werkzeug.test import TestResponse

from service_kit.postgres.database import Database
from service_kit.tokens.bearer import Verifier
from service_kit.tokens.issuer import Issuer
from task_service.adapters.postgres.attempts import PostgresAttempts
from task_service.adapters.postgres.history import PostgresHistory
from task_service.adapters.postgres.receipts import PostgresReceipts
from task_service.adapters.postgres.results import PostgresResultFiles
from task_service.adapters.results.stores import FolderStore
from task_service.application.batch import BatchTasks
from task_service.application.dependencies import ManageDependencies
from task_service.application.errors import TaskStorageUnavailableError
from task_service.application.execute import ExecuteTasks
from task_service.application.history import ReadHistory
from task_service.application.journal import GroupedJournal
from task_service.application.listing import ListTasks
from task_service.application.manage import ManageTasks
from task_service.application.results import ReadResults, StoreResults
from task_service.application.run_attempt import RunAttempt
from task_service.application.schedules import ManageSchedules
from task_service.domain.attempt import AttemptKey
from task_service.domain.owner import Owner
from task_service.domain.result import Document
from task_service.domain.status import TaskStatus
from task_service.domain.task import TokenStatus, parse_id
from task_service.http.app import create_app
from task_service.http.service import TaskService

Look = Callable[..., list[tuple[object, ...]]]
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


@dataclass
class Caller:
    """A person with a bearer token. headers: of each request."""

    client: FlaskClient
    bearer: str
    owner: Owner
    headers: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str = "", json: object = None, **headers: str) -> TestResponse:
        """A request below `/api/tasks`."""
        sent = {"Authorization": f"Bearer {self.bearer}", **self.headers, **headers}
        return self.client.open(f"/api/tasks{path}", method=method, json=json, headers=sent)

    def task(self, **members: object) -> dict[str, Any]:
        """A new task."""
        answer = self.ask("POST", json={"name": "Data Processing", **members})
        assert answer.status_code == 201
        return dict(answer.get_json())


@pytest.fixture(scope="module")
def issuer() -> Iterator[StubIssuer]:
    """The authorization server."""
    stub = StubIssuer(SigningKey("key-1"))
    yield stub
    stub.close()


@pytest.fixture
def pings() -> dict[str, Callable[[], None]]:
    """The checks of `/readyz`."""
    return {"database": lambda: None}


@pytest.fixture
def client(
    *,
    issuer: StubIssuer,
    manage: ManageTasks,
    listing: ListTasks,
    execution: ExecuteTasks,
    schedules: ManageSchedules,
    dependencies: ManageDependencies,
    past: PostgresHistory,
    batch: BatchTasks,
    receipts: PostgresReceipts,
    files: PostgresResultFiles,
    results: FolderStore,
    pings: dict[str, Callable[[], None]],
) -> FlaskClient:
    """The application."""
    verifier = Verifier(Issuer(issuer.url), "task-service", clock=lambda: NOW)
    past_runs = ReadHistory(past)
    use_cases = TaskService(
        verifier=verifier,
        tasks=manage,
        listing=listing,
        execution=execution,
        schedules=schedules,
        dependencies=dependencies,
        history=past_runs,
        batch=batch,
        receipts=receipts,
        results=ReadResults(files, results),
        pings=pings,
        close=lambda: None,
    )
    return create_app(use_cases).test_client()


def caller_of(client: FlaskClient, issuer: StubIssuer, sub: str) -> Caller:
    """A person whose token is for the task service only: at the vault it is worth nothing."""
    return Caller(client, issuer.token(payload=issuer.claims(aud="task-service", sub=sub)), Owner(issuer.url, sub))


@pytest.fixture
def ann(client: FlaskClient, issuer: StubIssuer) -> Caller:
    """A person."""
    return caller_of(client, issuer, "ann-sub")


@pytest.fixture
def ben(client: FlaskClient, issuer: StubIssuer) -> Caller:
    """Another one."""
    return caller_of(client, issuer, "ben-sub")


def code(answer: TestResponse) -> tuple[int, str]:
    """Status and code of a problem."""
    assert answer.content_type == "application/problem+json"
    return answer.status_code, answer.get_json()["code"]


def test_a_new_task_has_the_documents_members_and_no_others(ann: Caller) -> None:
    """R2, R11: what is absent is omitted, never null; times end in Z."""
    answer = ann.ask("POST", json={"name": "Data Processing", "description": "words"})
    task = answer.get_json()
    assert MOMENT.fullmatch(task.pop("createdAt"))
    assert answer.headers["Location"] == f"/api/tasks/{task['id']}"
    assert parse_id(task.pop("id")) is not None
    assert task == {"name": "Data Processing", "description": "words", "status": "pending", "userId": "ann-sub"}


def test_a_task_shows_its_latest_run(
    ann: Caller, vault: ScriptedVault, attempts: PostgresAttempts, run_demo: RunAttempt
) -> None:
    """R11–R14: queued, then running with progress, then completed with a result."""
    task = ann.task()
    path, task_id = f"/{task['id']}", parse_id(task["id"])
    assert task_id is not None
    token_id = vault.knows(ann.owner, TokenStatus.ACTIVE)
    linked = ann.ask("POST", f"{path}/link-persistent-id", {"persistentTokenId": str(token_id)}).get_json()
    assert (linked["persistentTokenId"], linked["offlineTokenStatus"]) == (str(token_id), "active")
    assert ann.ask("POST", f"{path}/execute").get_json() == {
        "status": "executing",
        "message": "Task is now running",
        "taskId": task["id"],
        "persistentTokenId": str(token_id),
    }
    assert ann.ask("GET", path).get_json() == {**linked, "status": "queued"}
    attempt = attempts.begin(AttemptKey(task_id, 1))
    assert attempt is not None
    attempts.write_progress([(attempt, 30)])
    running = ann.ask("GET", path).get_json()
    assert (running["status"], running["progress"]) == ("running", 30)
    assert "completedAt" not in running
    assert attempts.give_back(attempt)
    run_demo.run(AttemptKey(task_id, 2), lambda: None)
    done = ann.ask("GET", path).get_json()
    assert (done["status"], done["progress"]) == ("completed", 100)
    assert "on behalf of ann" in done["result"]
    assert "error" not in done
    assert MOMENT.fullmatch(done["startedAt"])
    assert MOMENT.fullmatch(done["completedAt"])
    assert code(ann.ask("POST", f"{path}/execute")) == (409, "task_not_executable")


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (None, ("needs_consent", "Task needs offline token. Please request consent first.")),
        (TokenStatus.PENDING, ("waiting_consent", "Waiting for user to grant consent")),
        (TokenStatus.FAILED, ("token_failed", "Token request failed. Please try again.")),
    ],
)
def test_the_messages_of_the_document(
    ann: Caller, vault: ScriptedVault, status: TokenStatus | None, answer: tuple[str, str]
) -> None:
    """R22, to the letter, with status 200."""
    task = ann.task()
    if status is not None:
        vault.knows(ann.owner, status, parse_id(task["id"]))
    said = ann.ask("POST", f"/{task['id']}/execute")
    assert said.status_code == 200
    assert (said.get_json()["status"], said.get_json()["message"]) == answer
    assert ("persistentTokenId" in said.get_json()) == (status is not None)


@pytest.mark.parametrize(
    ("method", "tail", "body"),
    [
        ("GET", "", None),
        ("DELETE", "", None),
        ("POST", "/execute", None),
        ("POST", "/cancel", None),
        ("GET", "/runs", None),
        ("GET", "/runs/1", None),
        ("POST", "/retry", None),
        ("POST", "/link-persistent-id", {"persistentTokenId": str(uuid4())}),
    ],
)
def test_another_persons_task_is_answered_like_none(
    ann: Caller, ben: Caller, method: str, tail: str, body: object
) -> None:
    """Status, code and detail are those of an unknown id, and of text that is no id."""
    task = ann.task()
    answers = []
    for name in (task["id"], f"task-{uuid4()}", "task-123"):
        answer = ben.ask(method, f"/{name}{tail}", body)
        assert code(answer) == (404, "task_not_found")
        answers.append({**answer.get_json(), "requestId": ""})
    assert answers[0] == answers[1] == answers[2]
    assert ann.ask("GET", f"/{task['id']}").get_json() == task


def test_the_list_is_the_callers_and_newest_first(ann: Caller, ben: Caller) -> None:
    """R1."""
    first, second = ann.task(name="first"), ann.task(name="second")
    ben.task(name="his")
    assert ann.ask("GET").get_json() == {"tasks": [second, first]}


def test_a_list_that_goes_on_says_so(ann: Caller, ben: Caller) -> None:
    """By `nextCursor`, on every page but the last; a cursor of another list is a clear problem."""
    made = [ann.task(name=f"task {number}")["id"] for number in range(5)]
    first = ann.ask("GET", "?limit=2&sort=createdAt").get_json()
    second = ann.ask("GET", f"?limit=2&sort=createdAt&cursor={first['nextCursor']}").get_json()
    third = ann.ask("GET", f"?limit=2&sort=createdAt&cursor={second['nextCursor']}").get_json()
    assert [task["id"] for page in (first, second, third) for task in page["tasks"]] == made
    assert set(third) == {"tasks"}
    for caller, query in (
        (ben, f"sort=createdAt&cursor={first['nextCursor']}"),
        (ann, f"cursor={first['nextCursor']}"),
        (ann, f"sort=createdAt&cursor={first['nextCursor']}x"),
        (ann, "cursor="),
        (ann, "cursor=%00"),
    ):
        answer = caller.ask("GET", f"?{query}")
        assert answer.status_code == 422, query
        assert answer.get_json()["code"] in {"cursor_invalid", "invalid_input"}


def test_a_list_tells_how_the_last_runs_ended_when_it_is_asked_to(ann: Caller, vault: ScriptedVault) -> None:
    """Under an `ETag` of its own; a single task and a list that is not asked tell nothing of it."""
    never, executed = ann.task(), ann.task()
    token_id = vault.knows(ann.owner, TokenStatus.ACTIVE)
    ann.ask("POST", f"/{executed['id']}/link-persistent-id", {"persistentTokenId": str(token_id)})
    ann.ask("POST", f"/{executed['id']}/execute")
    listed = ann.ask("GET", "?lastRuns=true")
    told = {task["id"]: task.get("lastRuns") for task in listed.get_json()["tasks"]}
    assert told == {never["id"]: None, executed["id"]: ["queued"]}
    assert listed.headers["ETag"] != list_tag(ann)
    assert all("lastRuns" not in task for task in ann.ask("GET").get_json()["tasks"])
    assert "lastRuns" not in ann.ask("GET", f"/{executed['id']}").get_json()
    assert ann.ask("GET", "?lastRuns=some").status_code == 422


def test_a_list_can_be_filtered_searched_and_counted(ann: Caller, vault: ScriptedVault) -> None:
    """The counts are of all tasks."""
    task, other = ann.task(name="Weekly report"), ann.task(name="Other")
    token_id = vault.knows(ann.owner, TokenStatus.ACTIVE)
    ann.ask("POST", f"/{task['id']}/link-persistent-id", {"persistentTokenId": str(token_id)})
    ann.ask("POST", f"/{task['id']}/execute")
    for query, found in {
        "status=queued": [task["id"]],
        "status=pending,queued&sort=createdAt": [task["id"], other["id"]],
        "status=failed": [],
        "search=week": [task["id"]],
        f"persistentTokenId={token_id}": [task["id"]],
        "kind=demo&sort=name": [other["id"], task["id"]],
    }.items():
        assert [each["id"] for each in ann.ask("GET", f"?{query}").get_json()["tasks"]] == found, query
    counts = ann.ask("GET", "?limit=1&counts=true&status=failed").get_json()["counts"]
    nothing = dict.fromkeys(TaskStatus, 0)
    assert counts == {**nothing, "total": 2, "pending": 1, "queued": 1, "needsConsent": 1, "scheduled": 0}


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=1001", "limit=x", "status=done", "status=", "status=failed,", "sort=color", "kind=",
     "persistentTokenId=7", "search=", "counts=maybe", "page=2", "limit=1&limit=2"],
)  # fmt: skip
def test_a_faulty_query_names_its_parameter(ann: Caller, query: str) -> None:
    """422; nothing is guessed."""
    answer = ann.ask("GET", f"?{query}")
    assert code(answer) == (422, "invalid_input")
    assert query.partition("=")[0] in answer.get_data(as_text=True)


def test_a_schedule_over_http(ann: Caller, ben: Caller, vault: ScriptedVault) -> None:
    """Set, looked at, paused, resumed, run now, changed and removed; the task shows it."""
    task = ann.task(schedule={"cron": "30 2 * * *", "timezone": "Europe/Berlin"})
    path = f"/{task['id']}/schedule"
    assert set(task["schedule"]) == {"cron", "timezone", "overlap", "status", "nextRunAt"}
    seen = [list_tag(ann)]
    outlook = ann.ask("GET", path).get_json()
    assert len(outlook["nextRuns"]) == 5
    assert outlook["nextRuns"][0] == task["schedule"]["nextRunAt"]
    assert outlook["consentForecast"] == "no_access"
    assert len(ann.ask("GET", f"{path}?runs=50").get_json()["nextRuns"]) == 50
    assert ann.ask("POST", f"{path}/pause").get_json()["schedule"]["status"] == "paused"
    seen.append(list_tag(ann))
    assert ann.ask("GET", path).get_json()["nextRuns"] == []
    assert [each["id"] for each in ann.ask("GET", "?schedule=paused").get_json()["tasks"]] == [task["id"]]
    assert ann.ask("GET", "?schedule=active").get_json()["tasks"] == []
    assert ann.ask("POST", f"{path}/resume").get_json()["schedule"] == task["schedule"]
    assert ann.ask("POST", f"{path}/run-now").get_json()["status"] == "needs_consent"
    token_id = vault.knows(ann.owner, TokenStatus.ACTIVE)
    ann.ask("POST", f"/{task['id']}/link-persistent-id", {"persistentTokenId": str(token_id)})
    assert ann.ask("GET", path).get_json()["consentForecast"] == "unknown"
    assert ann.ask("POST", f"{path}/run-now").get_json()["status"] == "executing"
    assert code(ann.ask("POST", f"{path}/run-now")) == (409, "task_not_executable")
    changed = ann.ask("PUT", path, {"cron": "0 0 1 * *", "overlap": "queue"}).get_json()["schedule"]
    assert (changed["cron"], changed["timezone"], changed["overlap"]) == ("0 0 1 * *", "UTC", "queue")
    past = ann.ask("PUT", path, {"runAt": "2020-01-01T12:00:00+02:00"}).get_json()
    assert (past["schedule"]["nextRunAt"], past["message"]) == (
        "2020-01-01T10:00:00Z",
        "runAt has passed: the task runs at once.",
    )
    for method, tail, body in (
        ("GET", "", None),
        ("PUT", "", {"cron": "* * * * *"}),
        ("DELETE", "", None),
        ("POST", "/pause", None),
        ("POST", "/resume", None),
        ("POST", "/run-now", None),
    ):
        assert code(ben.ask(method, f"{path}{tail}", body)) == (404, "task_not_found")
    assert ann.ask("DELETE", path).get_json() == {"status": "deleted", "taskId": task["id"]}
    assert "schedule" not in ann.ask("GET", f"/{task['id']}").get_json()
    for method, tail in (("GET", ""), ("DELETE", ""), ("POST", "/pause"), ("POST", "/resume"), ("POST", "/run-now")):
        assert code(ann.ask(method, f"{path}{tail}")) == (404, "schedule_not_found")
    seen.append(list_tag(ann))
    assert len(set(seen)) == 3


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, ""),
        ({"cron": "* * * * *", "runAt": "2030-01-01T00:00:00Z"}, ""),
        ({"cron": "0 0 30 2 *"}, "/cron"),
        ({"cron": "* * * *"}, "/cron"),
        ({"cron": "* * * * * *"}, "/cron"),
        ({"cron": "every day"}, "/cron"),
        ({"cron": "61 * * * *"}, "/cron"),
        ({"cron": "* " * 60}, "/cron"),
        ({"cron": ""}, "/cron"),
        ({"cron": "* * * * *", "timezone": "Mars/Olympus"}, "/timezone"),
        ({"cron": "* * * * *", "timezone": "../../etc/passwd"}, "/timezone"),
        ({"runAt": "2030-01-01T00:00:00"}, "/runAt"),
        ({"runAt": "tomorrow"}, "/runAt"),
        ({"runAt": "0001-01-01T00:00:00+14:00"}, "/runAt"),
        ({"runAt": "9999-12-31T23:59:59-14:00"}, "/runAt"),
        ({"cron": "* * * * *", "overlap": "both"}, "/overlap"),
        ({"cron": "* * * * *", "seconds": 1}, ""),
    ],
)
def test_a_faulty_schedule_names_its_member(ann: Caller, body: dict[str, object], pointer: str) -> None:
    """Set at once or later; nothing is stored."""
    task = ann.task()
    answer = ann.ask("PUT", f"/{task['id']}/schedule", body)
    assert code(answer) == (422, "invalid_input")
    assert answer.get_json()["errors"][0]["pointer"] == pointer
    assert "schedule" not in ann.ask("GET", f"/{task['id']}").get_json()
    created = ann.ask("POST", json={"name": "a", "schedule": body})
    assert code(created) == (422, "invalid_input")
    assert created.get_json()["errors"][0]["pointer"] == f"/schedule{pointer}"
    assert len(ann.ask("GET").get_json()["tasks"]) == 1


def test_dependencies_over_http(ann: Caller, ben: Caller) -> None:
    """Given at once or later; the graph shows tasks and edges."""
    first, second = ann.task(name="first"), ann.task(name="second")
    third = ann.task(name="third", dependsOn=[second["id"], first["id"]])
    path = f"/{third['id']}/dependencies"
    assert ann.ask("GET", path).get_json() == {"taskId": third["id"], "dependsOn": [first["id"], second["id"]]}
    assert ann.ask("PUT", f"/{second['id']}/dependencies", {"dependsOn": [first["id"]]}).status_code == 200
    graph = ann.ask("GET", f"/{second['id']}/graph").get_json()
    assert [node["id"] for node in graph["nodes"]] == [second["id"], first["id"], third["id"]]
    assert {(edge["taskId"], edge["dependsOn"]) for edge in graph["edges"]} == {
        (third["id"], second["id"]),
        (third["id"], first["id"]),
        (second["id"], first["id"]),
    }
    assert graph["complete"] is True
    assert ann.ask("PUT", path, {"dependsOn": []}).get_json()["dependsOn"] == []
    for method, tail, body in (
        ("GET", "/dependencies", None),
        ("PUT", "/dependencies", {"dependsOn": []}),
        ("GET", "/graph", None),
    ):
        assert code(ben.ask(method, f"/{first['id']}{tail}", body)) == (404, "task_not_found")


def test_faulty_dependencies_are_refused_and_named(ann: Caller, ben: Caller) -> None:
    """Cycles, unknown and foreign ids, repeated ones, too many; nothing is stored."""
    first, his = ann.task(), ben.task()
    second = ann.task(dependsOn=[first["id"]])
    third = ann.task(dependsOn=[second["id"]])
    for depends_on, pointer, detail in (
        ([third["id"]], "/dependsOn", "depend on itself"),
        ([first["id"]], "/dependsOn", "depend on itself"),
        ([his["id"]], "/dependsOn/0", "not the id of a task of yours"),
        ([f"task-{uuid4()}"], "/dependsOn/0", "not the id of a task of yours"),
        ([second["id"], "x"], "/dependsOn/1", "not the id of a task of yours"),
        ([second["id"]] * 2, "/dependsOn/1", "more than once"),
        ([f"task-{uuid4()}" for _ in range(1001)], "/dependsOn", "length <= 1000"),
        (["x"] * 10_000, "/dependsOn", "length <= 1000"),
        ("x", "/dependsOn", ""),
    ):
        answer = ann.ask("PUT", f"/{first['id']}/dependencies", {"dependsOn": depends_on})
        assert code(answer) == (422, "invalid_input"), depends_on
        fault = answer.get_json()["errors"][0]
        assert fault["pointer"] == pointer
        assert detail in fault["detail"]
    assert ann.ask("GET", f"/{first['id']}/dependencies").get_json()["dependsOn"] == []
    created = ann.ask("POST", json={"name": "a", "dependsOn": [first["id"], his["id"]]})
    assert code(created) == (422, "invalid_input")
    assert created.get_json()["errors"][0]["pointer"] == "/dependsOn/1"
    assert len(ann.ask("GET").get_json()["tasks"]) == 3


def test_a_priority_is_kept_and_shown_unless_it_is_the_usual_one(ann: Caller) -> None:
    """Any other word is refused."""
    assert ann.task(priority="high")["priority"] == "high"
    assert "priority" not in ann.task(priority="normal")
    assert code(ann.ask("POST", json={"name": "a", "priority": "highest"})) == (422, "invalid_input")


def test_each_query_has_an_etag_of_its_own(ann: Caller) -> None:
    """A client that keeps one for all its lists is never told that another list has not changed."""
    ann.task()
    tags = {ann.ask("GET", query).headers["ETag"] for query in ("", "?limit=1", "?status=failed")}
    assert len(tags) == 3
    for tag in tags:
        assert ann.ask("GET", **{"If-None-Match": tag}).status_code == (304 if tag == list_tag(ann) else 200)


def test_an_unchanged_list_is_304(
    ann: Caller, ben: Caller, vault: ScriptedVault, attempts: PostgresAttempts, run_demo: RunAttempt
) -> None:
    """Each thing that shows in the list changes its `ETag`; what others do does not."""
    seen = [list_tag(ann)]

    def assert_changed(what: str) -> None:
        tag = list_tag(ann)
        assert tag not in seen, what
        seen.append(tag)
        ben.task()
        unchanged = ann.ask("GET", **{"If-None-Match": f'"other", {tag}'})
        assert (unchanged.status_code, unchanged.data, unchanged.headers["ETag"]) == (304, b"", tag), what

    task = ann.task()
    path, task_id = f"/{task['id']}", parse_id(task["id"])
    assert task_id is not None
    assert_changed("created")
    token_id = vault.knows(ann.owner, TokenStatus.ACTIVE)
    ann.ask("POST", f"{path}/link-persistent-id", {"persistentTokenId": str(token_id)})
    assert_changed("linked")
    ann.ask("POST", f"{path}/execute")
    assert_changed("queued")
    attempt = attempts.begin(AttemptKey(task_id, 1))
    assert attempt is not None
    assert_changed("running")
    for percent in (10, 20):
        attempts.write_progress([(attempt, percent)])
        assert_changed(f"{percent} %")
    attempts.give_back(attempt)
    assert_changed("given back")
    run_demo.run(AttemptKey(task_id, 2), lambda: None)
    assert_changed("completed")
    ann.ask("DELETE", path)
    assert_changed("deleted")


def list_tag(caller: Caller) -> str:
    """The list's `ETag`."""
    return str(caller.ask("GET").headers["ETag"])


def test_deleting_says_so_once(ann: Caller) -> None:
    """R4."""
    task = ann.task()
    assert ann.ask("DELETE", f"/{task['id']}").get_json() == {"status": "deleted", "taskId": task["id"]}
    assert code(ann.ask("DELETE", f"/{task['id']}")) == (404, "task_not_found")


@pytest.mark.parametrize("kind", ["none", "garbage", "other audience", "expired", "not a bearer"])
def test_without_a_good_token_nothing_is_told(
    client: FlaskClient, issuer: StubIssuer, database: Database, kind: str
) -> None:
    """401 with a challenge (RFC 6750 section 3)."""
    headers = {
        "none": {},
        "garbage": {"Authorization": "Bearer garbage"},
        "other audience": {"Authorization": f"Bearer {issuer.token()}"},
        "expired": {
            "Authorization": f"Bearer {issuer.token(payload=issuer.claims(aud='task-service', exp=NOW - 999))}"
        },
        "not a bearer": {"Authorization": "Basic YTpi"},
    }[kind]
    for method, path in (("GET", ""), ("POST", ""), ("GET", f"/task-{uuid4()}"), ("DELETE", f"/task-{uuid4()}")):
        answer = client.open(f"/api/tasks{path}", method=method, headers=headers)
        assert code(answer) == (401, "unauthorized")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer ")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, ""),
        ({"name": ""}, "/name"),
        ({"name": "x" * 201}, "/name"),
        ({"name": "two\nlines"}, "/name"),
        ({"name": 7}, "/name"),
        ({"name": "a", "description": "x" * 2001}, "/description"),
        ({"name": "a", "status": "completed"}, ""),
        ({"name": "a", "kind": 1}, "/kind"),
        ({"name": "a", "retry": {"maxAttempts": 0}}, "/retry/maxAttempts"),
        ({"name": "a", "retry": {"maxAttempts": 21}}, "/retry/maxAttempts"),
        ({"name": "a", "retry": {"maxAttempts": 2.5}}, "/retry/maxAttempts"),
        ({"name": "a", "retry": {"backoff": 1}}, "/retry"),
        ({"name": "a", "retry": {"maxAttempts": 3, "tries": 3}}, "/retry"),
        ({"name": "a", "retry": {"maxAttempts": 3, "backoff": -1}}, "/retry/backoff"),
        ({"name": "a", "retry": {"maxAttempts": 3, "backoff": 90000}}, "/retry/backoff"),
        ({"name": "a", "retry": {"maxAttempts": 3, "backoff": 60, "maxBackoff": 30}}, "/retry/maxBackoff"),
        ({"name": "a", "retry": None}, "/retry"),
        ([], ""),
    ],
)
def test_bad_input_names_the_faulty_part(ann: Caller, body: object, pointer: str) -> None:
    """422 with a JSON Pointer; nothing is created."""
    answer = ann.ask("POST", json=body)
    assert code(answer) == (422, "invalid_input")
    assert answer.get_json()["errors"][0]["pointer"] == pointer
    assert ann.ask("GET").get_json() == {"tasks": []}


def test_only_a_uuid_can_be_linked(ann: Caller) -> None:
    """And only one that the vault knows of this person."""
    path = f"/{ann.task()['id']}/link-persistent-id"
    assert code(ann.ask("POST", path, {"persistentTokenId": "abc"})) == (422, "invalid_input")
    assert code(ann.ask("POST", path, {})) == (422, "invalid_input")
    assert code(ann.ask("POST", path, {"persistentTokenId": str(uuid4())})) == (404, "token_not_found")


def test_another_token_cannot_be_linked_to_a_queued_task(ann: Caller, vault: ScriptedVault) -> None:
    """409; the same one can be linked again."""
    path = f"/{ann.task()['id']}"
    first, second = (vault.knows(ann.owner, TokenStatus.ACTIVE) for _ in range(2))
    ann.ask("POST", f"{path}/link-persistent-id", {"persistentTokenId": str(first)})
    ann.ask("POST", f"{path}/execute")
    again = ann.ask("POST", f"{path}/link-persistent-id", {"persistentTokenId": str(second)})
    assert code(again) == (409, "task_not_linkable")
    assert ann.ask("POST", f"{path}/link-persistent-id", {"persistentTokenId": str(first)}).status_code == 200


def test_an_unavailable_vault_is_503_with_retry_after(ann: Caller, vault: ScriptedVault, look: Look) -> None:
    """Operations that need the vault answer 503; reads answer with the last known status."""
    task = ann.task()
    token_id = vault.knows(ann.owner, TokenStatus.PENDING)
    ann.ask("POST", f"/{task['id']}/link-persistent-id", {"persistentTokenId": str(token_id)})
    vault.unavailable = True
    look("update owners set token_checked_at = 'epoch' returning 1")
    answer = ann.ask("POST", f"/{task['id']}/execute")
    assert code(answer) == (503, "vault_unavailable")
    assert answer.headers["Retry-After"] == "2"
    assert ann.ask("GET", f"/{task['id']}").get_json()["offlineTokenStatus"] == "pending"
    assert ann.ask("GET").status_code == 200


def test_an_unavailable_database_is_503(
    ann: Caller,
    listing: ListTasks,
    monkeypatch: pytest.MonkeyPatch,
    pings: dict[str, Callable[[], None]],
    client: FlaskClient,
) -> None:
    """With Retry-After; the service says that it is not ready."""

    def unavailable(*_: object) -> None:
        raise TaskStorageUnavailableError

    monkeypatch.setattr(listing, "version", unavailable)
    pings["database"] = unavailable
    answer = ann.ask("GET")
    assert code(answer) == (503, "storage_unavailable")
    assert int(answer.headers["Retry-After"]) >= 1
    assert client.get("/readyz").status_code == 503
    assert client.get("/healthz").status_code == 200


def test_the_description_has_every_route_and_the_states_of_the_domain(client: FlaskClient) -> None:
    """`/api/tasks/openapi.json`."""
    document = client.get("/api/tasks/openapi.json").get_json()
    assert {(path, method) for path, item in document["paths"].items() for method in item} == {
        ("/api/tasks", "get"),
        ("/api/tasks", "post"),
        ("/api/tasks/kinds", "get"),
        ("/api/tasks/{task_id}", "get"),
        ("/api/tasks/{task_id}", "delete"),
        ("/api/tasks/{task_id}/link-persistent-id", "post"),
        ("/api/tasks/{task_id}/execute", "post"),
        ("/api/tasks/batch", "post"),
        ("/api/tasks/{task_id}/dependencies", "put"),
        ("/api/tasks/{task_id}/dependencies", "get"),
        ("/api/tasks/{task_id}/graph", "get"),
        ("/api/tasks/{task_id}/schedule", "put"),
        ("/api/tasks/{task_id}/schedule", "get"),
        ("/api/tasks/{task_id}/schedule", "delete"),
        ("/api/tasks/{task_id}/schedule/pause", "post"),
        ("/api/tasks/{task_id}/schedule/resume", "post"),
        ("/api/tasks/{task_id}/schedule/run-now", "post"),
        ("/api/tasks/{task_id}/cancel", "post"),
        ("/api/tasks/{task_id}/runs", "get"),
        ("/api/tasks/{task_id}/runs/{number}", "get"),
        ("/api/tasks/{task_id}/runs/{number}/result", "get"),
        ("/api/tasks/{task_id}/retry", "post"),
    }
    assert set(document["components"]["schemas"]["TaskStatus"]["enum"]) == set(TaskStatus)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.text(min_size=1, max_size=200),
    description=st.text(max_size=300),
    extra=st.dictionaries(st.sampled_from(["id", "userId", "x"]), st.none() | st.integers() | st.text(), max_size=1),
)
def test_any_text_is_kept_but_for_the_blanks_around_it_or_refused(
    ann: Caller, name: str, description: str, extra: dict[str, object]
) -> None:
    """Never a 500, never shortened."""
    answer = ann.ask("POST", json={"name": name, "description": description, **extra})
    if answer.status_code == 201:
        task = ann.ask("GET", f"/{answer.get_json()['id']}").get_json()
        assert extra == {}
        for kept, given in ((task["name"], name), (task["description"], description)):
            before, _, after = given.partition(kept) if kept else (given, "", "")
            assert kept in given
            assert all(unicodedata.category(char)[0] in "ZC" for char in before + after), (kept, given)
    else:
        assert code(answer)[0] in {400, 422}


def test_a_tasks_history_on_the_wire(
    ann: Caller, vault: ScriptedVault, run_demo: RunAttempt, journal: GroupedJournal
) -> None:
    """R32: runs, then one run with attempts and log; a run's number has one spelling."""
    task = ann.task(retry={"maxAttempts": 3})
    path, task_id = f"/{task['id']}", parse_id(task["id"])
    assert task_id is not None
    assert task["retry"] == {"maxAttempts": 3, "backoff": 10.0, "maxBackoff": 600.0}
    assert ann.ask("GET", f"{path}/runs").get_json() == {"runs": []}
    vault.knows(ann.owner, TokenStatus.ACTIVE, task_id)
    ann.ask("POST", f"{path}/execute")
    run_demo.run(AttemptKey(task_id, 1), lambda: None)
    journal.flush()
    assert ann.ask("POST", f"{path}/retry").get_json()["status"] == "executing"
    cancelled = ann.ask("POST", f"{path}/cancel", {"reason": "wrong file"}).get_json()
    assert (cancelled["status"], cancelled["statusReason"]) == ("cancelled", "wrong file")
    listed = ann.ask("GET", f"{path}/runs?limit=1").get_json()
    assert ([run["number"] for run in listed["runs"]], listed["next"]) == ([2], 2)
    (first,) = ann.ask("GET", f"{path}/runs?before=2").get_json()["runs"]
    record = ann.ask("GET", f"{path}/runs/1").get_json()
    assert {name: record[name] for name in first} == first
    assert (first["number"], first["cause"], first["status"], first["progress"]) == (1, "user", "completed", 100)
    (attempt,) = record["attempts"]
    assert (attempt["attempt"], attempt["outcome"], attempt["tokenScopes"]) == (1, "completed", ["openid"])
    assert attempt["requestId"] == f"{task_id}.1"
    assert [set(line) for line in record["log"]] == [{"attempt", "at", "level", "message"}]
    for bad in ("0", "01", "3", "-1", "one", "1.0", "99999999999"):
        assert code(ann.ask("GET", f"{path}/runs/{bad}")) == (404, "run_not_found")
    for query in ("limit=0", "limit=201", "before=x", "after=1", "limit=1&limit=2"):
        assert code(ann.ask("GET", f"{path}/runs?{query}")) == (422, "invalid_input")
    assert code(ann.ask("POST", f"{path}/cancel", {"reason": "two\nlines"})) == (422, "invalid_input")
    assert ann.ask("POST", f"{path}/cancel").get_json() == cancelled
    pending = ann.task()
    assert code(ann.ask("POST", f"/{pending['id']}/cancel")) == (409, "task_not_cancellable")
    assert code(ann.ask("POST", f"/{pending['id']}/retry")) == (409, "task_not_repeatable")


def keyed(key: str) -> dict[str, str]:
    """The header that names a request."""
    return {"Idempotency-Key": key}


def test_creating_with_a_key_happens_once_and_the_answer_is_the_same(ann: Caller, ben: Caller) -> None:
    """Also when the task has changed since; the key is the caller's own, and stands for one request."""
    body = {"name": "a", "description": "words"}
    first = ann.ask("POST", json=body, **keyed("k-1"))
    assert (first.status_code, "Idempotency-Replayed" in first.headers) == (201, False)
    ann.ask("DELETE", f"/{first.get_json()['id']}")
    again = ann.ask("POST", json={"description": "words", "name": "a"}, **keyed('"k-1"'))
    assert (again.status_code, again.data, again.headers["Location"]) == (201, first.data, first.headers["Location"])
    assert again.headers["Idempotency-Replayed"] == "true"
    assert ann.ask("GET").get_json()["tasks"] == []
    assert code(ann.ask("POST", json={"name": "b"}, **keyed("k-1"))) == (422, "idempotency_key_reused")
    assert ben.ask("POST", json=body, **keyed("k-1")).get_json()["id"] != first.get_json()["id"]
    assert ann.ask("POST", json=body, **keyed("k-2")).get_json()["id"] != first.get_json()["id"]
    for bad in ("", "x" * 201, "two words", "a\u00e4", "a,b", '""'):
        assert code(ann.ask("POST", json=body, **keyed(bad))) == (400, "bad_request"), bad


def test_of_twenty_requests_with_one_key_one_creates(ann: Caller) -> None:
    """All have the same answer."""
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: ann.ask("POST", json={"name": "a"}, **keyed("k-1")), range(20)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.data for answer in answers}) == 1
    assert sum("Idempotency-Replayed" not in answer.headers for answer in answers) == 1
    assert len(ann.ask("GET").get_json()["tasks"]) == 1


def test_executing_with_a_key_happens_once(ann: Caller, vault: ScriptedVault, run_demo: RunAttempt, look: Look) -> None:
    """The same answer instead of 409, also after the run; what has changed nothing is asked anew."""
    task = ann.task()
    path, task_id = f"/{task['id']}", parse_id(task["id"])
    assert task_id is not None
    assert ann.ask("POST", f"{path}/execute", **keyed("k-1")).get_json()["status"] == "needs_consent"
    vault.knows(ann.owner, TokenStatus.ACTIVE, task_id)
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: ann.ask("POST", f"{path}/execute", **keyed("k-1")), range(20)))
    assert {(answer.status_code, answer.get_json()["status"]) for answer in answers} == {(200, "executing")}
    assert len({answer.data for answer in answers}) == 1
    assert look("select count(*) from runs") == [(1,)]
    run_demo.run(AttemptKey(task_id, 1), lambda: None)
    assert ann.ask("POST", f"{path}/execute", **keyed("k-1")).data == answers[0].data
    assert code(ann.ask("POST", f"{path}/execute")) == (409, "task_not_executable")
    assert code(ann.ask("POST", f"{path}/retry", **keyed("k-1"))) == (422, "idempotency_key_reused")
    again = [ann.ask("POST", f"{path}/retry", **keyed("k-2")) for _ in range(2)]
    assert again[0].data == again[1].data
    assert look("select count(*) from runs") == [(2,)]


def test_a_key_is_free_again_after_24_hours(ann: Caller, look: Look, receipts: PostgresReceipts) -> None:
    """The key is free whether or not its row was removed."""
    first = ann.ask("POST", json={"name": "a"}, **keyed("k-1"))
    look("update idempotency_keys set created_at = created_at - interval '24 hours' returning 1")
    second = ann.ask("POST", json={"name": "b"}, **keyed("k-1"))
    assert (second.status_code, second.get_json()["name"]) == (201, "b")
    assert second.get_json()["id"] != first.get_json()["id"]
    assert receipts.remove_old(10) == 0
    look("update idempotency_keys set created_at = created_at - interval '24 hours' returning 1")
    assert receipts.remove_old(10) == 1


def test_a_batch_has_a_result_for_each_id(ann: Caller, ben: Caller, vault: ScriptedVault) -> None:
    """Foreign, unknown and impossible ids look the same; one that fails does not affect the others."""
    ready, without, his = ann.task(), ann.task(), ben.task()
    vault.knows(ann.owner, TokenStatus.ACTIVE, parse_id(ready["id"]))
    ids = [his["id"], ready["id"], "nonsense", without["id"], ready["id"], f"task-{uuid4()}"]
    answer = ann.ask("POST", "/batch", {"action": "execute", "ids": ids}).get_json()
    assert [result["id"] for result in answer["results"]] == ids
    said = [result.get("status") or result["problem"]["code"] for result in answer["results"]]
    assert said == ["task_not_found", "executing", "task_not_found", "needs_consent", "executing", "task_not_found"]
    details = {result["problem"]["detail"] for result in answer["results"] if "problem" in result}
    assert len(details) == 1
    assert "nextCursor" not in answer
    again = ann.ask("POST", "/batch", {"action": "execute", "ids": [ready["id"]]}).get_json()
    assert again["results"][0]["problem"]["code"] == "task_not_executable"
    cancelled = ann.ask("POST", "/batch", {"action": "cancel", "ids": [ready["id"]], "reason": "enough"}).get_json()
    assert cancelled["results"] == [{"id": ready["id"], "status": "cancelled"}]
    assert ann.ask("GET", f"/{ready['id']}").get_json()["statusReason"] == "enough"
    assert ben.ask("GET", f"/{his['id']}").get_json() == his


def test_a_batch_links_one_token_to_many_tasks(ann: Caller, ben: Caller, vault: ScriptedVault) -> None:
    """By ids or by a filter, as often as one likes; foreign tasks and foreign tokens do not exist."""
    mine, his = [ann.task()["id"] for _ in range(3)], ben.task()["id"]
    token_id = str(vault.knows(ann.owner, TokenStatus.PENDING, *map(parse_id, mine)))
    vault.asked = 0
    wish = {"action": "link", "ids": [*mine, his], "persistentTokenId": token_id}
    for _ in range(2):
        results = ann.ask("POST", "/batch", wish).get_json()["results"]
        assert [result.get("status") for result in results] == ["linked"] * 3 + [None]
        assert results[3]["problem"]["code"] == "task_not_found"
    assert vault.asked == 2
    vault.says(ann.owner, UUID(token_id), TokenStatus.ACTIVE)
    by_filter = {**wish, "filter": {"persistentTokenId": token_id}}
    del by_filter["ids"]
    assert len(ann.ask("POST", "/batch", by_filter).get_json()["results"]) == 3
    assert {ann.ask("GET", f"/{task_id}").get_json()["offlineTokenStatus"] for task_id in mine} == {"active"}
    theirs = ben.ask("POST", "/batch", {**wish, "ids": [his]}).get_json()["results"]
    assert theirs[0]["problem"]["code"] == "token_not_found"


def test_a_batch_with_a_key_happens_once(ann: Caller, vault: ScriptedVault) -> None:
    """Deleted is deleted, and stays the answer."""
    ids = [ann.task()["id"] for _ in range(3)]
    wish = {"action": "delete", "ids": ids}
    first = ann.ask("POST", "/batch", wish, **keyed("k-1"))
    assert [result["status"] for result in first.get_json()["results"]] == ["deleted"] * 3
    assert ann.ask("POST", "/batch", wish, **keyed("k-1")).data == first.data
    without = ann.ask("POST", "/batch", wish).get_json()
    assert {result["problem"]["code"] for result in without["results"]} == {"task_not_found"}
    assert code(ann.ask("POST", "/batch", {**wish, "action": "cancel"}, **keyed("k-1"))) == (
        422,
        "idempotency_key_reused",
    )


def test_a_batch_that_was_cut_off_goes_on_with_its_key(
    ann: Caller, vault: ScriptedVault, manage: ManageTasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database becomes unavailable after two tasks. These are answered, the rest with 503. The same request again
    handles all, each once.
    """
    ids = [ann.task()["id"] for _ in range(4)]
    wish = {"action": "delete", "ids": ids}
    delete, done = manage.delete, []

    def breaks(*arguments: Any) -> None:
        if len(done) == 2:
            raise TaskStorageUnavailableError
        delete(*arguments)
        done.append(arguments)

    monkeypatch.setattr(manage, "delete", breaks)
    answer = ann.ask("POST", "/batch", wish, **keyed("k-1")).get_json()
    said = [result.get("status") or result["problem"]["code"] for result in answer["results"]]
    assert said == ["deleted", "deleted", "storage_unavailable", "storage_unavailable"]
    monkeypatch.setattr(manage, "delete", delete)
    answer = ann.ask("POST", "/batch", wish, **keyed("k-1")).get_json()
    assert [result.get("status") for result in answer["results"]] == ["deleted"] * 4


def test_a_batch_by_filter_works_in_steps_and_says_how_far(ann: Caller, ben: Caller, vault: ScriptedVault) -> None:
    """Each matching task once, although each step changes which match."""
    ids = {ann.task(name=f"n{number}")["id"] for number in range(7)}
    other = ann.task(name="other")
    ben.task(name="n1")
    wish = {"action": "execute", "filter": {"search": "n", "status": ["pending"]}, "limit": 3}
    vault.knows(ann.owner, TokenStatus.ACTIVE)
    seen, left, cursor = [], [], None
    while True:
        step = ann.ask("POST", "/batch", {**wish, "cursor": cursor} if cursor else wish).get_json()
        seen += [result["id"] for result in step["results"]]
        left.append(step["remaining"])
        cursor = step.get("nextCursor")
        if cursor is None:
            break
    assert (set(seen), len(seen)) == (ids, 7)
    assert left == [4, 1, 0]
    assert ann.ask("GET", f"/{other['id']}").get_json() == other
    all_of_them = ann.ask("POST", "/batch", {"action": "delete", "filter": {}}).get_json()
    assert len(all_of_them["results"]) == 8
    assert ann.ask("GET").get_json()["tasks"] == []


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"action": "execute"}, (422, "invalid_input")),
        ({"action": "execute", "ids": []}, (422, "invalid_input")),
        ({"action": "execute", "ids": ["x"] * 101}, (422, "invalid_input")),
        ({"action": "execute", "ids": ["x"], "filter": {}}, (422, "invalid_input")),
        ({"action": "execute", "ids": ["x"], "cursor": "c"}, (422, "invalid_input")),
        ({"action": "explode", "ids": ["x"]}, (422, "invalid_input")),
        ({"action": "execute", "filter": {"status": ["lost"]}}, (422, "invalid_input")),
        ({"action": "execute", "filter": {"colour": "red"}}, (422, "invalid_input")),
        ({"action": "execute", "filter": {}, "limit": 101}, (422, "invalid_input")),
        ({"action": "execute", "filter": {}, "cursor": "c"}, (422, "cursor_invalid")),
        ({"action": "link", "ids": ["x"]}, (422, "invalid_input")),
        ({"action": "link", "ids": ["x"], "persistentTokenId": "x"}, (422, "invalid_input")),
        ({"action": "execute", "ids": ["x"], "persistentTokenId": str(uuid4())}, (422, "invalid_input")),
    ],
)
def test_a_batch_that_is_wrong_does_nothing(ann: Caller, body: object, expected: tuple[int, str]) -> None:
    """And says where."""
    assert code(ann.ask("POST", "/batch", body)) == expected


def test_a_cursor_of_a_batch_is_its_owners(ann: Caller, ben: Caller) -> None:
    """And its filter's."""
    for caller in (ann, ben):
        for _ in range(3):
            caller.task()
    wish = {"action": "cancel", "filter": {}, "limit": 1}
    cursor = ann.ask("POST", "/batch", wish).get_json()["nextCursor"]
    assert code(ben.ask("POST", "/batch", {**wish, "cursor": cursor})) == (422, "cursor_invalid")
    other = {**wish, "filter": {"status": ["failed"]}, "cursor": cursor}
    assert code(ann.ask("POST", "/batch", other)) == (422, "cursor_invalid")


def test_a_batch_asks_the_vault_once_about_each_token(ann: Caller, vault: ScriptedVault) -> None:
    """One consent for many tasks; an unavailable vault is asked once."""
    token_id = vault.knows(ann.owner, TokenStatus.ACTIVE)
    ids = [ann.task()["id"] for _ in range(5)]
    for task_id in ids:
        ann.ask("POST", f"/{task_id}/link-persistent-id", {"persistentTokenId": str(token_id)})
    asked, vault.unavailable = vault.asked, True
    answer = ann.ask("POST", "/batch", {"action": "execute", "ids": ids}).get_json()
    assert {result["problem"]["code"] for result in answer["results"]} == {"vault_unavailable"}
    assert vault.asked == asked + 1
    vault.unavailable = False
    answer = ann.ask("POST", "/batch", {"action": "execute", "ids": ids}).get_json()
    assert {result["status"] for result in answer["results"]} == {"executing"}
    assert vault.asked == asked + 2


def test_access_that_is_granted_on_the_wire(ann: Caller, vault: ScriptedVault) -> None:
    """A task is created with a token, and deleted with it."""
    token_id = str(vault.knows(ann.owner, TokenStatus.ACTIVE))
    task = ann.task(persistentTokenId=token_id)
    assert (task["persistentTokenId"], task["offlineTokenStatus"]) == (token_id, "active")
    body = {"name": "a", "persistentTokenId": str(uuid4())}
    assert code(ann.ask("POST", json=body)) == (404, "token_not_found")
    assert code(ann.ask("POST", json={"name": "a", "persistentTokenId": "abc"})) == (422, "invalid_input")
    assert code(ann.ask("DELETE", f"/{task['id']}?revokeAccess=maybe")) == (422, "invalid_input")
    assert code(ann.ask("DELETE", f"/{task['id']}?revoke=true")) == (422, "invalid_input")
    deleted = ann.ask("DELETE", f"/{task['id']}?revokeAccess=true").get_json()
    assert deleted == {"status": "deleted", "taskId": task["id"], "accessRevoked": True}
    assert [str(revoked) for revoked in vault.revoked] == [token_id]
    task = ann.task(persistentTokenId=str(shared := vault.knows(ann.owner, TokenStatus.ACTIVE)))
    vault.shared.add(shared)
    deleted = ann.ask("DELETE", f"/{task['id']}?revokeAccess=true").get_json()
    assert deleted == {"status": "deleted", "taskId": task["id"], "accessRevoked": False}


def test_kinds_are_listed_with_the_schema_of_their_parameters(ann: Caller) -> None:
    """By which a page can make a form."""
    (demo,) = ann.ask("GET", "/kinds").get_json()["kinds"]
    assert (demo["kind"], demo["executor"]) == ("demo", "local")
    assert demo["parameters"]["additionalProperties"] is False


@pytest.mark.parametrize(
    ("members", "expected", "pointer"),
    [
        ({"kind": "quantum"}, "kind_unknown", None),
        ({"kind": "http"}, "kind_unknown", None),
        ({"parameters": {"a": 1}}, "parameters_invalid", "/parameters"),
        ({"parameters": {"a": "x" * 16384}}, "parameters_too_large", None),
        ({"parameters": [1]}, "invalid_input", "/parameters"),
        ({"parameters": {"a": "\x00"}}, "parameters_invalid", "/parameters"),
        ({"kind": "Demo"}, "invalid_input", "/kind"),
        ({"kind": "demo\n"}, "invalid_input", "/kind"),
        ({"executor": "process"}, "invalid_input", ""),
    ],
)
def test_a_task_of_an_unknown_kind_or_with_other_parameters_is_refused(
    ann: Caller, members: dict[str, Any], expected: str, pointer: str | None
) -> None:
    """And nothing is stored."""
    answer = ann.ask("POST", json={"name": "a", **members})
    assert code(answer) == (422, expected)
    assert [fault["pointer"] for fault in answer.get_json().get("errors", [])] == ([] if pointer is None else [pointer])
    assert ann.ask("GET").get_json()["tasks"] == []


def test_a_task_shows_its_kind_and_parameters_and_the_demonstration_shows_neither(
    ann: Caller, look: Look, database: Database
) -> None:
    """The members in the customer's document are unchanged."""
    task = ann.task()
    assert not {"kind", "parameters"} & set(task)
    assert ann.task(kind="demo", parameters={}).keys() == task.keys()
    with database.transaction() as connection:
        connection.execute("update tasks set kind = 'http', parameters = '{\"url\": \"https://a.example\"}'")
    shown = ann.ask("GET", f"/{task['id']}").get_json()
    assert (shown["kind"], shown["parameters"]) == ("http", {"url": "https://a.example"})
    assert len(ann.ask("GET", "?kind=http").get_json()["tasks"]) == 2


def test_a_result_that_is_a_file_is_fetched_by_its_owner_only(
    *,
    ann: Caller,
    ben: Caller,
    look: Look,
    files: PostgresResultFiles,
    results: FolderStore,
    attempts: PostgresAttempts,
    vault: ScriptedVault,
) -> None:
    """As an attachment of which a browser shows nothing."""
    task = ann.task(persistentTokenId=str(vault.knows(ann.owner, TokenStatus.ACTIVE)))
    ann.ask("POST", f"/{task['id']}/execute")
    task_id = parse_id(task["id"])
    assert task_id is not None
    attempt = attempts.begin(AttemptKey(task_id, 1))
    assert attempt is not None
    StoreResults(attempts, files, results).complete(attempt, Document(b"<script>", "text/html", 'ö"\r\n.html'))
    path = f"/{task['id']}/runs/1"
    assert ann.ask("GET", path).get_json()["resultFile"] == {
        "name": 'ö"\r\n.html',
        "mediaType": "text/html",
        "size": 8,
    }
    answer = ann.ask("GET", f"{path}/result")
    assert (answer.status_code, answer.data, answer.content_type) == (200, b"<script>", "application/octet-stream")
    disposition = answer.headers["Content-Disposition"]
    assert disposition == "attachment; filename=\"____.html\"; filename*=UTF-8''%C3%B6%22%0D%0A.html"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert code(ben.ask("GET", f"{path}/result")) == (404, "task_not_found")
    assert code(ann.ask("GET", f"/{task['id']}/runs/2/result")) == (404, "run_not_found")
    look("delete from result_files returning key")
    assert code(ann.ask("GET", f"{path}/result")) == (404, "result_not_found")
