"""Schedules and dependencies in a real browser: given, foreseen, paused, and run beside."""

import pytest
from api import Api
from browser_login import page_token
from person import Person
from playwright.sync_api import expect
from stack import Stack

from browser.tab import STEP, Tabs

pytestmark = pytest.mark.browser


@pytest.fixture
def owner(stack: Stack, bob_person: Person) -> Api:
    """Bob without tasks."""
    owner = Api(stack, page_token(stack, bob_person))
    for task in owner.get("/api/tasks").json()["tasks"]:
        owner.delete(f"/api/tasks/{task['id']}")
    return owner


@pytest.mark.any_server
def test_a_cron_schedule_shows_its_next_runs_before_it_is_saved_and_the_same_after(open_tab: Tabs, owner: Api) -> None:
    """A faulty expression is reported. The server's list agrees with the preview. The schedule is paused, resumed and
    removed.
    """
    tab = open_tab()
    tab.sign_in("bob")
    tab.page.keyboard.press("n")
    tab.page.get_by_text("More options").click()
    tab.page.get_by_role("combobox", name="Runs").select_option("again and again (cron)")
    cron = tab.page.get_by_role("textbox", name="Cron expression")
    cron.fill("every day")
    expect(tab.page.get_by_text("This is not a cron expression")).to_be_visible(timeout=STEP)
    cron.fill("30 6 * * MON-FRI")
    tab.page.get_by_role("combobox", name="Time zone").fill("Europe/Berlin")
    preview = tab.page.locator("[data-next-runs='5'] time")
    expect(preview).to_have_count(5, timeout=STEP)
    foreseen = [time.get_attribute("datetime") for time in preview.all()]
    expect(tab.page.get_by_text("every weekday at 06:30")).to_be_visible()
    tab.pictures("create-schedule")
    tab.page.get_by_role("textbox", name="Name").fill("Nightly export")
    tab.page.get_by_role("button", name="Create Task").click()
    tab.card("Nightly export").get_by_role("link", name="Open Nightly export").click()
    schedule = tab.page.get_by_role("region", name="Schedule")
    expect(schedule.locator("[data-next-runs] time")).to_have_count(5, timeout=STEP)
    assert [time.get_attribute("datetime") for time in schedule.locator("[data-next-runs] time").all()] == foreseen
    expect(schedule).to_contain_text("every weekday at 06:30")
    expect(schedule.locator("[data-forecast=no_access]")).to_be_visible()
    tab.pictures("schedule")
    schedule.get_by_role("button", name="Pause").click()
    expect(schedule).to_have_attribute("data-schedule", "paused", timeout=STEP)
    schedule.get_by_role("button", name="Resume").click()
    expect(schedule).to_have_attribute("data-schedule", "active", timeout=STEP)
    schedule.get_by_role("button", name="Run now").click()
    expect(tab.page.locator("[data-trouble]")).to_be_visible(timeout=STEP)
    schedule.get_by_role("button", name="Remove schedule").click()
    expect(schedule).to_have_count(0, timeout=STEP)


@pytest.mark.any_server
def test_a_task_names_what_it_depends_on_and_what_depends_on_it(open_tab: Tabs, owner: Api) -> None:
    """With their states, as links; what stands behind them is counted."""
    load = owner.create_task("Load")
    clean = owner.post("/api/tasks", {"name": "Clean", "dependsOn": [load]}).json()["id"]
    report = owner.post("/api/tasks", {"name": "Report", "dependsOn": [clean]}).json()["id"]
    tab = open_tab()
    tab.sign_in("bob")
    tab.open(f"/tasks/{clean}")
    section = tab.page.get_by_role("region", name="Dependencies")
    expect(section.get_by_role("link", name="Load")).to_have_attribute("href", f"/tasks/{load}", timeout=STEP)
    expect(section.get_by_role("link", name="Report")).to_have_attribute("href", f"/tasks/{report}")
    section.get_by_role("link", name="Load").click()
    tab.shows("Load")
    expect(tab.page.get_by_text("1 more task stands behind these.")).to_be_visible(timeout=STEP)


@pytest.mark.any_server
def test_dependencies_are_chosen_in_the_form_and_drawn_from_four_on(open_tab: Tabs, owner: Api) -> None:
    """By the server's search, with the keyboard; what was chosen in error is taken out again."""
    load = owner.create_task("Load")
    clean = owner.post("/api/tasks", {"name": "Clean", "dependsOn": [load]}).json()["id"]
    count = owner.post("/api/tasks", {"name": "Count " + "W" * 150, "dependsOn": [load]}).json()["id"]
    tab = open_tab()
    tab.sign_in("bob")
    tab.page.keyboard.press("n")
    tab.page.get_by_role("textbox", name="Name").fill("Report")
    tab.page.get_by_text("More options").click()
    search = tab.page.get_by_role("searchbox", name="Runs when all of these have completed")
    chosen = tab.page.get_by_role("list", name="Tasks chosen").get_by_role("button")
    for word, name in {"lo": "Load", "cle": "Clean", "cou": "Count"}.items():
        search.fill(word)
        found = tab.page.get_by_role("list", name="Tasks found").get_by_role("button", name=name)
        expect(found).to_be_visible(timeout=STEP)
        search.press("Enter")
        expect(chosen.filter(has_text=name)).to_be_visible()
        expect(search).to_be_focused()
    tab.page.get_by_role("button", name="Remove Load").click()
    expect(chosen).to_have_count(2)
    tab.pictures("create-depends")
    tab.page.get_by_role("button", name="Create Task").click()
    tab.card("Report").get_by_role("link", name="Open Report").click()
    graph = tab.page.locator("[data-graph='4']")
    expect(graph.get_by_role("link")).to_have_count(4, timeout=STEP)
    expect(graph.locator("[aria-current]")).to_contain_text("Report")
    assert set(owner.get(f"/api/tasks/{tab.page.url.rpartition('/')[2]}/dependencies").json()["dependsOn"]) == {
        clean,
        count,
    }
    tab.pictures("dependencies")
    graph.get_by_role("link", name="Load").press("Enter")
    tab.shows("Load")
