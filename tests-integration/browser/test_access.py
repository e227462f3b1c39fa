"""Offline access in a real browser: given once for many, seen in use, and taken back."""

import re

import pytest
import requests
from api import MANAGER, Api, command_line_token
from browser_login import page_token
from person import Person
from playwright.sync_api import expect
from stack import TIMEOUT, Stack, eventually

from browser.tab import EXECUTE, REQUEST_TOKEN, RUN, STEP, Tabs

pytestmark = pytest.mark.browser


@pytest.fixture
def owner(stack: Stack, bob_person: Person) -> Api:
    """Bob, whose grants these tests look at, with all that he has given before taken back."""
    owner = Api(stack, page_token(stack, bob_person))
    for task in owner.get("/api/tasks").json()["tasks"]:
        owner.delete(f"/api/tasks/{task['id']}")
    for token in owner.get(f"{MANAGER}/tokens").json()["tokens"]:
        owner.delete(f"{MANAGER}/tokens/{token['persistentTokenId']}")
    return owner


def active(owner: Api) -> list[str]:
    """The ids of the owner's active grants."""
    tokens = owner.get(f"{MANAGER}/tokens").json()["tokens"]
    return [token["persistentTokenId"] for token in tokens if token["status"] == "active"]


def test_one_consent_serves_a_selection(open_tab: Tabs, owner: Api) -> None:
    """Three tasks, one question, one grant."""
    names = ["First of three", "Second of three", "Third of three"]
    for name in names:
        owner.create_task(name)
    tab = open_tab()
    tab.sign_in("bob")
    for name in names:
        tab.page.get_by_role("checkbox", name=f"Select {name}").check()
    tab.is_accessible()
    tab.page.get_by_role("button", name="One consent for 3").click()
    tab.consent()
    for name in names:
        expect(tab.card(name).get_by_text("Token active")).to_be_visible(timeout=STEP)
    assert len(active(owner)) == 1
    for name in names:
        tab.page.get_by_role("checkbox", name=f"Select {name}").check()
    tab.page.get_by_role("button", name="Execute 3").click()
    for name in names:
        expect(tab.card(name)).to_have_attribute("data-status", re.compile("queued|running|completed"), timeout=STEP)


def test_a_granted_access_is_used_instead_of_a_new_consent(open_tab: Tabs, owner: Api) -> None:
    """The browser does not leave the page."""
    tab = open_tab()
    tab.sign_in("bob")
    tab.create_ready("Has access")
    card = tab.create("Borrows access")
    card.get_by_label("Or use an access that you have granted").select_option(label="Has access")
    card.get_by_role("button", name="Use it").click()
    expect(card.get_by_text("Token active")).to_be_visible(timeout=STEP)
    assert len(active(owner)) == 1


def test_runs_to_come_are_in_the_picture_and_in_what_a_revocation_breaks(open_tab: Tabs, owner: Api) -> None:
    """The picture has hollow ticks right of now. The dialog names each task with its next run, the ledger the task."""
    tab = open_tab()
    tab.sign_in("bob")
    card = tab.create_ready("Every five minutes")
    card.get_by_role("button", name=EXECUTE).click()
    expect(card).to_have_attribute("data-status", "completed", timeout=RUN)
    [task] = owner.get("/api/tasks").json()["tasks"]
    answer = owner.call("PUT", f"/api/tasks/{task['id']}/schedule", json={"cron": "*/5 * * * *", "timezone": "UTC"})
    assert answer.status_code == 200, answer.text
    tab.open("/access")
    lane = tab.card("Every five minutes")
    expect(lane.locator(".lane-run")).to_have_count(1, timeout=STEP)
    expect(lane.get_by_role("img", name="scheduled runs to come")).to_be_visible()
    expect(lane).to_contain_text("by Every five minutes", timeout=STEP)
    tab.pictures("forecast")
    lane.get_by_role("button", name="Revoke").click()
    expect(tab.dialog()).to_contain_text("Next run", timeout=STEP)
    tab.pictures("blast")
    tab.page.keyboard.press("Escape")
    lane.get_by_role("link", name="Every five minutes").first.click()
    expect(tab.page.get_by_role("table").get_by_role("link", name="Every five minutes").first).to_be_visible(
        timeout=STEP
    )
    expect(tab.page.get_by_role("region", name="Tickets")).to_contain_text("Nobody holds a ticket", timeout=STEP)
    tab.pictures("access-detail-forecast")


