"""The page where much is against it: a slow network, a translator, an older browser, many errors, Back."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Route, expect

from browser.many import LIST, ManyTasks
from browser.tab import RUN, STEP, Tab, Tabs

pytestmark = pytest.mark.browser
MOST_ELEMENTS = 1_500
TRANSLATE = """() => {
  const translate = (root) => {
    const texts = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    const found = [];
    while (texts.nextNode()) if (texts.currentNode.data.trim()) found.push(texts.currentNode);
    for (const text of found) {
      if (text.parentElement.closest("font, script, style, title")) continue;
      const font = document.createElement("font");
      font.textContent = `» ${text.data}`;
      text.replaceWith(font);
    }
  };
  translate(document.body);
  new MutationObserver((changes) => changes.forEach(({ addedNodes }) => addedNodes.forEach((node) => {
    if (node.isConnected) translate(node.nodeType === Node.TEXT_NODE ? node.parentElement : node);
  }))).observe(document.body, { subtree: true, childList: true });
}"""
"""What a translator does: each text becomes a `font` element with other words, as do those that come later."""
LONGEST_PAUSE = """async () => {
  let [longest, last] = [0, performance.now()];
  for (const end = last + 1500; last < end;) {
    await new Promise((done) => setTimeout(done, 0));
    const at = performance.now();
    [longest, last] = [Math.max(longest, at - last), at];
  }
  return longest;
}"""
"""Milliseconds for which the page's thread did not answer, at most, within a second and a half."""


class Hold:
    """Keeps requests waiting until they are released. waiting: those that wait."""

    def __init__(self, tab: Tab, method: str) -> None:
        self.tab, self.method = tab, method
        self.waiting: list[Route] = []
        tab.page.route(LIST, self._keep)

    def _keep(self, route: Route) -> None:
        if route.request.method == self.method:
            self.waiting.append(route)
        else:
            route.fallback()

    def release(self) -> int:
        """Release the held requests. Returns their number."""
        self.tab.page.unroute(LIST, self._keep)
        for route in self.waiting:
            route.fallback()
        return len(self.waiting)


@pytest.mark.any_server
def test_a_slow_network_shows_that_something_comes_and_sends_a_task_once(open_tab: Tabs) -> None:
    """Bones of rows until the list is there; the button is busy, and a second click and Enter do nothing."""
    tab = open_tab()
    answers = Hold(tab, "GET")
    tab.sign_in()
    expect(tab.page.locator(".list[aria-busy=true] .skeleton")).to_have_count(4)
    tab.pictures("loading")
    answers.release()
    expect(tab.page.locator(".skeleton")).to_have_count(0, timeout=STEP)
    creations = Hold(tab, "POST")
    name, create = tab.page.get_by_role("textbox", name="Name"), tab.page.get_by_role("button", name="Create Task")
    name.fill("Sent over a slow network")
    create.dblclick()
    expect(create).to_have_attribute("aria-busy", "true")
    name.press("Enter")
    create.click(force=True)  # it says that it is disabled
    tab.is_accessible()
    assert creations.release() == 1
    expect(tab.card("Sent over a slow network")).to_have_count(1, timeout=STEP)
    expect(create).not_to_have_attribute("aria-busy", "true")
    expect(name).to_have_value("")


def test_an_older_browser_signs_in_and_creates(open_tab: Tabs) -> None:
    """Without `AbortSignal.any`, which browsers have had since 2024."""
    tab = open_tab()
    tab.page.add_init_script("delete AbortSignal.any")
    tab.sign_in()
    expect(tab.create("In an older browser")).to_have_attribute("data-status", "pending", timeout=STEP)
    assert tab.page.evaluate("'any' in AbortSignal") is False


