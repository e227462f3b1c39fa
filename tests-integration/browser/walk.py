"""The walks of docs/walks.md: what the page has to say, in order."""

import re
from collections import deque
from dataclasses import dataclass

from playwright.sync_api import Locator, expect
from stack import ROOT

from browser.tab import RUN, Tab

PAGE = ROOT / "docs" / "walks.md"
SAID = re.compile(r"^\s*> (.+)$", re.MULTILINE)


@dataclass
class Walk:
    """One walk in a tab. left: sentences that the page has not said yet."""

    tab: Tab
    left: deque[str]

    @classmethod
    def along(cls, tab: Tab, title: str) -> "Walk":
        """The walk under that heading."""
        _, found, rest = PAGE.read_text(encoding="utf-8").partition(f"## {title}\n")
        assert found, title
        return cls(tab, deque(SAID.findall(rest.partition("\n## ")[0])))

    def says(self, *places: Locator) -> None:
        """Wait for the next sentence, in that place or anywhere in the page: for one for each place."""
        for place in places or (self.tab.page.locator("body"),):
            words = (re.escape(part.strip()) for part in self.left.popleft().split("…"))
            expect(place).to_contain_text(re.compile(r".*".join(words), re.DOTALL), timeout=RUN, use_inner_text=True)

    def has_ended(self) -> None:
        """All was said."""
        assert not self.left
