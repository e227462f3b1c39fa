"""The page when the session ends, when a part does not answer, and when the browser is not what it expects."""

import time

import pytest
from playwright.sync_api import expect

from browser.many import ManyTasks
from browser.tab import STEP, Tab, Tabs

pytestmark = pytest.mark.browser
TASKS, GRANTS, TOKEN = "**/api/tasks**", "**/api/auth/manager/tokens", "**/protocol/openid-connect/token"
NO_GRANT = '{"error": "invalid_grant"}'


def end_session(tab: Tab) -> None:
    """The API refuses the access token, and the authorization server the refresh token."""
    tab.refuse(TASKS, "unauthorized", 401)
    tab.answer(TOKEN, 400, NO_GRANT)
    expect(tab.dialog()).to_contain_text("Your session has ended", timeout=STEP)


def test_typed_text_outlives_the_session(open_tab: Tabs) -> None:
    """The dialog unmounts nothing; after signing in again the text is back in its field."""
    tab = open_tab()
    tab.sign_in()
    name = tab.page.get_by_role("textbox", name="Name", include_hidden=True)
    name.fill("Half a name")
    end_session(tab)
    expect(name).to_have_value("Half a name")
    tab.pictures("session-ended")
    tab.page.unroute_all()
    tab.page.get_by_role("button", name="Sign in again").click()
    tab.shows("Your tasks")
    expect(name).to_have_value("Half a name", timeout=STEP)


def test_what_ends_in_one_tab_does_not_end_in_another(open_tab: Tabs) -> None:
    """Each tab has tokens of its own."""
    one = open_tab()
    one.sign_in()
    other = open_tab(beside=one)
    other.open()
    other.shows("Your tasks")
    end_session(one)
    other.page.reload()
    other.shows("Your tasks")
    expect(other.dialog()).to_have_count(0)


def test_a_sign_out_in_one_tab_signs_out_all(open_tab: Tabs) -> None:
    """Nothing of the person stays in sight."""
    one = open_tab()
    one.sign_in()
    other = open_tab(beside=one)
    other.open()
    other.shows("Your tasks")
    one.page.get_by_role("button", name="Account of").click()
    one.page.get_by_role("button", name="Sign out").click()
    expect(other.page.locator("[data-notice=elsewhere]")).to_be_visible(timeout=STEP)


@pytest.mark.any_server
@pytest.mark.parametrize(
    ("pattern", "code", "sentence"),
    [
        (TASKS, "service_unavailable", "Task service unavailable"),
        (TASKS, "provider_unavailable", "Authorization server unavailable"),
        (GRANTS, "audit_unavailable", "Vault unavailable"),
    ],
)
def test_the_health_sentence_names_the_part_that_fails(open_tab: Tabs, pattern: str, code: str, sentence: str) -> None:
    """The sentence says what to do, and later that all parts work again."""
    tab = open_tab()
    tab.sign_in()
    health = tab.page.locator("[data-health]")
    expect(health).to_have_attribute("data-health", "live", timeout=STEP)
    tab.refuse(pattern, code)
    tab.page.get_by_role("link", name="Access").click()
    expect(health).to_contain_text(sentence, timeout=STEP)
    expect(tab.page.locator("[data-strip]")).to_be_visible()
    tab.is_accessible()
    tab.page.unroute_all()
    expect(health).to_have_attribute("data-health", "live", timeout=2 * STEP)