def test_a_ticket_is_ended_in_the_page_and_its_grant_stays(open_tab: Tabs, stack: Stack) -> None:
    """The ticket's holder gets no more tokens. The command that makes another ticket can be copied."""
    owner = Api(stack, command_line_token(stack, "alice"))
    tab = open_tab()
    tab.sign_in()
    grant = owner.grant(Person("alice"))
    made = owner.post("/api/auth/manager/tickets", {"id": grant, "name": "cron on login3"}).json()
    tab.open(f"/access/{grant}")
    tickets = tab.page.get_by_role("region", name="Tickets")
    expect(tickets).to_contain_text("cron on login3", timeout=STEP)
    tab.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    tickets.get_by_role("button", name="Copy the command").click()
    copied = eventually(lambda: tab.page.evaluate("navigator.clipboard.readText()"), "the command is copied")
    assert f"ticket create {grant} " in copied
    tickets.get_by_role("button", name="End cron on login3").click()
    expect(tickets).to_contain_text("Nobody holds a ticket", timeout=STEP)
    used = requests.get(
        f"{stack.gateway}/api/auth/manager/access-token",
        headers={"Authorization": f"Bearer {made['ticket']}"},
        timeout=TIMEOUT,
    )
    assert (used.status_code, used.json()["code"]) == (401, "ticket_ended")
    assert owner.get(f"/api/auth/manager/tokens/{grant}").json()["status"] == "active"


def test_a_second_consent_replaces_the_first(open_tab: Tabs, owner: Api) -> None:
    """Renewed for the task that uses it; what it replaces is revoked, and the person is back where they were."""
    tab = open_tab()
    tab.sign_in("bob")
    tab.create_ready("Renewed")
    [first] = active(owner)
    tab.page.get_by_role("link", name="Access", exact=False).first.click()
    tab.shows("Access you have granted")
    tab.card("Renewed").get_by_role("button", name="Renew").click()
    tab.consent()
    tab.shows("Access you have granted")
    [second] = eventually(lambda: now if (now := active(owner)) and first not in now else None, "the first is revoked")
    assert second != first


def test_two_tabs_that_ask_for_one_task_leave_one_access(open_tab: Tabs, owner: Api) -> None:
    """The later answer wins."""
    tab = open_tab()
    tab.sign_in("bob")
    card = tab.create("Asked twice")
    other = open_tab(beside=tab)
    other.open()
    for asking in (tab, other):
        asking.card("Asked twice").get_by_role("button", name=REQUEST_TOKEN).click()
        expect(asking.page.locator("[name=accept]")).to_be_visible(timeout=STEP)
    tab.consent()
    expect(card.get_by_text("Token active")).to_be_visible(timeout=STEP)
    other.consent()
    expect(other.card("Asked twice").get_by_text("Token active")).to_be_visible(timeout=STEP)
    eventually(lambda: len(active(owner)) == 1, "one access is left")


def test_deleting_the_last_task_of_an_access_revokes_it_unless_told_otherwise(open_tab: Tabs, owner: Api) -> None:
    """The box is ticked."""
    tab = open_tab()
    tab.sign_in("bob")
    card = tab.create_ready("Last of its access")
    card.get_by_role("button", name="Delete Last of its access").click()
    expect(tab.dialog().get_by_role("checkbox")).to_be_checked()
    tab.is_accessible()
    tab.dialog().get_by_role("button", name="Delete").click()
    expect(card).to_have_count(0, timeout=STEP)
    eventually(lambda: active(owner) == [], "the access is revoked")


