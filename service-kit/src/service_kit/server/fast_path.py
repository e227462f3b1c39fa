"""A way past the threads for requests that need no thread of their own, because they wait for one thing only.

A thread for each request costs as much as the request: it is woken to begin, put to sleep to wait, woken again, and
fights the others for the interpreter's lock. gunicorn's loop can do without when an application says for a request,
at once, what has to be waited for; whatever became ready together is then waited for together, by one call.

It only ever does what the ordinary way would do: an application that is in doubt leaves a request to that.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

import msgspec
from flask import Flask

from service_kit.http import problems
from service_kit.http.problems import Problem

B = TypeVar("B")
R = TypeVar("R")

EXTENSION = "service_kit.server.fast_path"


class Head(NamedTuple):
    """A GET without a body. path, query: as sent; fields: headers, names in upper case, none of them repeated."""

    path: str
    query: str
    fields: Mapping[str, str]


class Answer(NamedTuple):
    """What goes back; the worker adds what frames it."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class FastPath(Protocol[B, R]):
    """What an application offers. `begin` and `finish` run in gunicorn's loop and must never wait."""

    path: str
    """The one that it is for."""

    def begin(self, head: Head) -> B | None:
        """What is to be waited for, or None: this is for the ordinary way. What it raises means the same."""
        ...

    def wait(self, begun: Sequence[B], done: Callable[[Sequence[R]], None]) -> None:
        """Return at once; some other thread then calls `done` with an outcome for each, in their order.

        What it raises means that it has begun nothing: they all go the ordinary way.
        """
        ...

    def finish(self, begun: B, outcome: R) -> Answer | None:
        """The answer, or None: the ordinary way has to begin from the start. What it raises means the same."""
        ...


def json(answer: msgspec.Struct, request_id: str) -> Answer:
    """As `service_kit.http.app.respond`: 200, with a JSON body that no cache may keep."""
    return Answer(200, _headers("application/json", request_id), msgspec.json.encode(answer))


def problem(refusal: Problem, request_id: str) -> Answer:
    """A problem as an answer."""
    document = msgspec.structs.replace(refusal.document(), request_id=request_id)
    headers = _headers(problems.CONTENT_TYPE, request_id)
    return Answer(refusal.status, {**headers, **refusal.headers}, msgspec.json.encode(document))


def _headers(content_type: str, request_id: str) -> dict[str, str]:
    return {
        "Content-Type": content_type,
        "Cache-Control": "no-store",
        "X-Request-ID": request_id,
        "X-Content-Type-Options": "nosniff",
    }


def install(app: Flask, fast_path: FastPath[Any, Any]) -> None:
    """Offer it to the worker that will run `app`."""
    app.extensions[EXTENSION] = fast_path


def of(app: object) -> FastPath[Any, Any] | None:
    """What an application offers, if anything."""
    extensions: Mapping[str, Any] = getattr(app, "extensions", {})
    return extensions.get(EXTENSION)