@pytest.mark.any_server
def test_a_worker_and_a_vault_that_are_gone_are_told_with_the_tasks_that_wait(open_tab: Tabs) -> None:
    """The sentence has the number of waiting tasks. Possible actions stay enabled, and the list keeps its state."""
    tab = open_tab()
    tab.page.clock.install()
    many = ManyTasks.of(3)
    usable = {"persistentTokenId": "5f0c6f0e-3f0b-4a55-9a51-5ad2b4a1c001", "offlineTokenStatus": "active"}
    many.change(0, status="queued", **usable)
    many.change(1, status="queued", **usable)
    many.serve(tab.page)
    tab.sign_in()
    expect(tab.card("Task 0")).to_have_attribute("data-status", "queued", timeout=STEP)
    health, strip = tab.page.locator("[data-health]"), tab.page.locator("[data-strip]")
    tab.page.clock.fast_forward(20_000)
    expect(strip).to_contain_text("Worker unavailable: 2 tasks wait", timeout=STEP)
    expect(strip).to_contain_text("They start by themselves as soon as a worker is back.")
    tab.pictures("worker-gone")
    many.change(0, status="running", progress=10)
    expect(health).to_have_attribute("data-health", "live", timeout=STEP)
    tab.refuse(GRANTS, "audit_unavailable")
    tab.page.clock.fast_forward(60_000)
    expect(strip).to_contain_text("Vault unavailable: 2 tasks wait for it", timeout=STEP)
    expect(tab.card("Task 0")).to_have_attribute("data-status", "running")
    expect(tab.page.get_by_role("button", name="Create Task")).to_be_enabled()
    tab.pictures("vault-gone")
    many.change(1, status="failed", error="The vault cannot be reached.", offlineTokenStatus="failed")
    expect(tab.card("Task 1")).to_contain_text("The vault cannot be reached.", timeout=STEP)


@pytest.mark.any_server
def test_a_device_that_is_offline_is_told_so_and_recovers(open_tab: Tabs) -> None:
    """By itself, without a reload."""
    tab = open_tab()
    tab.sign_in()
    tab.page.context.set_offline(True)
    expect(tab.page.locator("[data-health]")).to_contain_text("Offline", timeout=STEP)
    tab.page.context.set_offline(False)
    expect(tab.page.locator("[data-health=live]")).to_be_visible(timeout=2 * STEP)


@pytest.mark.parametrize(("hours", "sentence"), [(1, "ahead"), (-1, "behind")])
def test_a_clock_that_is_wrong_is_told_and_made_up_for(open_tab: Tabs, hours: int, sentence: str) -> None:
    """Signing in compares times; it works all the same."""
    tab = open_tab()
    tab.page.clock.set_system_time(time.time() + hours * 3600)
    tab.sign_in()
    expect(tab.page.locator("[data-health]")).to_contain_text(sentence, timeout=STEP)


@pytest.mark.any_server
@pytest.mark.parametrize(
    ("obstacle", "script"),
    [
        ("storage", "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no') } })"),
        ("storage", "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError') }"),
        ("browser", "delete HTMLDialogElement.prototype.showModal"),
    ],
)
def test_a_browser_that_can_not_is_told_why(open_tab: Tabs, obstacle: str, script: str) -> None:
    """The page is not empty in such a browser."""
    tab = open_tab()
    tab.page.add_init_script(script)
    tab.open()
    expect(tab.page.locator(f"[data-obstacle={obstacle}]")).to_be_visible(timeout=STEP)
    tab.is_accessible()


@pytest.mark.any_server
def test_a_configuration_that_does_not_arrive_is_told(open_tab: Tabs) -> None:
    """And asked for again by the button."""
    tab = open_tab()
    tab.answer("**/config.json", 200, "<html>", "text/html")
    tab.open()
    expect(tab.page.locator("[data-obstacle=configuration]")).to_be_visible(timeout=STEP)
    tab.page.unroute_all()
    tab.page.get_by_role("button", name="Try again").click()
    expect(tab.page.get_by_role("button", name="Sign in")).to_be_visible(timeout=STEP)


@pytest.mark.parametrize(("answers", "notice"), [(False, "unreachable"), (True, "hostName")])
def test_an_authorization_server_that_is_away_is_told_from_one_that_refuses_this_host(
    open_tab: Tabs, answers: bool, notice: str
) -> None:
    """A wrong host name looks to a script like no server at all."""
    tab = open_tab()
    tab.open()
    issuer = tab.stack["ISSUER"]
    tab.page.route(f"{issuer}/.well-known/**", lambda route: route.abort())
    tab.page.route(issuer, lambda route: route.fulfill(status=200, body="{}") if answers else route.abort())
    tab.page.get_by_role("button", name="Sign in").click()
    expect(tab.page.locator(f"[data-notice={notice}]")).to_be_visible(timeout=STEP)
