"""`python -m bench.page`: what 10,000 tasks cost the browser, by Chromium's counters (CDP `Performance.getMetrics`).

The page is the built one, on a stack of its own; requests for the list are answered in the server's place. With
`--before`, the page of another checkout is measured in turn with it, its files answered in the gateway's place.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from browser.many import ManyTasks
from browser.tab import RUN, Tab, Tabs, chromium
from playwright.sync_api import Browser, CDPSession, Route, expect
from stack import ARTIFACTS, ROOT, Stack

from bench import report

THIS = "this page"
TASKS = 10_000
LAST_RUNS = ["completed", "failed"] * 5
ANSWERED_HERE = "--disable-features=LocalNetworkAccessChecks"
"""A page whose files were answered in the gateway's place may ask servers on this machine."""
POLLS = 10
SETTLE = 700
"""Milliseconds in which the browser finishes what an answer has begun."""


@dataclass(frozen=True, slots=True)
class PageGoal:
    """A figure: its name, its unit, and the most that it may be."""

    name: str
    unit: str
    most: float


ELEMENTS = PageGoal("elements in the document", "", 1500)
POLL = PageGoal("script of a poll that changed one row", "ms", 5)
FIRST = PageGoal("main thread until the first list", "ms", 1000)
GOALS = (ELEMENTS, POLL, FIRST)
Figures = Mapping[PageGoal, float]


def main() -> int:
    """Measure, print, keep; the exit status is 1 when a goal is missed."""
    parser = argparse.ArgumentParser(prog="bench.page", description=__doc__)
    parser.add_argument("--before", type=Path, help="a checkout of another state, which is built if it is not")
    parser.add_argument("--rounds", type=int, default=3, help="medians are taken over so many (default: %(default)s)")
    options = parser.parse_args()
    pages: dict[str, Path | None] = {"before": built(options.before)} if options.before else {}
    pages[THIS] = None
    with running() as stack, chromium(ANSWERED_HERE) as browser:
        rounds = [
            {name: measure(browser, stack, files) for name, files in pages.items()} for _ in range(options.rounds)
        ]
    medians = {name: {goal: statistics.median(one[name][goal] for one in rounds) for goal in GOALS} for name in pages}
    print(table(medians))
    kept = ARTIFACTS / "bench-page.json"
    figures = {name: {goal.name: value for goal, value in found.items()} for name, found in medians.items()}
    kept.write_text(json.dumps({"commit": report.commit(ROOT), "rounds": options.rounds, "figures": figures}, indent=2))
    print(f"\nkept in {kept.relative_to(ROOT)}")
    return int(any(medians[THIS][goal] > goal.most for goal in GOALS))


def built(checkout: Path) -> Path:
    """The built page of a checkout."""
    frontend = checkout / "frontend"
    files = frontend / "dist"
    if not (files / "index.html").exists():
        for command in (["npm", "ci", "--no-audit", "--no-fund"], ["npm", "run", "build"]):
            subprocess.run(command, cwd=frontend, check=True, timeout=600)
    return files


@contextmanager
def running() -> Iterator[Stack]:
    """A stack of its own with the development authorization server."""
    with tempfile.TemporaryDirectory(prefix="bench-page-") as folder:
        Path(folder).chmod(0o755)  # PostgreSQL runs as somebody else when we are root
        stack = Stack.create(Path(folder), "dev")
        try:
            stack.start()
            yield stack
        finally:
            stack.clean()


def measure(browser: Browser, stack: Stack, files: Path | None) -> Figures:
    """One visit: the first list, its elements, and polls that each change one row. files: of another page."""
    tabs = Tabs(browser, stack)
    tab = tabs()
    if files is not None:
        serve(tab, files)
    many = ManyTasks.of(TASKS, unpaged=TASKS)
    many.tasks = [{**task, "lastRuns": LAST_RUNS} for task in many.tasks]
    many.serve(tab.page)
    tab.open()
    tab.page.get_by_role("button", name="Sign in").click()
    tab.log_in()
    expect(tab.card("Task 0")).to_be_visible(timeout=RUN)
    counters = tab.page.context.new_cdp_session(tab.page)
    counters.send("Performance.enable")
    first = spent(counters, "TaskDuration", lambda: reload(tab))
    elements = tab.page.evaluate("document.querySelectorAll('*').length")
    polls = [spent(counters, "ScriptDuration", poll_of(tab, many, number)) for number in range(POLLS)]
    tabs.close()
    return {FIRST: first, ELEMENTS: elements, POLL: statistics.median(polls)}


def serve(tab: Tab, files: Path) -> None:
    """Answer requests for the page's own files from a folder: every other path of the gateway's is the page."""

    def answer(route: Route) -> None:
        path = urlsplit(route.request.url).path.lstrip("/")
        if path.startswith("api/") or path == "config.json":
            route.fallback()
        else:
            route.fulfill(path=files / path if (files / path).is_file() else files / "index.html")

    tab.page.route(f"{tab.stack.gateway}/**", answer)


def reload(tab: Tab) -> None:
    """The page from the beginning to its list."""
    tab.page.reload()
    expect(tab.card("Task 0")).to_be_visible(timeout=RUN)
    tab.page.wait_for_timeout(SETTLE)


def poll_of(tab: Tab, many: ManyTasks, number: int) -> Callable[[], None]:
    """A change of one row in sight, until the next request has brought it."""

    def wait() -> None:
        many.change(3, status="running", progress=number + 1)
        asked = len(many.requests)
        while len(many.requests) == asked:  # the browser asks within two seconds; nothing is evaluated in the page
            tab.page.wait_for_timeout(50)
        tab.page.wait_for_timeout(SETTLE)

    return wait


def spent(counters: CDPSession, name: str, act: Callable[[], None]) -> float:
    """Milliseconds by which a counter of the page has grown."""
    before = counter(counters, name)
    act()
    return (counter(counters, name) - before) * 1000


def counter(counters: CDPSession, name: str) -> float:
    """Seconds so far."""
    metrics = counters.send("Performance.getMetrics")["metrics"]
    return next(float(metric["value"]) for metric in metrics if metric["name"] == name)


def table(medians: Mapping[str, Figures]) -> str:
    """The figures as a table of Markdown."""
    names: Sequence[str] = list(medians)
    lines = [f"| {TASKS:,} tasks | {' | '.join(names)} | goal |", f"|---|{'--:|' * len(names)}--:|"]
    for goal in GOALS:
        values = " | ".join(f"{medians[name][goal]:,.1f} {goal.unit}".strip() for name in names)
        lines.append(f"| {goal.name} | {values} | ≤ {goal.most:,.0f} {goal.unit} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
