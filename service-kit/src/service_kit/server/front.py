"""The ASGI application that uvicorn runs for a Flask application: its fast path first, else its routes in threads.

The event loop reads a request's body as a whole, up to the limit of all bodies. A client that sends slowly therefore
holds no thread. The application gets a correct `Content-Length`, also for a body that came in chunks.
"""

import asyncio
import re
from collections.abc import Callable, Sequence

from flask import Flask

from service_kit.http import health
from service_kit.http.app import request_id_from
from service_kit.http.inputs import MAX_BODY_BYTES
from service_kit.http.problems import answer_for
from service_kit.process import logs
from service_kit.server import fast_path
from service_kit.server.asgi import Message, Receive, Scope, Send
from service_kit.server.fast_path import FastAnswer, FastPath, Head
from service_kit.server.wsgi import Threads

log = logs.get(__name__)

BEAT_SECONDS = 1.0
MAX_DISCARDED_BYTES = 1024 * 1024
"""Of a body that is too large, so much is read before it is refused: a client that is sending does not read."""

_FRAMING = {b"content-length", b"transfer-encoding"}
_NOT_FAST = {*_FRAMING, b"dpop"}
_NOT_A_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
"""Bytes that no header field's value may have (RFC 9110, section 5.5)."""


class Front:
    """One application with its threads."""

    def __init__(self, app: Flask, threads: int, beat: Callable[[], None]) -> None:
        """threads: how many requests the routes answer at once; beat: called every second while the event loop runs."""
        self._fast_path = fast_path.of(app)
        self._fast_raw_path = self._fast_path.path.encode() if self._fast_path else None
        self._threads = Threads(app, threads)
        self._beat = beat

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI: answer a request, or run from start to end."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        if self._fast_path and scope["raw_path"] == self._fast_raw_path and scope["method"] == "GET":
            answer = await _fast(self._fast_path, scope)
            if answer is not None:
                await _send(answer, send)
                return
        if scope["raw_path"] == health.ALIVE_PATH.encode() and scope["method"] == "GET":
            await _send(fast_path.json(health.ALIVE, request_id_from("")), send)  # also when every thread is busy
            return
        body = await _whole_body(scope, receive)
        if body is not None:
            await self._answer(scope, body, send)

    async def _answer(self, scope: Scope, body: bytes, send: Send) -> None:
        is_started = False

        async def checked(message: Message) -> None:
            nonlocal is_started
            if message["type"] == "http.response.start":
                _raise_unless_sendable(message["headers"])
                is_started = True
            await send(message)

        try:
            await self._threads.answer(scope, body, checked)
        except Exception as error:  # noqa: BLE001 - it is logged, and answered
            problem = answer_for(error, {})
            if not is_started:  # else uvicorn hangs up: the client sees that the answer is cut off
                await _send(fast_path.problem(problem, request_id_from("")), send)

    async def _live(self, receive: Receive, send: Send) -> None:
        beating = asyncio.create_task(self._beat_on())
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        beating.cancel()
        await send({"type": "lifespan.shutdown.complete"})

    async def _beat_on(self) -> None:
        while True:
            self._beat()
            await asyncio.sleep(BEAT_SECONDS)


async def _fast(fast: FastPath, scope: Scope) -> FastAnswer | None:
    fields = dict(scope["headers"])
    if len(fields) != len(scope["headers"]) or not _NOT_FAST.isdisjoint(fields):
        return None
    head = Head(
        scope["query_string"],
        fields.get(b"authorization", b"").decode("latin-1"),
        fields.get(b"x-request-id", b"").decode("latin-1"),
        b"x-gateway" in fields,
    )
    try:
        return await fast.answer(head)
    except Exception as error:
        log.exception("http.fast_path_failed", exc_info=error)
        return None


async def _whole_body(scope: Scope, receive: Receive) -> bytes | None:
    """The body, or None when the client has left. `Content-Length` in scope becomes its length.

    Of a body that is too large a part is returned; its `Content-Length` tells the application that it is too large.
    """
    fields = dict(scope["headers"])
    if _FRAMING.isdisjoint(fields):
        return b""
    body = bytearray()
    length = int(fields.get(b"content-length", b"0"))
    is_wanted = length <= MAX_BODY_BYTES or (length <= MAX_DISCARDED_BYTES and b"expect" not in fields)
    if is_wanted:
        length = 0
    while is_wanted:
        message = await receive()
        if message["type"] != "http.request":
            return None
        length += len(message["body"])
        body += message["body"][: MAX_BODY_BYTES + 1 - len(body)]
        is_wanted = message["more_body"] and length <= MAX_DISCARDED_BYTES
    kept = [field for field in scope["headers"] if field[0] not in _FRAMING]
    scope["headers"] = [*kept, (b"content-length", str(length).encode())]
    return bytes(body)


def _raise_unless_sendable(headers: Sequence[tuple[bytes, bytes]]) -> None:
    for name, value in headers:
        if _NOT_A_VALUE.search(value):
            raise ValueError(f"{name!r} has a value that HTTP does not allow")


async def _send(answer: FastAnswer, send: Send) -> None:
    headers = [(name.encode(), value.encode("latin-1")) for name, value in answer.headers.items()]
    headers.append((b"Content-Length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