def test_access_is_seen_in_use_and_revoked_knowing_what_breaks(open_tab: Tabs, owner: Api) -> None:
    """The lane has a tick, the dialog names the task, and the task says that it needs a new token."""
    tab = open_tab()
    tab.sign_in("bob")
    card = tab.create_ready("Nightly export")
    card.get_by_role("button", name=EXECUTE).click()
    expect(card).to_have_attribute("data-status", "completed", timeout=RUN)
    tab.page.get_by_role("link", name="Access", exact=False).first.click()
    lane = tab.card("Nightly export")
    expect(lane).to_contain_text("task-service may act as you", timeout=STEP)
    expect(lane).to_contain_text("Used once", timeout=STEP)
    expect(lane.get_by_role("img", name="Used once in the time shown.")).to_be_visible(timeout=STEP)
    tab.page.locator("summary").click()
    expect(tab.page.get_by_role("row", name="Nightly export")).to_be_visible()
    tab.pictures("access")
    lane.get_by_role("button", name="Revoke").click()
    expect(tab.dialog().locator("[data-blast='1']")).to_contain_text("Nightly export")
    tab.pictures("revoke")
    tab.dialog().get_by_role("button", name="Revoke access").click()
    expect(lane).to_have_attribute("data-status", "revoked", timeout=STEP)
    assert active(owner) == []


def test_what_no_task_uses_is_revoked_at_once(open_tab: Tabs, owner: Api, bob: Api, bob_person: Person) -> None:
    """Access that was asked for by curl, or whose task is gone."""
    for _ in range(2):
        bob.grant(bob_person)
    tab = open_tab()
    tab.sign_in("bob")
    tab.page.get_by_role("link", name="Access", exact=False).first.click()
    tab.page.get_by_role("button", name="Revoke all 2").click()
    tab.dialog().get_by_role("button", name="Revoke 2 grants").click()
    expect(tab.page.locator("[data-group=unused]")).to_have_count(0, timeout=STEP)
    assert active(owner) == []


def test_a_revocation_elsewhere_shows_by_itself(open_tab: Tabs, owner: Api) -> None:
    """Within the time of a poll; the test allows for a slow machine."""
    tab = open_tab()
    tab.sign_in("bob")
    tab.create_ready("Watched")
    tab.page.get_by_role("link", name="Access", exact=False).first.click()
    expect(tab.card("Watched")).to_have_attribute("data-status", "active", timeout=STEP)
    [grant] = active(owner)
    assert owner.delete(f"{MANAGER}/tokens/{grant}").status_code == 200
    expect(tab.card("Watched")).to_have_attribute("data-status", "revoked", timeout=STEP)


def test_the_audit_trail_is_shown_checked_and_exported(open_tab: Tabs, owner: Api) -> None:
    """From the lane to the detail."""
    tab = open_tab()
    tab.sign_in("bob")
    tab.create_ready("Audited")
    tab.page.get_by_role("link", name="Access", exact=False).first.click()
    tab.page.get_by_role("link", name="Audited").first.click()
    tab.shows("Audited")
    trail = tab.page.get_by_role("region", name="Audit trail").last
    expect(trail).to_contain_text("Consent granted", timeout=STEP)
    tab.page.get_by_role("button", name="Check now").click()
    expect(trail).to_contain_text("Checked", timeout=STEP)
    tab.page.get_by_role("button", name="Check now").click()
    expect(tab.page.get_by_role("alert")).to_contain_text("Too many requests", timeout=STEP)
    tab.pictures("access-detail")
    with tab.page.expect_download() as download:
        tab.page.get_by_role("button", name="CSV").click()
    text = download.value.path().read_text()
    assert text.startswith("at,event,actor,outcome,requestId")
    assert "consent.granted" in text


def test_a_task_has_a_page_with_the_ledger_of_its_access(open_tab: Tabs, owner: Api) -> None:
    """Reached from the row, good after a reload, and gone with the task."""
    tab = open_tab()
    tab.sign_in("bob")
    card = tab.create_ready("Has a page")
    card.get_by_role("link", name="Open").click()
    tab.shows("Has a page")
    tab.page.reload()
    tab.shows("Has a page")
    expect(tab.page.get_by_role("region", name="Audit trail").last).to_contain_text("Consent granted", timeout=STEP)
    tab.pictures("task")
    tab.page.get_by_role("button", name="Delete").click()
    tab.dialog().get_by_role("button", name="Delete").click()
    tab.shows("Your tasks")
    eventually(lambda: owner.get("/api/tasks").json()["tasks"] == [], "the task is deleted")
