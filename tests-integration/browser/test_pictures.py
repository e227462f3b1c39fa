"""The pictures of README.md, with invented people's work: copy `artifacts/screenshots/readme-*.png` to docs/images."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Route, expect

from browser.many import ManyTasks
from browser.tab import STEP, Tabs

pytestmark = [pytest.mark.browser, pytest.mark.any_server]
AUDIT = re.compile(r"/api/auth/manager/tokens/([\w-]+)/audit\?")
GRANTS = {"export": 9, "reports": 5, "mail": 6, "calendar": 4, "old": 8}
"""Days since each was granted, by name."""


def at(**away: float) -> str:
    """A moment from now."""
    return (datetime.now(UTC) + timedelta(**away)).isoformat()


def grant_id(name: str) -> str:
    """The id of an invented grant."""
    return f"{list(GRANTS).index(name) + 1}f3b0c44-98fc-4c14-9af5-b92427ae41e4"


def grants() -> list[dict[str, Any]]:
    """In use with runs to come, ending before the next run, revoked, used by no task."""
    words = {"tokenType": "offline", "provider": "default", "scopes": ["email", "openid", "profile"]}
    base = {**words, "services": ["task-service"], "status": "active"}

    def one(grant: str, **more: Any) -> dict[str, Any]:
        days = GRANTS[grant]
        asked = {"createdAt": at(days=-days), "activatedAt": at(days=-days), "lastUsedAt": at(hours=-2)}
        return {**base, "persistentTokenId": grant_id(grant), **asked, **more}

    return [
        one("export", uses=31, name="Nightly jobs"),
        one("reports", uses=12, notAfter=at(hours=30)),
        one("mail", uses=44),
        one("calendar", uses=3, status="revoked"),
        one("old", uses=5, lastUsedAt=at(days=-3)),
    ]


def tasks() -> list[dict[str, Any]]:
    """One of each state, some with a schedule."""

    def one(number: int, name: str, status: str, grant: str | None, **more: Any) -> dict[str, Any]:
        used = {} if grant is None else {"persistentTokenId": grant_id(grant), "offlineTokenStatus": "active"}
        made = {
            "id": f"task-{number}",
            "name": name,
            "description": "",
            "userId": "alice",
            "createdAt": at(days=-number),
        }
        return {**made, "status": status, **used, **more}

    def nightly(cron: str, hours: float) -> dict[str, Any]:
        rule = {"cron": cron, "timezone": "UTC", "overlap": "skip", "status": "active"}
        return {"schedule": {**rule, "nextRunAt": at(hours=hours)}}

    soon = datetime.now(UTC) + timedelta(hours=36)
    return [
        one(1, "Process large dataset", "running", "export", progress=64),
        one(
            2,
            "Nightly export",
            "completed",
            "export",
            completedAt=at(hours=-5),
            result="42 files.",
            **nightly("30 2 * * *", 7),
        ),
        one(3, "Quarterly report", "pending", "reports", **nightly(f"{soon.minute} {soon.hour} {soon.day} * *", 36)),
        one(
            4,
            "Invoice reminders",
            "failed",
            "mail",
            completedAt=at(hours=-3),
            error="The mail server refused 2 messages.",
        ),
        one(5, "Sync calendar 📅", "pending", "calendar", offlineTokenStatus="failed"),
        one(6, "تقرير المبيعات اليومي", "waiting", "mail", waitReason="retry", nextAttemptAt=at(minutes=3)),
        one(7, "Clean up drafts", "pending", None, description="Removes drafts that nobody has touched for a month"),
    ]


def audit_of(name: str) -> list[Mapping[str, Any]]:
    """The uses of a grant."""
    line = {"event": "token.issued", "actor": "task-service", "outcome": "ok"}
    every = {"export": 24, "reports": 17, "mail": 11, "calendar": 20, "old": 15}[name]
    first = 75 if name == "old" else 2
    return [
        {**line, "at": at(hours=-hours), "requestId": f"r-{hours}"} for hours in range(first, 24 * GRANTS[name], every)
    ]


def test_the_pictures_of_the_readme(open_tab: Tabs) -> None:
    """Tasks and access in both schemes; nothing sticks out, and axe finds nothing."""
    tab = open_tab()
    ManyTasks(tasks()).serve(tab.page)
    tab.answer("**/api/auth/manager/tokens", 200, json.dumps({"tokens": grants()}))

    def audit(route: Route) -> None:
        number = int(route.request.url.split("/tokens/")[1][0])
        lines = audit_of(list(GRANTS)[number - 1])
        route.fulfill(body=json.dumps({"lines": lines}), content_type="application/json")

    tab.page.route(AUDIT, audit)
    tab.sign_in()
    expect(tab.card("Process large dataset")).to_be_visible(timeout=STEP)
    tab.pictures("readme-tasks")
    tab.open("/access")
    expect(tab.page.locator(".lane-run").first).to_be_attached(timeout=STEP)
    expect(tab.card("Nightly jobs")).to_contain_text("Used 31 times")
    tab.pictures("readme-access")
    assert tab.page.locator("[data-group=attention] .lane-reason").count() > 0
