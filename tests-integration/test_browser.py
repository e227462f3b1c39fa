"""The page in a real browser, from login to a completed task: R15 to R22, both colour schemes, and a phone.

Screenshots of what was seen are kept in `artifacts/screenshots`.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import chromium_path
import pytest
from api import MANAGER, Api
from axe_playwright_python.sync_playwright import Axe
from browser_login import page_token
from person import Person
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright
from stack import ARTIFACTS, Stack

pytestmark = pytest.mark.browser
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
WATCH_POLICY = "addEventListener('securitypolicyviolation', e => console.error('CSP ' + e.violatedDirective))"
STEP = 15_000
RUN = 45_000


@dataclass
class Tab:
    """One tab at the page. complaints: what its console said that it should not have."""

    page: Page
    stack: Stack
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str = "/tasks") -> None:
        """Go to the page."""
        self.page.goto(self.stack.gateway + path)

    def sign_in(self, name: str = "alice") -> None:
        """From the landing page through the login form to the list."""
        self.open()
        self.page.get_by_role("button", name="Sign in").click()
        self.page.locator("input[name=username]").fill(name)
        self.page.locator("input[name=password]").fill(name)
        self.page.locator("input[name=password]").press("Enter")
        expect(self.page.get_by_role("heading", name="Your tasks")).to_be_visible(timeout=STEP)

    def create(self, name: str) -> Locator:
        """Create a task by the form, which a phone has behind a button; its row, opened."""
        field = self.page.get_by_role("textbox", name="Name")
        if not field.is_visible():
            self.page.get_by_role("button", name="New task").click()
        field.fill(name)
        self.page.get_by_role("textbox", name="Description").fill("Process large dataset")
        self.page.get_by_role("button", name="Create Task").click()
        card = self.card(name)
        expect(card).to_be_visible(timeout=STEP)
        return card

    def card(self, name: str) -> Locator:
        """The card of a task."""
        return self.page.get_by_role("article", name=name, exact=True)

    def consent(self, *, yes: bool = True) -> None:
        """Answer the authorization server's question."""
        self.page.locator("[name=accept]" if yes else "[name=cancel]").click(timeout=STEP)
        self.page.wait_for_url(f"{self.stack.gateway}/tasks**", timeout=STEP)

    def picture(self, name: str) -> None:
        """Keep a screenshot."""
        folder = ARTIFACTS / "screenshots"
        folder.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=folder / f"{name}.png", full_page=True)

    def is_accessible(self) -> None:
        """axe finds nothing."""
        results = Axe().run(self.page)
        assert results.violations_count == 0, results.generate_report()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    found = chromium_path.find()
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=found.path, args=list(chromium_path.ARGUMENTS), env=dict(found.environ)
        )
        yield chromium
        chromium.close()


@pytest.fixture
def open_tab(browser: Browser, stack: Stack) -> Iterator[Callable[..., Tab]]:
    """Opens tabs, each with a profile of its own; none may have violated the content security policy or crashed."""
    tabs: list[tuple[BrowserContext, Tab]] = []

    def make(scheme: str = "light", viewport: dict[str, int] = DESKTOP) -> Tab:
        context = browser.new_context(color_scheme=scheme, viewport=viewport)  # type: ignore[arg-type]
        page = context.new_page()
        page.add_init_script(WATCH_POLICY)
        tab = Tab(page, stack)
        page.on("console", lambda m: tab.complaints.append(m.text) if m.text.startswith("CSP ") else None)
        page.on("pageerror", lambda error: tab.complaints.append(str(error)))
        tabs.append((context, tab))
        return tab

    yield make
    for context, tab in tabs:
        context.close()
        assert tab.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_from_login_to_a_completed_task(open_tab: Callable[..., Tab], scheme: str) -> None:
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


def test_on_a_phone_nothing_sticks_out(open_tab: Callable[..., Tab]) -> None:
    """One column, no sideways scrolling."""
    tab = open_tab("light", PHONE)
    tab.sign_in()
    tab.create("On a phone")
    tab.picture("phone")
    assert tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    tab.is_accessible()


def test_denied_consent_can_be_asked_for_again(open_tab: Callable[..., Tab]) -> None:
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


def test_a_revoked_token_shows_and_leads_to_a_new_request(
    open_tab: Callable[..., Tab], stack: Stack, alice_person: Person
) -> None:
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


def test_a_waiting_consent_is_shown_as_such(open_tab: Callable[..., Tab]) -> None:
    """Who leaves the consent page finds the task waiting."""
    tab = open_tab()
    tab.sign_in()
    card = tab.create("Left half way")
    card.get_by_role("button", name="🔐 Request Offline Token").click()
    expect(tab.page.locator("[name=accept]")).to_be_visible(timeout=STEP)
    tab.open()
    expect(card.get_by_text("Token pending")).to_be_visible(timeout=STEP)
    expect(card.get_by_text("Waiting for user to grant consent")).to_be_visible()


def test_deleting_asks_first(open_tab: Callable[..., Tab]) -> None:
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


def test_a_reload_keeps_the_login_and_a_logout_ends_it(open_tab: Callable[..., Tab]) -> None:
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


def test_tasks_of_others_appear_by_themselves(open_tab: Callable[..., Tab], alice: Api) -> None:
    """R16: what is created elsewhere shows up without a click."""
    tab = open_tab()
    tab.sign_in()
    task_id = alice.create_task("Created by curl")
    expect(tab.page.locator(f"[data-task-id={task_id}]")).to_be_visible(timeout=STEP)
