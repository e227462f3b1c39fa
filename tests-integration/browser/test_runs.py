"""The runs of a task in a real browser: attempts, log and ledger, cancelled, run again, and tried again."""

import json
from typing import Any

import pytest
from api import MANAGER, Api
from browser_login import page_token
from person import Person
from playwright.sync_api import expect
from stack import Stack

from browser.many import ManyTasks
from browser.tab import EXECUTE, REQUEST_TOKEN, RUN, STEP, Tab, Tabs

pytestmark = pytest.mark.browser
AT = "2025-01-18T12:00:%02dZ"
GRANT = "5f0c6f0e-3f0b-4a55-9a51-5ad2b4a1c001"
TASK: dict[str, Any] = {"description": "", "createdAt": AT % 0, "userId": "u"}
USABLE = {"persistentTokenId": GRANT, "offlineTokenStatus": "active"}
STATES: dict[str, dict[str, Any]] = {
    "Never executed": {"status": "pending"},
    "Waits for a worker": {"status": "queued", **USABLE},
    "Under way": {"status": "running", "progress": 40, **USABLE},
    "Done": {"status": "completed", "completedAt": AT % 20, "result": "42 files.", **USABLE},
    "Broken": {"status": "failed", "completedAt": AT % 20, "error": "The disk is full.", **USABLE},
    "Stopped": {"status": "cancelled", "completedAt": AT % 20, "statusReason": "wrong input file", **USABLE},
    "Tried again": {
        "status": "waiting",
        "waitReason": "retry",
        "statusReason": "The vault did not answer.",
        "nextAttemptAt": "2099-01-18T12:00:00Z",
        "retry": {"maxAttempts": 5, "backoff": 10, "maxBackoff": 600},
        **USABLE,
    },
    "Behind another": {"status": "waiting", "waitReason": "dependency", "statusReason": "Waits for “Load”.", **USABLE},
}


@pytest.fixture
def owner(stack: Stack, bob_person: Person) -> Api:
    """Bob without tasks."""
    owner = Api(stack, page_token(stack, bob_person))
    for task in owner.get("/api/tasks").json()["tasks"]:
        owner.delete(f"/api/tasks/{task['id']}")
    return owner


def answer_with(tab: Tab, path: str, body: Any) -> None:
    """The server answers a GET of that path with this."""
    tab.answer(path, 200, json.dumps(body))


def invented_run(lines: int, more: bool) -> dict[str, Any]:
    """A run of three attempts, the first two of which failed, with a log."""
    attempt = {"persistentTokenId": GRANT, "requestId": "r-1", "tokenScopes": ["openid", "email"]}
    ends = [(1, 2, 6, "failed"), (2, 16, 20, "crashed"), (3, 40, 50, "completed")]
    attempts = [
        {
            **attempt,
            "attempt": number,
            "queuedAt": AT % (begin - 1),
            "startedAt": AT % begin,
            "endedAt": AT % end,
            "outcome": outcome,
            "tokenFetchedAt": AT % begin,
            "tokenExpiresAt": AT % 59,
            **({"error": "The other end closed the connection."} if outcome == "failed" else {}),
        }
        for number, begin, end, outcome in reversed(ends)
    ]
    levels = ["debug", "info", "warning", "error"]
    log = [
        {
            "attempt": 1 + n % 3,
            "at": AT % (n % 60),
            "level": levels[n % 4],
            "message": f"Line {n} " + "x" * (40 * (n % 3)),
        }
        for n in range(lines)
    ]
    run = {"number": 7, "cause": "user", "status": "completed", "createdAt": AT % 0, "failures": 1, "crashes": 1}
    times = {"startedAt": AT % 2, "completedAt": AT % 50, "result": "42 files."}
    return {**run, **times, "attempts": attempts, "log": log, **({"logNext": lines} if more else {})}


@pytest.mark.any_server
def test_a_task_shows_how_its_runs_went_and_is_run_again(open_tab: Tabs, owner: Api) -> None:
    """The run has its attempt with scopes and ticket, and a log by level; a second run comes on top."""
    tab = open_tab()
    tab.sign_in("bob")
    card = tab.create_ready("With history")
    card.get_by_role("button", name=EXECUTE).click()
    card.get_by_role("link", name="Open With history").click()
    tab.shows("With history")
    first = tab.card("Run 1")
    expect(first).to_have_attribute("data-run-status", "completed", timeout=RUN)
    expect(tab.page.locator("[data-outcome=success]")).to_have_count(1, timeout=STEP)
    expect(first.locator(".box")).to_have_count(0)
    attempt = first.locator("[data-attempt]")
    expect(attempt).to_contain_text("profile", timeout=STEP)
    expect(attempt).to_contain_text("Ticket")
    expect(attempt.get_by_role("link")).to_have_attribute(
        "href", f"/access/{owner.task(id_of(tab))['persistentTokenId']}"
    )
    log = first.get_by_role("region", name="Log of run 1")
    expect(log).to_contain_text("Working on behalf of", timeout=STEP)
    log.get_by_label("Lines shown").select_option("Errors")
    expect(log).to_contain_text("No line that is loaded matters that much.")
    expect(log).to_contain_text("the whole log")
    ledger = tab.page.get_by_role("table")
    expect(ledger.get_by_role("row").nth(1)).to_be_visible(timeout=STEP)
    tab.page.set_viewport_size({"width": 360, "height": 800})
    assert ledger.evaluate("e => e.parentElement.scrollWidth <= e.parentElement.clientWidth")
    expect(ledger.get_by_role("cell").first).to_be_visible()
    tab.pictures("task")
    tab.page.get_by_role("button", name="Run again").click()
    expect(tab.card("Run 2")).to_be_visible(timeout=STEP)
    expect(tab.page.get_by_role("img", name="The last 2 runs: ")).to_have_attribute("data-strip-of", "2")
    assert [run["cause"] for run in owner.get(f"/api/tasks/{id_of(tab)}/runs").json()["runs"]] == ["user", "user"]


