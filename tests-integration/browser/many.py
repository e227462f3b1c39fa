"""More tasks than a test would create: requests for the list are answered in the server's place, as it would."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Page, Route

LIST = re.compile(r"/api/tasks(\?|$)")
ONE = re.compile(r"/api/tasks/(task-\w+)$")
STATES = ("pending", "waiting", "queued", "running", "completed", "failed", "cancelled")


@dataclass
class ManyTasks:
    """Invented tasks and the list of them: pages, search, filter by state, counts and `ETag`.

    unpaged: tasks of an answer to a request without `limit`; requests: the query of each request for the list; version:
    part of the validator.
    """

    tasks: list[dict[str, Any]]
    unpaged: int = 1000
    requests: list[Mapping[str, Sequence[str]]] = field(default_factory=list)
    version: int = 0

    @classmethod
    def of(cls, count: int, unpaged: int = 1000) -> "ManyTasks":
        """So many pending tasks, the newest first."""
        words: dict[str, Any] = {"description": "", "status": "pending", "createdAt": "2025-01-18T12:00:00Z"}
        return cls([{"id": f"task-{n}", "name": f"Task {n}", "userId": "u", **words} for n in range(count)], unpaged)

    def serve(self, page: Page) -> None:
        """Answer that page's requests from now on."""
        page.route(LIST, self._answer)
        page.route(ONE, self._one)

    def change(self, place: int, **words: Any) -> None:
        """Another state of one task, which the next request sees."""
        self.tasks[place] = {**self.tasks[place], **words}
        self.version += 1

    def _one(self, route: Route) -> None:
        name = urlsplit(route.request.url).path.rpartition("/")[2]
        found = next((task for task in self.tasks if task["id"] == name), None)
        if found is None or route.request.method != "GET":
            route.fallback()
        else:
            route.fulfill(body=json.dumps(found), content_type="application/json")

    def _answer(self, route: Route) -> None:
        if route.request.method != "GET":
            route.fallback()
            return
        query = parse_qs(urlsplit(route.request.url).query)
        self.requests.append(query)
        etag = f'W/"{self.version}"'
        if route.request.headers.get("if-none-match") == etag:
            route.fulfill(status=304, headers={"ETag": etag})
            return
        route.fulfill(body=json.dumps(self._list(query)), content_type="application/json", headers={"ETag": etag})

    def _list(self, query: Mapping[str, Sequence[str]]) -> dict[str, Any]:
        wanted = {name: values[0] for name, values in query.items()}
        states = wanted.get("status", ",".join(STATES)).split(",")
        words = wanted.get("search", "").lower().split()
        found = [task for task in self.tasks if task["status"] in states and _has(task, words)]
        start, limit = int(wanted.get("cursor", "0")), int(wanted.get("limit", self.unpaged))
        listed: dict[str, Any] = {"tasks": found[start : start + limit]}
        if start + limit < len(found):
            listed["nextCursor"] = str(start + limit)
        if "counts" in wanted:
            scheduled = sum("schedule" in task for task in self.tasks)
            each = {state: sum(task["status"] == state for task in self.tasks) for state in STATES}
            listed["counts"] = {
                "total": len(self.tasks),
                **each,
                "needsConsent": min(1000, each["pending"]),
                "scheduled": scheduled,
            }
        return listed


def _has(task: Mapping[str, Any], words: Sequence[str]) -> bool:
    there = f"{task['name']} {task['description']}".lower().split()
    return all(any(word.startswith(wanted) for word in there) for wanted in words)
