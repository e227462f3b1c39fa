"""The page in a real browser, from login to a completed task: R15 to R22, both colour schemes, and a phone."""

import re

import pytest
from api import MANAGER, Api
from browser_login import page_token
from person import Person
from playwright.sync_api import expect
from stack import Stack

from browser.tab import PHONE, RUN, STEP, Tabs

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_from_login_to_a_completed_task(open_tab: Tabs, scheme: str) -> None:
    """The whole way, as the document tells it."""
    tab = open_tab(scheme)
    tab.open()
    tab.picture(f"landing-{scheme}")
    tab.is_accessible()
    tab.sign_in()

    name = f"Data Processing Job ({scheme})"
    card = tab.create(name)
    expect(card.get_by_text("Pending", exact=True)).to_be_visible()
    expect(card.get_by_text("Task needs offline token. Please request consent first.")).to_be_visible()
    card.get_by_role("button", name="🔐 Request Offline Token").click()
    expect(tab.page.locator("[name=accept]")).to_be_visible(timeout=STEP)
    tab.picture(f"consent-{scheme}")
    tab.consent()

    expect(card.get_by_text("Token active")).to_be_visible(timeout=STEP)
    assert "?" not in tab.page.url
    tab.picture(f"ready-{scheme}")
    card.get_by_role("button", name="▶️ Execute Task").click()
    expect(card.get_by_role("progressbar")).to_be_visible(timeout=STEP)
    expect(card.get_by_text("Running", exact=True)).to_be_visible()
    expect(card.get_by_role("progressbar")).to_have_attribute("aria-valuenow", re.compile("[3-9]0"), timeout=STEP)
    tab.picture(f"running-{scheme}")
    tab.is_accessible()
    expect(card.get_by_text("Completed", exact=True).first).to_be_visible(timeout=RUN)
    expect(card.locator("[data-outcome=success]")).to_contain_text("on behalf of alice")
    tab.picture(f"completed-{scheme}")
    tab.is_accessible()


def test_on_a_phone_nothing_sticks_out(open_tab: Tabs) -> None:
    """One column, no sideways scrolling."""
    tab = open_tab("light", PHONE)
    tab.sign_in()
    tab.create("On a phone")
    tab.picture("phone")
    assert tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    tab.is_accessible()


def test_denied_consent_can_be_asked_for_again(open_tab: Tabs) -> None:
    """The page says what happened, and the purple button is there again."""
    tab = open_tab()
    tab.sign_in()
    card = tab.create("Denied at first")
    card.get_by_role("button", name="🔐 Request Offline Token").click()
    tab.consent(yes=False)
    expect(card.get_by_text("Token failed")).to_be_visible(timeout=STEP)
    expect(card.get_by_text("Token request failed. Please try again.")).to_be_visible()
    tab.picture("denied")
    card.get_by_role("button", name="🔐 Request Offline Token").first.click()
    tab.consent()
    expect(card.get_by_text("Token active")).to_be_visible(timeout=STEP)


def test_a_revoked_token_shows_and_leads_to_a_new_request(open_tab: Tabs, stack: Stack, alice_person: Person) -> None:
    """Revoked behind the page's back: executing says so, and a new request is offered."""
    tab = open_tab()
    tab.sign_in()
    card = tab.create("Revoked behind my back")
    card.get_by_role("button", name="🔐 Request Offline Token").click()
    tab.consent()
    expect(card.get_by_text("Token active")).to_be_visible(timeout=STEP)
    owner = Api(stack, page_token(stack, alice_person))
    tokens = owner.get(f"{MANAGER}/tokens").json()["tokens"]
    linked = next(t for t in tokens if t.get("taskId") == card.get_attribute("data-task-id"))
    assert owner.delete(f"{MANAGER}/tokens/{linked['persistentTokenId']}").status_code == 200
    card.get_by_role("button", name="▶️ Execute Task").click()
    expect(card.get_by_text("Token failed")).to_be_visible(timeout=STEP)
    expect(card.get_by_role("button", name="🔐 Request Offline Token")).to_be_visible()


def test_a_waiting_consent_is_shown_as_such(open_tab: Tabs) -> None:
    """A person who leaves the consent page finds the task waiting."""
    tab = open_tab()
    tab.sign_in()
    card = tab.create("Left half way")
    card.get_by_role("button", name="🔐 Request Offline Token").click()
    expect(tab.page.locator("[name=accept]")).to_be_visible(timeout=STEP)
    tab.open()
    expect(card.get_by_text("Token pending")).to_be_visible(timeout=STEP)
    expect(card.get_by_text("Waiting for user to grant consent")).to_be_visible()


def test_deleting_asks_first(open_tab: Tabs) -> None:
    """Escape keeps the task, the red button removes it."""
    tab = open_tab()
    tab.sign_in()
    card = tab.create("To be deleted")
    card.get_by_role("button", name="Delete To be deleted").click()
    expect(tab.page.get_by_role("dialog")).to_be_visible()
    tab.picture("delete")
    tab.is_accessible()
    tab.page.keyboard.press("Escape")
    expect(card).to_be_visible()
    card.get_by_role("button", name="Delete To be deleted").click()
    tab.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(card).to_have_count(0, timeout=STEP)


def test_a_reload_keeps_the_login_and_a_logout_ends_it(open_tab: Tabs) -> None:
    """Tokens live in memory only; the login is restored by the authorization server."""
    tab = open_tab()
    tab.sign_in("bob")
    kept = tab.page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
    assert "eyJ" not in kept
    tab.page.reload()
    expect(tab.page.get_by_role("heading", name="Your tasks")).to_be_visible(timeout=STEP)
    assert "code=" not in tab.page.url
    tab.page.get_by_role("button", name="Account of").click()
    tab.page.get_by_role("button", name="Sign out").click()
    expect(tab.page.get_by_role("button", name="Sign in")).to_be_visible(timeout=STEP)


def test_tasks_of_others_appear_by_themselves(open_tab: Tabs, alice: Api) -> None:
    """R16: what is created elsewhere shows up without a click."""
    tab = open_tab()
    tab.sign_in()
    task_id = alice.create_task("Created by curl")
    expect(tab.page.locator(f"[data-task-id={task_id}]")).to_be_visible(timeout=STEP)