def id_of(tab: Tab) -> str:
    """The id of the task whose page is open."""
    return tab.page.url.rpartition("/")[2]


@pytest.mark.any_server
def test_a_run_is_cancelled_with_a_reason(open_tab: Tabs, owner: Api) -> None:
    """The row and the service say why."""
    tab = open_tab()
    tab.sign_in("bob")
    card = tab.create_ready("To be cancelled")
    card.get_by_role("button", name=EXECUTE).click()
    card.get_by_role("button", name="Cancel run").click()
    tab.dialog().get_by_label("Reason").fill("wrong input file")
    tab.dialog().get_by_role("button", name="Cancel run").click()
    expect(card).to_have_attribute("data-status", "cancelled", timeout=STEP)
    expect(card.locator("[data-note]")).to_contain_text("Cancelled: wrong input file")
    [task] = owner.get("/api/tasks").json()["tasks"]
    assert task["statusReason"] == "wrong input file"


def test_access_that_is_revoked_in_mid_run_is_told_on_the_page_of_the_task(open_tab: Tabs, owner: Api) -> None:
    """The run ends well with the token that it has; the page says that the access has ended."""
    tab = open_tab()
    tab.sign_in("bob")
    card = tab.create_ready("Revoked in mid-run")
    card.get_by_role("button", name=EXECUTE).click()
    card.get_by_role("link", name="Open Revoked in mid-run").click()
    tab.shows("Revoked in mid-run")
    task = id_of(tab)
    state = tab.page.get_by_role("region", name="State of the task")
    expect(state.get_by_role("progressbar")).to_be_visible(timeout=STEP)
    assert owner.delete(f"{MANAGER}/tokens/{owner.task(task)['persistentTokenId']}").status_code == 200
    expect(state).to_contain_text("Token failed", timeout=STEP)
    expect(state).to_have_attribute("data-status", "completed", timeout=RUN)
    expect(tab.page.get_by_role("region", name="Access it uses")).to_contain_text(
        "task-service may act as you no more.", timeout=STEP
    )
    expect(state.get_by_role("button", name="Run again")).to_have_count(0)
    expect(state).to_contain_text("Token request failed. Please try again.")
    tab.pictures("revoked-in-mid-run")
    state.get_by_role("button", name=REQUEST_TOKEN).click()
    tab.consent()
    expect(state.get_by_role("button", name="Run again")).to_be_visible(timeout=STEP)
    expect(state.get_by_role("button", name=REQUEST_TOKEN)).to_have_count(0)


@pytest.mark.any_server
def test_a_retry_policy_is_given_at_creation_and_shown(open_tab: Tabs, owner: Api) -> None:
    """An impossible value is reported at its field."""
    tab = open_tab()
    tab.sign_in("bob")
    tab.page.keyboard.press("n")
    tab.page.get_by_text("More options").click()
    attempts = tab.page.get_by_role("textbox", name="Attempts")
    attempts.fill("21")
    tab.page.get_by_role("textbox", name="Name").fill("Tries five times")
    tab.page.get_by_role("button", name="Create Task").click()
    expect(tab.page.get_by_text("Give a whole number from 1 to 20.")).to_be_visible()
    expect(attempts).to_be_focused()
    tab.pictures("create-more")
    attempts.fill("5")
    tab.page.get_by_role("button", name="Create Task").click()
    card = tab.card("Tries five times")
    card.get_by_role("link", name="Open Tries five times").click()
    expect(tab.page.get_by_text("up to 5 attempts, pauses from 10 s to 10 min")).to_be_visible(timeout=STEP)
    assert owner.task(id_of(tab))["retry"]["maxAttempts"] == 5


