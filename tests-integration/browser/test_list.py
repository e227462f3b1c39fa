"""The list of tasks in a real browser: many, hostile, by keyboard alone, and in another language."""

import pytest
from api import Api
from browser_login import page_token
from person import Person
from playwright.sync_api import expect
from stack import Stack

from browser.many import ManyTasks
from browser.tab import DESKTOP, RUN, STEP, Tabs

pytestmark = pytest.mark.browser
MANY = 10_000
MOST_ELEMENTS = 1_500
WATCH_ROWS = """() => {
  window.touchedRows = new Set();
  const watch = { subtree: true, childList: true, attributes: true, characterData: true };
  new MutationObserver((changes) => {
    for (const { target } of changes) {
      const row = (target.nodeType === Node.ELEMENT_NODE ? target : target.parentElement)?.closest("[data-row]");
      if (row) touchedRows.add(row.dataset.taskId);
    }
  }).observe(document.querySelector(".rows"), watch);
}"""
"""Collects the ids of the rows in which anything changes."""


@pytest.fixture
def owner(stack: Stack, bob_person: Person) -> Api:
    """Bob without tasks."""
    owner = Api(stack, page_token(stack, bob_person))
    for task in owner.get("/api/tasks").json()["tasks"]:
        owner.delete(f"/api/tasks/{task['id']}")
    return owner


@pytest.mark.any_server
def test_ten_thousand_tasks_are_a_few_elements_and_all_within_reach(open_tab: Tabs) -> None:
    """The server's pages, of which only what is near the window is in the document; the server searches the rest."""
    tab = open_tab()
    many = ManyTasks.of(MANY)
    many.serve(tab.page)
    tab.sign_in()
    expect(tab.page.get_by_text("100 of 10,000 tasks")).to_be_attached(timeout=RUN)
    assert tab.page.evaluate("document.querySelectorAll('*').length") <= MOST_ELEMENTS
    tab.is_accessible()
    tab.page.evaluate("scrollTo(0, document.body.scrollHeight)")
    expect(tab.card("Task 99")).to_be_visible(timeout=STEP)
    assert tab.page.evaluate("document.querySelectorAll('*').length") <= MOST_ELEMENTS
    tab.page.get_by_role("link", name="Next page").click()
    expect(tab.card("Task 100")).to_be_visible(timeout=STEP)
    assert tab.page.evaluate("scrollY") == 0
    tab.pictures("many", whole=False)
    tab.page.reload()
    expect(tab.card("Task 100")).to_be_visible(timeout=STEP)
    tab.page.get_by_role("link", name="First page").click()
    expect(tab.card("Task 0")).to_be_visible(timeout=STEP)
    tab.page.keyboard.press("/")
    tab.page.keyboard.type("Task 5123")
    expect(tab.page.get_by_text("1 of 10,000 tasks")).to_be_visible(timeout=STEP)
    tab.page.reload()
    expect(tab.page.get_by_text("1 of 10,000 tasks")).to_be_visible(timeout=RUN)


@pytest.mark.any_server
def test_only_what_is_shown_is_asked_for_again(open_tab: Tabs) -> None:
    """The page of the list, with its validator; a change in it shows within three seconds, in that row alone."""
    tab = open_tab()
    many = ManyTasks.of(MANY)
    many.serve(tab.page)
    tab.sign_in()
    expect(tab.card("Task 3")).to_be_visible(timeout=STEP)
    expect(tab.card("Task 9")).to_be_attached(timeout=STEP)
    tab.page.evaluate(WATCH_ROWS)
    many.requests.clear()
    many.change(3, status="running", progress=40)
    expect(tab.card("Task 3")).to_have_attribute("data-status", "running", timeout=3000)
    assert {request["limit"][0] for request in many.requests} == {"100"}
    assert tab.page.evaluate("[...touchedRows]") == ["task-3"]


@pytest.mark.any_server
def test_what_matches_is_found_counted_and_changed_by_the_server(open_tab: Tabs, owner: Api) -> None:
    """Filters, search and counts are the service's; an action on all that match reaches the other pages."""
    for number in range(103):
        owner.post("/api/tasks", {"name": f"Export {number}"})
    owner.create_task("Something else")
    tab = open_tab()
    tab.sign_in("bob")
    expect(tab.page.get_by_role("button", name="Needs you 104")).to_be_visible(timeout=STEP)
    expect(tab.card("Something else")).to_be_visible(timeout=STEP)
    tab.page.get_by_role("searchbox").fill("expo")
    expect(tab.card("Something else")).to_have_count(0, timeout=STEP)
    expect(tab.page.get_by_text("100 of 104 tasks")).to_be_visible(timeout=STEP)
    tab.card("Export 102").get_by_role("checkbox").check()
    selection = tab.page.get_by_role("region", name="Selected tasks")
    selection.get_by_role("checkbox").check()
    selection.get_by_role("button", name="Select all that match").click()
    tab.pictures("selection", whole=False)
    selection.get_by_role("button", name="Delete all").click()
    tab.picture("delete-all", whole=False)
    tab.dialog().get_by_role("button", name="Delete all").click()
    expect(tab.page.get_by_text("103 tasks were deleted.").first).to_be_visible(timeout=RUN)
    assert [task["name"] for task in owner.get("/api/tasks").json()["tasks"]] == ["Something else"]


@pytest.mark.any_server
def test_the_scheme_and_the_language_are_chosen_and_kept(open_tab: Tabs) -> None:
    """Against the system's, and over a reload."""
    tab = open_tab()
    tab.sign_in()
    tab.page.get_by_role("radio", name="Dark").first.check(force=True)
    assert tab.page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"
    tab.page.get_by_role("button", name="Account of").click()
    tab.page.get_by_label("Language").select_option("de")
    expect(tab.page.get_by_role("heading", name="Deine Aufgaben")).to_be_visible(timeout=STEP)
    tab.page.reload()
    expect(tab.page.get_by_role("heading", name="Deine Aufgaben")).to_be_visible(timeout=STEP)
    assert tab.page.evaluate("document.documentElement.lang") == "de"
    assert tab.page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"
    tab.is_accessible()


@pytest.mark.any_server
@pytest.mark.parametrize("media", [{"forced_colors": "active"}, {"reduced_motion": "reduce"}])
def test_forced_colours_and_reduced_motion_are_respected(open_tab: Tabs, media: dict[str, str]) -> None:
    """Badges keep an outline; nothing moves."""
    tab = open_tab(viewport=DESKTOP)
    tab.page.emulate_media(**media)  # type: ignore[arg-type]
    tab.sign_in()
    card = tab.create(f"With {next(iter(media))}")
    tab.picture(next(iter(media)))
    if "forced_colors" in media:
        assert card.locator(".badge").first.evaluate("e => getComputedStyle(e).borderTopWidth") == "1px"
    else:
        moving = "document.getAnimations().filter(a => a.effect.getComputedTiming().duration > 1).length"
        assert tab.page.evaluate(moving) == 0
