"""What others can put into the page: names, links, answers. It stays text, starts nothing, and sticks nowhere out."""

import json
from itertools import cycle
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from api import MANAGER, Api
from browser_login import page_token
from person import Person
from playwright.sync_api import Request, expect
from stack import Stack

from browser.many import ManyTasks
from browser.tab import SCHEMES, STEP, Tab, Tabs

pytestmark = pytest.mark.browser
AT = "2025-01-18T12:00:00Z"
GRANT, ASKED = "5f0c6f0e-3f0b-4a55-9a51-5ad2b4a1c001", "5f0c6f0e-3f0b-4a55-9a51-5ad2b4a1c002"
SCRIPT = "<img src=x onerror=document.title='owned'>"
NAMES = ("W" * 200, "📅" * 100, "تقرير المبيعات اليومي " * 9, "a\u202egnp.exe \u2066isolated", SCRIPT * 4)
"""Without a space, emoji, right to left, marks that turn what follows, markup."""
LONG = NAMES[0]
NARROW = {"width": 320, "height": 800}


@pytest.fixture
def owner(stack: Stack, bob_person: Person) -> Api:
    """Bob without tasks."""
    owner = Api(stack, page_token(stack, bob_person))
    for task in owner.get("/api/tasks").json()["tasks"]:
        owner.delete(f"/api/tasks/{task['id']}")
    return owner


def hostile_task(number: int, name: str, **more: Any) -> dict[str, Any]:
    """A task whose every text is that name."""
    uses = {"persistentTokenId": GRANT, "offlineTokenStatus": "active"}
    task = {"id": f"task-{number}", "name": name, "description": name, "userId": "u", "createdAt": AT}
    return {**task, **uses, "status": "completed", "result": name, "completedAt": AT, **more}


def hostile_answers(tab: Tab) -> None:
    """The services answer with names that nobody should have been able to give."""
    rule = {"cron": "30 7 * * MON-FRI", "timezone": "Europe/Berlin", "overlap": "skip", "status": "active"}
    states: list[dict[str, Any]] = [
        {"schedule": {**rule, "nextRunAt": "2099-01-18T12:00:00Z"}, "lastRuns": ["completed", "failed"] * 5},
        {"status": "failed", "error": NAMES[1], "lastRuns": ["failed"] * 10},
        {"status": "waiting", "waitReason": "retry", "statusReason": NAMES[2], "nextAttemptAt": "2099-01-18T12:00:00Z"},
        {"status": "cancelled", "statusReason": NAMES[3]},
        {"status": "running", "progress": 40},
    ]
    tasks = [hostile_task(n, name, **states[n]) for n, name in enumerate(NAMES)]
    ManyTasks(tasks).serve(tab.page)

    def says(path: str, body: Any) -> None:
        tab.answer(path, 200, json.dumps(body))

    grant = {
        "persistentTokenId": GRANT,
        "status": "active",
        "tokenType": "offline",
        "provider": "W" * 60,
        "uses": 7,
        "scopes": ["s" * 120, "openid"],
        "services": ["W" * 100, "task-service"],
        "createdAt": AT,
        "keptAlive": False,
        "activatedAt": AT,
        "lastUsedAt": AT,
        "name": "W" * 100,
        "account": {"issuer": LONG, "subject": LONG},
        "askedBy": {"client": "c", "name": "W" * 100, "returnTo": f"https://{'w' * 60}.example/"},
    }
    asked = {**grant, "persistentTokenId": ASKED, "status": "pending"}
    line = {
        "at": AT,
        "event": "token.issued",
        "outcome": "W" * 60,
        "actor": LONG,
        "requestId": LONG,
        "taskId": "task-0",
    }
    ticket = {"ticketId": "t-1", "name": LONG, "maker": LONG, "uses": 3, "expiresAt": "2099-01-18T12:00:00Z"}
    run = {"number": 1, "cause": "user", "status": "failed", "createdAt": AT, "startedAt": AT, "completedAt": AT}
    attempt = {"attempt": 1, "persistentTokenId": GRANT, "requestId": LONG, "queuedAt": AT, "startedAt": AT}
    attempt |= {"endedAt": AT, "outcome": "failed", "error": LONG, "tokenScopes": [LONG], "ticketId": LONG}
    log = [{"attempt": 1, "at": AT, "level": "error", "message": name} for name in NAMES]
    nodes = [{"id": f"task-{n}", "name": name, "status": "completed"} for n, name in enumerate(NAMES)]
    edges = [{"taskId": "task-0", "dependsOn": f"task-{n}"} for n in range(1, len(NAMES))]
    kinds = {"type": "object", "properties": {LONG: {"enum": [LONG, "b"]}}}
    says(f"**{MANAGER}/tokens", {"tokens": [grant, asked]})
    says(f"**{MANAGER}/tokens/{ASKED}", asked)
    says("**/audit?limit=*", {"lines": [{**line, "requestId": f"{n}{LONG}"} for n in range(3)]})
    says("**/tickets", {"tickets": [ticket]})
    says("**/task-0/runs", {"runs": [{**run, "error": LONG}]})
    says("**/task-0/runs/1?*", {**run, "error": LONG, "attempts": [attempt], "log": log})
    says("**/task-0/graph", {"nodes": nodes, "edges": edges, "complete": True})
    says("**/task-0/schedule", {"nextRuns": ["2099-01-18T12:00:00Z"], "consentForecast": "unknown"})
    says("**/api/tasks/kinds", {"kinds": [{"kind": "demo", "description": LONG, "parameters": kinds}]})


