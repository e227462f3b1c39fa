"""The fast path: requests that wait for one thing only are answered in the event loop, without a thread.

An application offers a `FastPath` for one address. `service_kit.server.front` asks it first; all requests that it
declines are answered by the application's own route.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import msgspec
from flask import Flask

from service_kit.http import problems
from service_kit.http.problems import Problem

EXTENSION = "service_kit.server.fast_path"


class Head(NamedTuple):
    """The head of a GET without a body, without repeated header fields and without a DPoP proof.

    query: as it was sent; authorization, request_id: values of `Authorization` and `X-Request-ID`, empty without them;
    is_public: True when it came through the public gateway.
    """

    query: bytes
    authorization: str
    request_id: str
    is_public: bool = False


class FastAnswer(NamedTuple):
    """A whole answer; the server adds the header fields that frame it."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class FastPath(Protocol):
    """A fast path, which an application can offer."""

    path: str
    """The address that it answers: without a query, spelled as clients send it."""

    async def answer(self, head: Head) -> FastAnswer | None:
        """The answer, or None to have the route answer. Runs in the event loop and must not block it.

        What it raises is logged, and the route answers.
        """
        ...


def json(answer: msgspec.Struct, request_id: str) -> FastAnswer:
    """A 200 with a JSON body that no cache may keep, as `service_kit.http.app.respond` makes it."""
    return FastAnswer(200, _headers("application/json", request_id), msgspec.json.encode(answer))


def problem(refusal: Problem, request_id: str) -> FastAnswer:
    """A problem (RFC 9457) as an answer."""
    document = msgspec.structs.replace(refusal.document(), request_id=request_id)
    headers = _headers(problems.CONTENT_TYPE, request_id)
    return FastAnswer(refusal.status, {**headers, **refusal.headers}, msgspec.json.encode(document))


def _headers(content_type: str, request_id: str) -> dict[str, str]:
    return {
        "Content-Type": content_type,
        "Cache-Control": "no-store",
        "X-Request-ID": request_id,
        "X-Content-Type-Options": "nosniff",
    }


def install(app: Flask, fast_path: FastPath) -> None:
    """Offer a fast path for `app`."""
    app.extensions[EXTENSION] = fast_path


def of(app: object) -> FastPath | None:
    """The fast path that an application offers, or None."""
    extensions: Mapping[str, Any] = getattr(app, "extensions", {})
    return extensions.get(EXTENSION)
