"""`python -m browser.sheets`: contact sheets of the pictures that the browser tests have kept, for looking at them.

One sheet for each page and state, with all widths and both schemes side by side, in `artifacts/sheets`.
"""

import re
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from playwright.sync_api import Page
from stack import ARTIFACTS

from browser.tab import WIDTHS, chromium

NAMED = re.compile(rf"(.+)-({'|'.join(map(str, WIDTHS))})-(light|dark)\.png")
SHEET_WIDTH = 1900
HEIGHT = 900
"""Pixels of a picture on its sheet, at most; longer ones are cut."""


def main() -> int:
    """Write the sheets of the states named as arguments, or all; 1 when there is no picture."""
    states = found(ARTIFACTS / "screenshots", sys.argv[1:])
    folder = ARTIFACTS / "sheets"
    folder.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
        page = browser.new_page(viewport={"width": SHEET_WIDTH, "height": HEIGHT})
        for state, pictures in states.items():
            page.goto((ARTIFACTS / "screenshots").as_uri())  # pictures are read from the same origin
            show(page, pictures)
            page.screenshot(path=folder / f"{state}.png", full_page=True)
    sys.stdout.write(f"{len(states)} sheets in {folder}\n")
    return int(not states)


def found(folder: Path, wanted: Sequence[str]) -> Mapping[str, Sequence[Path]]:
    """The pictures of each state, by width."""
    states: dict[str, list[tuple[int, Path]]] = defaultdict(list)
    for picture in sorted(folder.glob("*.png")):
        name = NAMED.fullmatch(picture.name)
        if name and (not wanted or name[1] in wanted):
            states[name[1]].append((int(name[2]), picture))
    return {state: [path for _, path in sorted(pictures)] for state, pictures in states.items()}


def show(page: Page, pictures: Sequence[Path]) -> None:
    """Put the pictures on the page and wait until all are there."""
    frame = f"max-height:{HEIGHT}px;max-width:930px;overflow:hidden;border:1px solid #888"
    images = "".join(
        f'<div style="{frame}"><img src="{picture.as_uri()}" style="max-width:100%"></div>' for picture in pictures
    )
    page.set_content(f'<body style="display:flex;flex-wrap:wrap;gap:8px;background:#bbb">{images}')
    page.wait_for_function("[...document.images].every(image => image.complete && image.naturalWidth > 0)")


if __name__ == "__main__":
    sys.exit(main())