@pytest.mark.any_server
@pytest.mark.parametrize("language", ["en", "de"])
def test_hostile_names_stay_text_and_fit_wherever_they_stand(open_tab: Tabs, language: str) -> None:
    """At 320 pixels, in both languages: rows, cards, dialogs, the form, each page, and what is told of an action."""
    tab = open_tab(viewport=NARROW)
    hostile_answers(tab)
    tab.page.add_init_script(f"localStorage.setItem('language', '{language}')")
    tab.open()
    tab.page.locator(".hero button").click()
    tab.log_in()
    page = tab.page

    def looks(place: str) -> None:
        tab.fits()
        tab.picture(f"hostile-{place}-{language}")

    rows = page.locator("[data-row-toggle]")
    expect(rows).to_have_count(len(NAMES), timeout=STEP)
    looks("rows")
    for toggle in rows.all():
        toggle.click()
    looks("cards")
    page.locator(".row-delete").first.click()
    looks("delete")
    page.keyboard.press("Escape")
    page.locator("[data-status=running] .task-foot button").first.click()
    expect(tab.dialog()).to_be_visible()
    looks("cancel")
    page.keyboard.press("Escape")
    page.keyboard.press("n")
    page.locator(".create summary").click()
    expect(page.locator(".create select[name=kind]")).to_be_visible(timeout=STEP)
    looks("form")

    tab.open("/tasks/task-0")
    expect(page.locator("[data-graph]")).to_be_visible(timeout=STEP)
    expect(page.locator(".log-lines li")).to_have_count(len(NAMES), timeout=STEP)
    expect(page.locator(".ledger tbody tr")).to_have_count(3, timeout=STEP)
    looks("task")

    tab.open("/access")
    page.locator(".twin summary").click()
    looks("access")
    page.locator(f"[data-grant-id='{GRANT}'] .lane-actions button").last.click()
    expect(page.locator("[data-blast]")).to_be_visible(timeout=STEP)
    looks("revoke")
    tab.open(f"/access/{GRANT}")
    expect(page.locator("[data-ticket]")).to_be_visible(timeout=STEP)
    page.locator(".page-head button").click()
    looks("access-detail")
    tab.open(f"/consent/{ASKED}")
    expect(page.locator(".decision dl")).to_be_visible(timeout=STEP)
    looks("request")

    assert page.locator("img[src=x]").count() == 0
    assert page.title() == "Task Manager"


@pytest.mark.any_server
def test_hostile_names_that_the_services_take_are_told_in_toasts_and_troubles(open_tab: Tabs, owner: Api) -> None:
    """As text, of a long name the beginning; direction marks are refused at the door."""
    for name in NAMES:
        made = owner.post("/api/tasks", {"name": name, "description": SCRIPT})
        assert made.status_code == (422 if "\u202e" in name else 201)
    tab = open_tab(viewport=NARROW)
    tab.sign_in("bob")
    card = tab.page.locator("article").filter(has_text=SCRIPT).first
    expect(card).to_be_visible(timeout=STEP)
    tab.page.get_by_role("button", name=f"Delete {LONG}").click()
    tab.dialog().get_by_role("button", name="Delete").click()
    expect(tab.page.locator("[data-toast]")).to_contain_text(f"“{LONG[:60]}…” was deleted.", timeout=STEP)
    tab.fits()
    tab.refuse("**/api/tasks/task-*", "W" * 200, 409)
    tab.page.get_by_role("button", name="Delete <img").click()
    tab.dialog().get_by_role("button", name="Delete").click()
    expect(tab.page.locator("[data-trouble]").first).to_be_visible(timeout=STEP)
    tab.fits()
    for scheme in SCHEMES:
        tab.page.emulate_media(color_scheme=scheme)
        tab.picture(f"hostile-told-{scheme}")
    assert tab.page.locator("img[src=x]").count() == 0
    assert tab.page.title() == "Task Manager"


