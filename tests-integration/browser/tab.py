"""A tab of a real browser at the page: what a person does there, and how it looks.

Screenshots are kept in `artifacts/screenshots`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

import chromium_path
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Route, expect, sync_playwright
from stack import ARTIFACTS, Stack

DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
WIDTHS = {360: 800, 768: 1024, 1280: 900, 1920: 1080}
WATCH_POLICY = "addEventListener('securitypolicyviolation', e => console.error('CSP ' + e.violatedDirective))"
CHECKED = {(360, "dark"), (1280, "light")}
"""Where axe looks: each scheme and each layout once, for it is dear."""
SCHEMES: tuple[Literal["light"], Literal["dark"]] = ("light", "dark")
STEP = 30_000
RUN = 60_000
REQUEST_TOKEN, EXECUTE = "🔐 Request Offline Token", "▶️ Execute Task"


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
        self.shows("Your tasks")

    def shows(self, title: str) -> None:
        """Wait for the page with that title."""
        expect(self.page.get_by_role("heading", name=title, level=1)).to_be_visible(timeout=STEP)

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

    def create_ready(self, name: str) -> Locator:
        """Create a task and grant it access; its row."""
        card = self.create(name)
        card.get_by_role("button", name=REQUEST_TOKEN).click()
        self.consent()
        expect(card.get_by_text("Token active")).to_be_visible(timeout=STEP)
        return card

    def card(self, name: str) -> Locator:
        """The row of a task, or the lane of a grant."""
        return self.page.get_by_role("article", name=name, exact=True)

    def tab_to(self, wanted: Locator, most: int = 60) -> None:
        """Press Tab until the focus is there. It never is nowhere on the way."""
        for _ in range(most):
            if wanted.evaluate("e => e === document.activeElement", timeout=STEP):
                return
            self.page.keyboard.press("Tab")
        expect(wanted).to_be_focused(timeout=1)

    def dialog(self) -> Locator:
        """The dialog that is open."""
        return self.page.get_by_role("dialog")

    def consent(self, *, yes: bool = True) -> None:
        """Answer the authorization server's question.

        Keycloak asks a second time in a tab whose login has ended in another tab of the browser.
        """
        for _ in range(2):
            with self.page.expect_navigation(timeout=STEP):
                self.page.locator("[name=accept]" if yes else "[name=cancel]").click(timeout=STEP)
            if self.page.url.startswith(self.stack.gateway):
                break
        self.page.wait_for_url(f"{self.stack.gateway}/**", timeout=STEP)

    def answer(self, pattern: str, status: int, body: str, content_type: str = "application/json") -> None:
        """From now on the network answers in the server's place."""

        def fulfill(route: Route) -> None:
            route.fulfill(status=status, body=body, content_type=content_type)

        self.page.route(pattern, fulfill)

    def refuse(self, pattern: str, code: str, status: int = 503) -> None:
        """From now on requests meet a problem with that code."""
        problem = f'{{"title": "Trouble", "status": {status}, "code": "{code}", "detail": "Trouble."}}'
        self.answer(pattern, status, problem, "application/problem+json")

    def picture(self, name: str, *, whole: bool = True) -> None:
        """Keep a screenshot. whole: of what is beyond the window, too."""
        folder = ARTIFACTS / "screenshots"
        folder.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=folder / f"{name}.png", full_page=whole, animations="disabled")

    def pictures(self, name: str, *, whole: bool = True) -> None:
        """Keep a screenshot at each width and in both schemes; nothing sticks out; axe finds nothing."""
        for width, height in WIDTHS.items():
            self.page.set_viewport_size({"width": width, "height": height})
            assert self.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), width
            for scheme in SCHEMES:
                self.page.emulate_media(color_scheme=scheme)
                self.picture(f"{name}-{width}-{scheme}", whole=whole)
                if (width, scheme) in CHECKED:
                    self.is_accessible()
        self.page.emulate_media(color_scheme="light")
        self.page.set_viewport_size({"width": 1280, "height": 900})

    def is_accessible(self) -> None:
        """axe finds nothing."""
        results = Axe().run(self.page)
        assert results.violations_count == 0, results.generate_report()


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless Chromium."""
    found = chromium_path.find()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found.path, args=list(chromium_path.ARGUMENTS), env=dict(found.environ)
        )
        yield browser
        browser.close()


@dataclass
class Tabs:
    """Opens tabs. When all is done, none may have violated the content security policy or crashed."""

    browser: Browser
    stack: Stack
    opened: list[Tab] = field(default_factory=list)

    def __call__(self, scheme: str = "light", viewport: dict[str, int] = DESKTOP, beside: Tab | None = None) -> Tab:
        """A tab with a profile of its own, or beside another with that one's."""
        context = beside.page.context if beside else self._profile(scheme, viewport)
        page = context.new_page()
        page.add_init_script(WATCH_POLICY)
        tab = Tab(page, self.stack)
        page.on("console", lambda m: tab.complaints.append(m.text) if m.text.startswith("CSP ") else None)
        page.on("pageerror", lambda error: tab.complaints.append(str(error)))
        self.opened.append(tab)
        return tab

    def close(self) -> None:
        """Close them all."""
        for tab in self.opened:
            tab.page.context.close()
            assert tab.complaints == []

    def _profile(self, scheme: str, viewport: dict[str, int]) -> BrowserContext:
        return self.browser.new_context(color_scheme=scheme, viewport=viewport)  # type: ignore[arg-type]