@pytest.mark.parametrize("answer", ["code=used", "error=temporarily_unavailable"])
def test_back_to_an_answer_that_was_used_shows_the_page(open_tab: Tabs, answer: str) -> None:
    """The Back button leads to the authorization server's answer; the session is restored without a reproach."""
    tab = open_tab()
    with tab.page.expect_request(
        lambda request: "&state=" in request.url and "response_type=code" in request.url
    ) as left:
        tab.sign_in()
    [state] = parse_qs(urlsplit(left.value.url).query)["state"]
    tab.open(f"/tasks?{answer}&state={state}")
    tab.shows("Your tasks")
    expect(tab.page.locator("[data-notice]")).to_have_count(0)
    assert "state" not in tab.page.url


@pytest.mark.any_server
def test_a_translated_page_shows_each_new_state(open_tab: Tabs) -> None:
    """A translator replaces texts by elements; `frontend/tests/translated.test.tsx` has every state."""
    tab = open_tab()
    many = ManyTasks.of(2)
    many.serve(tab.page)
    tab.sign_in()
    card = tab.page.locator("[data-task-id=task-0]")
    card.locator("[data-row-toggle]").click()
    tab.page.evaluate(TRANSLATE)
    expect(card.locator(".row-status")).to_have_text("» Pending")
    for progress in (40, 70):
        many.change(0, status="running", progress=progress, persistentTokenId="p1", offlineTokenStatus="active")
        expect(card.locator(".row-status")).to_have_text("» Running", timeout=STEP)
        expect(card.locator(".progress-number")).to_have_text(f"» {progress}%", timeout=STEP)
    many.change(0, status="failed", error="The disk is full.")
    expect(card.locator(".row-status")).to_have_text("» Failed", timeout=STEP)
    expect(card.locator("[data-outcome=error]")).to_contain_text("» The disk is full.")
    expect(card.get_by_text("Running")).to_have_count(0)
    expect(tab.page.get_by_role("button", name="Failed » 1")).to_be_visible()
    tab.refuse("**/api/tasks**", "service_unavailable")
    expect(tab.page.locator("[data-health]")).to_have_text("» Task service unavailable", timeout=STEP)


@pytest.mark.any_server
def test_a_thousand_errors_are_a_few_boxes_and_the_page_answers(open_tab: Tabs) -> None:
    """Each with a reason of its own: the most frequent are told, the others counted; no thread is blocked."""
    tab = open_tab()
    many = ManyTasks.of(1000)
    many.serve(tab.page)
    tab.sign_in()
    batches: list[int] = []

    def refuse(route: Route) -> None:
        first = 100 * len(batches)
        batches.append(first)
        problem = {"status": 409, "code": "task_not_executable"}
        results = [
            {"id": f"task-{n}", "problem": {**problem, "code": f"invented_{n}", "title": f"Reason {n}"}}
            for n in range(first, first + 100)
        ]
        rest = {} if first == 900 else {"nextCursor": str(first + 100), "remaining": 900 - first}
        route.fulfill(body=json.dumps({"results": results, **rest}), content_type="application/json")

    tab.page.route("**/api/tasks/batch", refuse)
    tab.card("Task 0").get_by_role("checkbox").check()
    selection = tab.page.get_by_role("region", name="Selected tasks")
    selection.get_by_role("checkbox").check()
    expect(tab.page.get_by_text("100 of 1,000 tasks")).to_be_attached(timeout=STEP)
    selection.get_by_role("button", name="Select all").click()
    selection.get_by_role("button", name="Delete all").click()
    tab.dialog().get_by_role("button", name="Delete all").click()
    pause = tab.page.evaluate(LONGEST_PAUSE)
    troubles = tab.page.get_by_role("alert")
    expect(troubles).to_contain_text("1,000 tasks stay as they were", timeout=RUN)
    expect(troubles).to_contain_text("995 other reasons.")
    assert len(batches) == 10
    assert troubles.count() == 1
    assert pause < 1000
    assert tab.page.evaluate("document.querySelectorAll('*').length") <= MOST_ELEMENTS
    tab.pictures("thousand-errors", whole=False)