LINKS = (
    "/tasks?error=consent_denied&task_id={task}",
    "/tasks?error=%3Cscript%3E&error=b",
    "/tasks?error=" + "x" * 4000,
    "/tasks?persistent_token_id={token}&task_id={task}",
    "/tasks?persistent_token_id=..%2F..%2Fetc&task_id=%00",
    "/tasks?code=x&state=y&iss=https%3A%2F%2Fevil.example",
    "/tasks?error=login_required&state=y",
    "/tasks?status=%3Cb%3E&sort=drop&q=%E2%80%AE%3Cb%3E&after=%3Cb%3E",
    "/tasks?q=" + "W" * 4000 + "&after=" + "x" * 3000,
    "/tasks?q=%E0%A4%A&status=all&status=failed",
)
"""Addresses of the list with whatever else a link may hold."""
TAKEN = {"error", "task_id", "persistent_token_id", "code", "state", "iss", "secret"}
"""Parameters that do not stay in the address."""


def test_crafted_links_start_nothing(open_tab: Tabs, owner: Api, bob: Api, bob_person: Person) -> None:
    """The page may show a message. The links change nothing, and their parameters leave the address."""
    token, task = bob.grant(bob_person), owner.create_task("Target of a link")
    tab = open_tab()
    tab.sign_in("bob")
    changing: list[Request] = []
    tab.page.on("request", lambda r: changing.append(r) if r.method != "GET" and "/api/" in r.url else None)
    for link in LINKS:
        tab.open(link.replace("{task}", task).replace("{token}", token))
        tab.shows("Your tasks")
        assert tab.page.url.startswith(tab.stack.gateway), link
        assert not TAKEN & parse_qs(urlsplit(tab.page.url).query, keep_blank_values=True).keys(), link
        tab.fits()
        assert tab.page.title() == "Task Manager", link
    assert [request.url for request in changing] == []
    assert "persistentTokenId" not in owner.task(task)
    owner.delete(f"{MANAGER}/tokens/{token}")


BODIES = (
    "<!doctype html><title>Welcome to the hotel</title>",
    '{"tasks": [{"id": "ta',
    "null",
    '{"tasks": null, "tokens": null, "lines": null, "runs": null}',
    '{"tasks": [{}], "tokens": [7], "lines": "x", "runs": {}}',
)
"""A network's sign-in page, half an answer, and JSON of other kinds; more in `frontend/tests/shapes.test.ts`."""


@pytest.mark.any_server
def test_answers_of_any_other_kind_are_told_and_the_page_goes_on(open_tab: Tabs, owner: Api) -> None:
    """Every answer of both services, each of another kind; when they are right again, so is the page, by itself."""
    task = owner.create_task("Behind a hotel's network")
    tab = open_tab()
    tab.sign_in("bob")
    card = tab.card("Behind a hotel's network")
    expect(card).to_be_visible(timeout=STEP)
    health = tab.page.locator("[data-health]")
    bodies = cycle(BODIES)
    tab.page.route("**/api/**", lambda route: route.fulfill(body=next(bodies), content_type="application/json"))
    expect(health).to_contain_text("Something changes the server's answers", timeout=STEP)
    tab.page.get_by_role("button", name="Request Offline Token").click()
    expect(card.get_by_role("alert")).to_contain_text("The answer could not be read", timeout=STEP)
    for path in (f"/tasks/{task}", "/access", f"/access/{GRANT}", f"/consent/{GRANT}"):
        tab.page.evaluate(
            "path => { history.pushState(null, '', path); dispatchEvent(new PopStateEvent('popstate')) }", path
        )
        expect(health).to_contain_text("Something changes the server's answers", timeout=STEP)
        expect(tab.page.locator("[data-no-page]")).to_have_count(0)
        tab.fits()
    tab.page.unroute_all()
    tab.page.get_by_role("link", name="Tasks", exact=True).click()
    expect(card).to_be_visible(timeout=2 * STEP)
