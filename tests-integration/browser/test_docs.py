"""The documentation's site in a browser. `Tabs` fails a test whose page violates the policy."""

import os
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect
from stack import Stack

from browser.tab import SCHEMES, STEP, Tab, Tabs

pytestmark = pytest.mark.any_server

WATCH_BLOCKED = "blocked = []; addEventListener('securitypolicyviolation', e => blocked.push(e.blockedURI))"
Visit = Callable[[str, str], Tab]


@pytest.fixture
def visit(open_tab: Tabs, stack: Stack) -> Iterator[Visit]:
    """Opens a page of the site in a scheme. All that it loads comes from the gateway."""
    if os.environ.get("STACK") == "compose":
        pytest.skip("the images do not have the site")
    elsewhere: list[str] = []

    def watch(page: Page) -> None:
        own = (stack.gateway, "data:", "blob:")
        page.on("request", lambda request: None if request.url.startswith(own) else elsewhere.append(request.url))

    def open_page(path: str, scheme: str = "light") -> Tab:
        tab = open_tab(scheme)
        tab.page.add_init_script(WATCH_BLOCKED)
        watch(tab.page)
        tab.open(f"/docs/{path}")
        return tab

    yield open_page
    assert elsewhere == []


def test_the_first_page_leads_to_every_section(visit: Visit) -> None:
    """Tutorials, how to, reference, explanation; and a search that finds."""
    tab = visit("", "light")
    sections = tab.page.locator(".sidebar-tree .caption-text")
    expect(sections).to_have_text(["Tutorials", "How to", "Reference", "Explanation"])
    tab.is_accessible()
    tab.page.locator("input[name=q]").fill("ticket_mistyped")
    tab.page.locator("input[name=q]").press("Enter")
    expect(tab.page.locator("#search-results li").first).to_be_visible(timeout=STEP)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_diagrams_are_drawn_in_both_schemes(visit: Visit, scheme: str) -> None:
    """By the mermaid that the site brings."""
    tab = visit("architecture.html", scheme)
    expect(tab.page.locator("pre.mermaid svg").first).to_be_visible(timeout=STEP)
    tab.picture(f"docs-architecture-{scheme}")


def test_plots_are_in_the_page(visit: Visit) -> None:
    """Each made by a notebook's cell when the site was built."""
    tab = visit("figures.html", "dark")
    expect(tab.page.locator("article img")).to_have_count(3)
    sizes = tab.page.locator("article img").evaluate_all("images => images.map(image => image.naturalWidth)")
    assert min(sizes) > 100
    tab.picture("docs-figures-dark")


@pytest.mark.parametrize(("name", "operation"), [("vault", "Access Token"), ("tasks", "Execute")])
def test_the_api_documents_are_shown(visit: Visit, name: str, operation: str) -> None:
    """By the Scalar that the site brings. It asks whether it may make code of text (`eval`), and does without."""
    tab = visit(f"api/{name}.html", "light")
    expect(tab.page.get_by_text(operation).first).to_be_visible(timeout=STEP)
    tab.picture(f"docs-api-{name}")
    assert set(tab.page.evaluate("blocked")) <= {"eval"}
    tab.complaints.clear()
