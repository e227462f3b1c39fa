"""The dashboard asks for what the parts measure: each metric of each query is in a real scrape."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress

from api import Api
from person import Person
from stack import ROOT, Stack, eventually

DASHBOARD = ROOT / "deploy" / "observability" / "dashboard.json"
METRIC = re.compile(r"\b(?:http|vault|task)_[a-z_]+\b")


def queries() -> Iterator[str]:
    """The query of each panel."""
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", []):
            yield target["expr"]


def test_every_query_asks_for_something_that_is_measured(stack: Stack, alice: Api, alice_person: Person) -> None:
    """After a consent, a refresh and a task, nothing on the dashboard is empty for want of a metric."""
    asked = {name for query in queries() for name in METRIC.findall(query)}
    assert len(asked) > 10
    task_id, token_id = alice.ready_task(alice_person)
    assert alice.access_token(token_id, scope="openid").status_code == 200
    alice.execute(task_id)
    assert alice.finished(task_id)["status"] == "completed"

    def unmeasured() -> set[str]:
        parts = ("vault", "tasks", "worker")
        return asked - {sample.name for part in parts for sample in stack.metrics(part)}

    with suppress(AssertionError):
        eventually(lambda: not unmeasured(), "the last numbers are in", 20)
    assert unmeasured() == set()


def test_the_dashboard_can_be_drawn() -> None:
    """Panels have titles, words and a place of their own."""
    panels = [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert all(panel["title"] and panel["description"] and panel["targets"] for panel in panels)
    cells = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
