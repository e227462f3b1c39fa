"""The product's API as a caller with one bearer token uses it."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import described
import requests
from person import Person, query
from stack import TIMEOUT, Stack, eventually

MANAGER = "/api/auth/manager"


@dataclass
class Api:
    """A caller. vault: the address at which it reaches the vault, when that is not the gateway."""

    stack: Stack
    bearer: str | None = field(repr=False)
    vault: str | None = None

    def call(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        """One request, redirects not followed. An answer that no document describes fails."""
        headers = {"Authorization": f"Bearer {self.bearer}"} if self.bearer else {}
        headers |= kwargs.pop("headers", {})
        base = self.vault if self.vault and path.startswith(MANAGER) else self.stack.gateway
        answer = requests.request(
            method, base + path, headers=headers, timeout=TIMEOUT, allow_redirects=False, **kwargs
        )
        described.check(method, path, answer)
        return answer

    def get(self, path: str, **kwargs: Any) -> requests.Response:
        """GET."""
        return self.call("GET", path, **kwargs)

    def post(self, path: str, body: Any = None, **kwargs: Any) -> requests.Response:
        """POST a JSON body."""
        return self.call("POST", path, **({} if body is None else {"json": body}), **kwargs)

    def delete(self, path: str) -> requests.Response:
        """DELETE."""
        return self.call("DELETE", path)

    # words of the domain

    def create_task(self, name: str = "Data Processing") -> str:
        """A new task's id."""
        answer = self.post("/api/tasks", {"name": name, "description": "Process large dataset"})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def task(self, task_id: str) -> dict[str, Any]:
        """A task."""
        answer = self.get(f"/api/tasks/{task_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def ask_consent(self, task_id: str | None = None, **wishes: Any) -> dict[str, Any]:
        """A pending token and the URL of its consent."""
        return dict(self._asked(task_id, **wishes).json())

    def grant(self, person: Person, task_id: str | None = None, **wishes: Any) -> str:
        """An active token's id: asked for by this caller, consented to by that person, in one browser."""
        answer = self._asked(task_id, **wishes)
        person.remember(answer.headers.get("Set-Cookie"))
        asked = answer.json()
        landed = self.arrive(person, person.grant(asked["consentUrl"], stop_at=self.stack.gateway))
        assert landed.get("persistent_token_id") == asked["persistentTokenId"], landed
        return str(asked["persistentTokenId"])

    def _asked(self, task_id: str | None, **wishes: Any) -> requests.Response:
        answer = self.post(f"{MANAGER}/offline-consent", {**({"taskId": task_id} if task_id else {}), **wishes})
        assert answer.status_code == 200, answer.text
        return answer

    def arrive(self, person: Person, callback: str) -> dict[str, str]:
        """Open the callback; the query parameters with which the page is reached."""
        answer = person.get(callback)
        assert answer.status_code == 303, answer.text
        location = answer.headers["Location"]
        if location.startswith("/consent/confirm#"):
            location = self.confirm(location)
        assert location.startswith("/tasks?"), location
        return query(location)

    def confirm(self, location: str) -> str:
        """Confirm an account at another server, as the page does. Returns the browser's next address."""
        given = dict(parse_qsl(location.partition("#")[2]))
        confirmed = self.post(f"{MANAGER}/offline-consent/{given['id']}/confirm", {"secret": given["secret"]})
        assert confirmed.status_code == 200, confirmed.text
        return str(confirmed.json()["location"])

    def token(self, token_id: str) -> dict[str, Any]:
        """A token as its owner sees it."""
        return dict(self.get(f"{MANAGER}/tokens/{token_id}").json())

    def outcomes(self, token_id: str, event: str) -> list[str]:
        """The outcomes of a token's audit lines of one event, newest first."""
        lines = self.get(f"{MANAGER}/tokens/{token_id}/audit").json()["lines"]
        return [line["outcome"] for line in lines if line["event"] == event]

    def link(self, task_id: str, persistent_token_id: str) -> requests.Response:
        """Link a token to a task."""
        return self.post(f"/api/tasks/{task_id}/link-persistent-id", {"persistentTokenId": persistent_token_id})

    def execute(self, task_id: str) -> requests.Response:
        """Execute a task."""
        return self.post(f"/api/tasks/{task_id}/execute")

    def ready_task(self, person: Person, name: str = "Data Processing") -> tuple[str, str]:
        """A task with an active token: both ids."""
        task_id = self.create_task(name)
        token_id = self.grant(person, task_id)
        assert self.link(task_id, token_id).json()["offlineTokenStatus"] == "active"
        return task_id, token_id

    def finished(self, task_id: str, seconds: float = 60.0) -> dict[str, Any]:
        """The task when it is neither queued nor running any more."""
        return eventually(
            lambda: task if (task := self.task(task_id))["status"] not in {"queued", "running"} else None,
            f"{task_id} ends",
            seconds,
        )

    def access_token(self, persistent_token_id: str, **parameters: Any) -> requests.Response:
        """Ask the vault for an access token."""
        return self.get(f"{MANAGER}/access-token", params={"id": persistent_token_id, **parameters})


def problem(answer: requests.Response) -> tuple[int, str]:
    """Status and code of a problem document (RFC 9457), checked for its form."""
    assert answer.headers["Content-Type"] == "application/problem+json", answer.text
    document = answer.json()
    assert document["status"] == answer.status_code
    assert document["title"]
    assert document["detail"]
    assert document["requestId"] == answer.headers["X-Request-ID"]
    assert "Traceback" not in answer.text
    return answer.status_code, str(document["code"])


def command_line_token(stack: Stack, who: str) -> str:
    """A token as `make token WHO=…` gets it, without a program for each."""
    form = {"grant_type": "password", "client_id": "dev-cli", "username": who, "password": who, "scope": "openid"}
    return _access_token(stack, form)


def service_token(stack: Stack) -> str:
    """A client credentials token of the task service."""
    client = (stack["TASK_SERVICE_CLIENT_ID"], stack["TASK_SERVICE_CLIENT_SECRET"])
    return _access_token(stack, {"grant_type": "client_credentials"}, client)


def _access_token(stack: Stack, form: dict[str, str], client: tuple[str, str] | None = None) -> str:
    answer = requests.post(f"{stack['ISSUER']}/protocol/openid-connect/token", form, auth=client, timeout=TIMEOUT)
    answer.raise_for_status()
    return str(answer.json()["access_token"])
