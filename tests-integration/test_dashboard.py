"""The dashboard and the alerts ask for what the parts measure: each metric of each query is in a real scrape."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import yaml
from api import Api
from person import Person
from stack import ROOT, Stack, eventually

pytestmark = pytest.mark.any_server

DASHBOARD = ROOT / "deploy" / "observability" / "dashboard.json"
ALERTS = ROOT / "deploy" / "observability" / "alerts.yml"
METRIC = re.compile(r"\b(?:http|vault|task)_[a-z_]+\b")


def queries() -> Iterator[str]:
    """The query of each panel."""
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", []):
            yield target["expr"]


def alerts() -> list[dict[str, Any]]:
    """The rules for Prometheus."""
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def test_every_query_asks_for_something_that_is_measured(stack: Stack, alice: Api, alice_person: Person) -> None:
    """After a consent, a refresh and a task, nothing on the dashboard is empty for want of a metric."""
    everything = [*queries(), *(rule["expr"] for rule in alerts())]
    asked = {name for query in everything for name in METRIC.findall(query)}
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


def test_an_alert_says_what_it_means_and_what_to_do() -> None:
    """Each with a name of its own and a severity."""
    assert len({rule["alert"] for rule in alerts()}) == len(alerts())
    assert all(rule["annotations"].keys() == {"summary", "action"} for rule in alerts())
    assert {rule["labels"]["severity"] for rule in alerts()} == {"critical", "warning"}


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
