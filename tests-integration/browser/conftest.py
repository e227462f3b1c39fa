"""A browser for each file, and tabs for each test."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser
from stack import Stack

from browser.tab import Tabs, chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    with chromium() as running:
        yield running


@pytest.fixture
def open_tab(browser: Browser, stack: Stack) -> Iterator[Tabs]:
    """Opens tabs at the page."""
    tabs = Tabs(browser, stack)
    yield tabs
    tabs.close()
