"""The two walks that docs/walks.md tells: by keyboard only, and at a phone's width. The page says what stands there."""

import re

import pytest
from playwright.sync_api import Locator, expect

from browser.tab import EXECUTE, PHONE, REQUEST_TOKEN, STEP, Tab, Tabs
from browser.walk import Walk

pytestmark = pytest.mark.browser
CRON = "30 7 * * MON-FRI"


def press_on(tab: Tab, wanted: Locator) -> None:
    """Go there with Tab, and press Enter."""
    tab.tab_to(wanted)
    tab.page.keyboard.press("Enter")


def sign_in_by_keyboard(tab: Tab) -> None:
    """From the landing page to the list."""
    tab.open()
    sign_in = tab.page.get_by_role("button", name="Sign in")
    sign_in.wait_for()
    press_on(tab, sign_in)
    tab.page.locator("input[name=username]").wait_for()
    keys = tab.page.keyboard
    keys.type("alice")
    keys.press("Tab")
    keys.type("alice")
    keys.press("Enter")


def fill_in_by_keyboard(tab: Tab, name: str) -> None:
    """The form of a new task, with a schedule."""
    page, keys = tab.page, tab.page.keyboard
    keys.press("n")
    expect(page.get_by_role("textbox", name="Name")).to_be_focused(timeout=STEP)
    keys.type(name)
    press_on(tab, page.get_by_text("More options"))
    expect(page.get_by_role("combobox", name="Runs")).to_be_visible(timeout=STEP)
    tab.tab_to(page.get_by_role("combobox", name="Runs"))
    keys.type("again")
    tab.tab_to(page.get_by_role("textbox", name="Cron expression"))
    keys.type(CRON)


def test_the_whole_way_by_keyboard_only(open_tab: Tabs) -> None:
    """From sign-in to a task that is deleted: no pointer, and the focus is never lost to the body."""
    tab = open_tab()
    walk = Walk.along(tab, "By keyboard only")
    page, keys, body = tab.page, tab.page.keyboard, tab.page.locator("body")
    sign_in_by_keyboard(tab)
    walk.says()

    fill_in_by_keyboard(tab, "Weekday export")
    walk.says()

    keys.press("Enter")
    card = tab.card("Weekday export")
    walk.says(card, card)

    keys.press("Escape")
    keys.press("j")
    press_on(tab, card.get_by_role("button", name=REQUEST_TOKEN))
    page.locator("[name=accept]").press("Enter", timeout=STEP)
    walk.says(body, card)

    keys.press("j")
    press_on(tab, card.get_by_role("button", name=EXECUTE))
    walk.says(card, card)

    press_on(tab, card.get_by_role("link", name="Open Weekday export"))
    tab.shows("Weekday export")
    walk.says(body, body, body)

    press_on(tab, page.get_by_role("region", name="Access it uses").get_by_role("link", name="Details"))
    lane = tab.card("Weekday export")
    walk.says(lane, lane)

    press_on(tab, lane.get_by_role("button", name="Revoke"))
    walk.says(*[tab.dialog()] * 3)
    tab.is_accessible()

    press_on(tab, tab.dialog().get_by_role("button", name="Revoke access"))
    walk.says(body, lane)

    keys.press("/")
    tab.shows("Your tasks")
    expect(page.get_by_role("searchbox")).to_be_focused(timeout=STEP)
    keys.press("Escape")
    keys.press("j")
    walk.says(*[card] * 3)

    press_on(tab, card.get_by_role("button", name="Delete Weekday export"))
    press_on(tab, tab.dialog().get_by_role("button", name="Delete"))
    walk.says()
    expect(card).to_have_count(0)
    assert page.evaluate("document.activeElement !== document.body")
    walk.has_ended()


def test_on_a_phone_from_sign_in_to_a_scheduled_task_whose_grant_is_revoked(open_tab: Tabs) -> None:
    """Each step says what has come of it, and the last one what to do now; nothing sticks out."""
    tab = open_tab("light", PHONE)
    walk = Walk.along(tab, "At a phone's width")
    page, body = tab.page, tab.page.locator("body")
    tab.sign_in()
    walk.says()

    page.get_by_role("button", name="New task").click()
    page.get_by_role("textbox", name="Name").fill("Phone export")
    page.get_by_text("More options").click()
    page.get_by_role("combobox", name="Runs").select_option("again and again (cron)")
    page.get_by_role("textbox", name="Cron expression").fill(CRON)
    walk.says()
    tab.fits()

    page.get_by_role("button", name="Create Task").click()
    card = tab.card("Phone export")
    walk.says(card, card)

    card.get_by_role("button", name=REQUEST_TOKEN).click()
    tab.consent()
    walk.says(card)
    tab.fits()

    card.get_by_role("link", name="Open Phone export").click()
    schedule = page.get_by_role("region", name="Schedule")
    walk.says(schedule, schedule)
    tab.fits()

    page.get_by_role("link", name=re.compile("^Access")).first.click()
    lane = tab.card("Phone export")
    lane.get_by_role("button", name="Revoke").click()
    walk.says(*[tab.dialog()] * 4)
    tab.fits()

    tab.dialog().get_by_role("button", name="Revoke access").click()
    walk.says(body, lane)
    tab.fits()

    page.get_by_role("link", name="Tasks", exact=True).click()
    walk.says(card, card)

    card.get_by_role("link", name="Open Phone export").click()
    walk.says(*[schedule] * 3)
    tab.fits()
    tab.is_accessible()
    walk.has_ended()