@pytest.mark.any_server
def test_a_kind_brings_its_fields_and_a_task_may_use_granted_access_from_the_beginning(
    open_tab: Tabs, owner: Api
) -> None:
    """The kind's schema makes the form; parameters are sent with their types, and an objection stands at its place."""
    tab = open_tab()
    parameters = {
        "type": "object",
        "properties": {"url": {"type": "string"}, "method": {"enum": ["GET", "POST"], "default": "GET"}},
        "required": ["url"],
    }
    kinds = [
        {"kind": name, "description": f"Does {name}.", "executor": "worker", "parameters": schema}
        for name, schema in {"demo": {"type": "object"}, "invented": parameters}.items()
    ]
    answer_with(tab, "**/api/tasks/kinds", {"kinds": kinds})
    tab.sign_in("bob")
    tab.create_ready("Has access")
    tab.page.keyboard.press("n")
    tab.page.get_by_role("textbox", name="Name").fill("Borrows it")
    tab.page.get_by_text("More options").click()
    tab.page.get_by_role("combobox", name="Access to use").select_option(label="Has access")
    tab.page.get_by_role("combobox", name="Kind").select_option("invented")
    tab.page.get_by_role("textbox", name="url").fill("https://example.org/")
    tab.page.get_by_role("combobox", name="method").select_option("POST")
    tab.pictures("create-kind")
    with tab.page.expect_request(
        lambda request: request.method == "POST" and request.url.endswith("/api/tasks")
    ) as sent:
        tab.page.get_by_role("button", name="Create Task").click()
    body = sent.value.post_data_json or {}
    assert (body["kind"], body["parameters"]) == ("invented", {"url": "https://example.org/", "method": "POST"})
    expect(tab.page.locator("#kind-error, .create [data-trouble]").first).to_be_visible(timeout=STEP)
    tab.page.get_by_role("combobox", name="Kind").select_option("demo")
    tab.page.get_by_role("button", name="Create Task").click()
    expect(tab.card("Borrows it").get_by_text("Token active")).to_be_visible(timeout=STEP)


@pytest.mark.any_server
def test_each_state_has_its_look_and_says_why(open_tab: Tabs) -> None:
    """Open and closed, at each width, in both schemes."""
    tab = open_tab()
    tasks = [{**TASK, **state, "id": f"task-{n}", "name": name} for n, (name, state) in enumerate(STATES.items())]
    ManyTasks(tasks).serve(tab.page)
    tab.sign_in()
    expect(tab.card("Tried again")).to_contain_text("Retrying", timeout=STEP)
    expect(tab.card("Tried again")).to_contain_text("The vault did not answer.")
    tab.pictures("states-closed")
    for toggle in tab.page.locator("[data-row-toggle]").all():
        toggle.click()
    expect(tab.card("Tried again").locator("[data-note]")).to_contain_text("Next attempt in")
    expect(tab.card("Stopped").locator("[data-note]")).to_contain_text("wrong input file")
    tab.pictures("states-open")
    tab.card("Under way").get_by_role("button", name="Cancel run").click()
    tab.pictures("cancel", whole=False)


@pytest.mark.any_server
def test_attempts_and_a_capped_log_are_shown_and_say_that_there_is_more(open_tab: Tabs) -> None:
    """The next page of the log is added. The filter covers all loaded lines."""
    tab = open_tab()
    ManyTasks([{**TASK, **STATES["Done"], "id": "task-1", "name": "Long log"}]).serve(tab.page)
    run = invented_run(200, more=True)
    summary = {name: value for name, value in run.items() if name not in {"attempts", "log", "logNext"}}
    older = {
        **summary,
        "number": 6,
        "status": "failed",
        "error": "The disk is full.",
        "result": None,
        "completedAt": AT % 25,
    }
    answer_with(tab, "**/api/tasks/task-1/runs", {"runs": [summary, older], "next": 6})
    answer_with(tab, "**/api/tasks/task-1/runs/7?logAfter=0", run)
    answer_with(tab, "**/api/tasks/task-1/runs/7?logAfter=200", invented_run(40, more=False))
    tab.sign_in()
    tab.open("/tasks/task-1")
    latest = tab.card("Run 7")
    expect(latest.locator("[data-attempt]")).to_have_count(3, timeout=STEP)
    expect(tab.page.get_by_role("img", name="The last 2 runs: Failed: 1, Completed: 1")).to_be_visible()
    expect(latest).to_contain_text("200 of the first 200 lines. There are more.")
    latest.get_by_label("Lines shown").select_option("Warnings and errors")
    expect(latest).to_contain_text("100 of the first 200 lines. There are more.")
    tab.pictures("runs")
    latest.get_by_role("button", name="Load more lines").click()
    expect(latest).to_contain_text("120 of 240 lines: the whole log.", timeout=STEP)
    expect(tab.page.get_by_role("button", name="Show older runs")).to_be_visible()
    for media in ({"forced_colors": "active"}, {"forced_colors": "none", "reduced_motion": "reduce"}):
        tab.page.emulate_media(**media)  # type: ignore[arg-type]
        tab.is_accessible()
        tab.picture(f"runs-{next(iter(media.values()))}")
