"""A WSGI application (PEP 3333) under ASGI: each request in a thread, its answer handed to the event loop in one piece.

An answer that is larger than STREAMED_BYTES is sent while it is made, and waits for a slow reader.
"""

import asyncio
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from io import BytesIO
from typing import Any

from service_kit.http.app import RAW_PATH
from service_kit.server.asgi import Message, Scope, Send

STREAMED_BYTES = 64 * 1024
SEND_SECONDS = 60.0
"""For one piece of a large answer to be sent; then the application is told to stop, by TimeoutError."""

Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


class Threads:
    """A WSGI application and the threads that call it."""

    def __init__(self, app: Application, threads: int) -> None:
        self._app = app
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="wsgi")

    async def answer(self, scope: Scope, body: bytes, send: Send) -> None:
        """Answer one request. Raises what the application raises."""
        loop = asyncio.get_running_loop()
        call = _Call(loop, send)
        run = copy_context().run
        for message in await loop.run_in_executor(self._pool, run, call.run, self._app, _environ(scope, body)):
            await send(message)


class _Call:
    """One request. `_messages` are those that have not been sent yet."""

    def __init__(self, loop: asyncio.AbstractEventLoop, send: Send) -> None:
        self._loop = loop
        self._send = send
        self._messages: list[Message] = []

    def run(self, app: Application, environ: Environ) -> list[Message]:
        """In a thread: call the application. The messages that are left to be sent."""
        chunks: list[bytes] = []
        size = 0
        answer = app(environ, self._start)
        try:
            for chunk in answer:
                chunks.append(chunk)
                size += len(chunk)
                if size >= STREAMED_BYTES:
                    self._messages.append(_body(chunks, more=True))
                    asyncio.run_coroutine_threadsafe(self._send_all(), self._loop).result(SEND_SECONDS)
                    chunks, size = [], 0
        finally:
            getattr(answer, "close", lambda: None)()
        return [*self._messages, _body(chunks, more=False)]

    def _start(self, status: str, headers: list[tuple[str, str]], _exc_info: object = None) -> None:
        encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        self._messages = [{"type": "http.response.start", "status": int(status[:3]), "headers": encoded}]

    async def _send_all(self) -> None:
        messages, self._messages = self._messages, []
        for message in messages:
            await self._send(message)


def _body(chunks: Iterable[bytes], *, more: bool) -> Message:
    return {"type": "http.response.body", "body": b"".join(chunks), "more_body": more}


def _environ(scope: Scope, body: bytes) -> Environ:
    """Header fields with `_` in their names are left out: in WSGI they would look like others with `-`."""
    server, client = scope["server"] or ("", 0), scope["client"] or ("", 0)
    environ: Environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": scope["path"].encode().decode("latin-1"),
        RAW_PATH: scope["raw_path"].decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("ascii"),
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1]),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": client[0],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for raw_name, raw_value in scope["headers"]:
        if b"_" in raw_name:
            continue
        name = raw_name.decode("ascii").upper().replace("-", "_")
        key = name if name in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{name}"
        value = raw_value.decode("latin-1")
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    return environ
