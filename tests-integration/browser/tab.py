"""A tab of a real browser at the page: what a person does there, and how it looks.

Screenshots are kept in `artifacts/screenshots`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import axe_playwright_python
import chromium_path
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Route, expect, sync_playwright
from stack import ARTIFACTS, Stack

DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
WIDTHS = {360: 800, 768: 1024, 1280: 900, 1920: 1080}
WATCH_POLICY = "addEventListener('securitypolicyviolation', e => console.error('CSP ' + e.violatedDirective))"
WHOLE, COLOURS = (1280, "light"), (360, "dark")
"""Where axe looks for all that it knows, and where for contrast alone: each scheme and each layout once."""
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
LOOK = """async (rules) => {
  const only = rules.length > 0 ? { runOnly: { type: "rule", values: rules } } : {};
  const { violations } = await axe.run({ resultTypes: ["violations"], ...only });
  return violations.map(({ id, help, nodes }) => `${id} (${help}): ${nodes.map(({ html }) => html).join(" ")}`);
}"""
STICKS_OUT = """() => {
  const hides = (e) => {
    const style = getComputedStyle(e);
    return /auto|scroll/.test(style.overflowX) || style.textOverflow === "ellipsis" || style.clipPath !== "none";
  };
  const within = (e) => e === null ? false : hides(e) || within(e.parentElement);
  return [...document.querySelectorAll("main *, dialog[open] *, .bar *, .toast *")].filter((e) => {
    const box = e.getBoundingClientRect();
    const said = e.matches("input, select, textarea, img") || e.textContent.trim() !== "";
    const inside = getComputedStyle(e).overflowX === "visible" && e.clientWidth > 0 ? e.scrollWidth : 0;
    const right = Math.max(box.right, box.left + inside);
    return said && box.width > 1 && !e.closest("svg") && (right > innerWidth + 1 || box.left < -1) && !within(e);
  }).map((e) => e.outerHTML.slice(0, 200));
}"""
"""What says something and reaches beyond the window, but is neither cut with an ellipsis nor in a part that scrolls."""
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
        self.log_in(name)
        self.shows("Your tasks")

    def log_in(self, name: str = "alice") -> None:
        """Fill in the authorization server's form."""
        self.page.locator("input[name=username]").fill(name)
        self.page.locator("input[name=password]").fill(name)
        self.page.locator("input[name=password]").press("Enter")

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
            self.fits()
            for scheme in SCHEMES:
                self.page.emulate_media(color_scheme=scheme)
                self.picture(f"{name}-{width}-{scheme}", whole=whole)
                if (width, scheme) == WHOLE:
                    self.is_accessible()
                if (width, scheme) == COLOURS:
                    self.is_accessible("color-contrast")
        self.page.emulate_media(color_scheme="light")
        self.page.set_viewport_size({"width": 1280, "height": 900})

    def fits(self) -> None:
        """Nothing sticks out of the window sideways."""
        width = self.page.evaluate("innerWidth")
        assert self.page.evaluate("document.documentElement.scrollWidth") <= width, width
        assert self.page.evaluate(STICKS_OUT) == [], width

    def is_accessible(self, *rules: str) -> None:
        """axe finds nothing. rules: of axe, all if none is named."""
        if self.page.evaluate("typeof axe === 'undefined'"):
            self.page.evaluate(AXE)
        found: Any = self.page.evaluate(LOOK, list(rules))
        assert found == []


@contextmanager
def chromium(*arguments: str) -> Iterator[Browser]:
    """A headless Chromium. arguments: more of its command line."""
    found = chromium_path.find()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found.path, args=[*chromium_path.ARGUMENTS, *arguments], env=dict(found.environ)
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
