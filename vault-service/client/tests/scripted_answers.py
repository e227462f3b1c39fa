"""A real HTTP server on loopback that gives prepared answers, by path, and remembers what it was asked."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

ACCESS = "/api/auth/manager/access-token"
BATCH = "/api/auth/manager/access-tokens"
TOKENS = "/api/auth/manager/tokens"
CONSENT = "/api/auth/manager/offline-consent"
TICKETS = "/api/auth/manager/tickets"
OWN = "/token"
GRANT = {"persistentTokenId": "id-1", "status": "active", "createdAt": "2026-01-01T00:00:00Z", "taskId": "task-1"}


def token(value: str = "secret", seconds: float = 300, **members: Any) -> dict[str, Any]:
    """The vault's answer to `access-token`."""
    return {
        "accessToken": value,
        "tokenType": "Bearer",
        "expiresIn": seconds,
        "expiresAt": "2026-01-01T00:00:00Z",
        "scope": "openid profile",
        "persistentTokenId": "id-1",
        **members,
    }


@dataclass
class ReceivedRequest:
    """A request that came."""

    method: str
    path: str
    query: dict[str, str]
    authorization: str
    request_id: str
    body: bytes
    dpop: str = ""

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.body.decode()).items()}


Reply = tuple[int, Any, dict[str, str]]


@dataclass
class Answers:
    """Answers by path; a callable decides by the request. The last one queued for a path stays."""

    queues: dict[str, list[Reply | Callable[[ReceivedRequest], Reply]]] = field(default_factory=dict)
    asked: list[ReceivedRequest] = field(default_factory=list)
    url: str = ""
    delay: float = 0.0

    def says(self, path: str, status: int, body: Any, **headers: str) -> None:
        """Queue an answer."""
        self.queues.setdefault(path, []).append((status, body, headers))

    def decides(self, path: str, answer: Callable[[ReceivedRequest], Reply]) -> None:
        """Let a function answer from now on."""
        self.queues[path] = [answer]

    def only(self, path: str, status: int, body: Any, **headers: str) -> None:
        """Replace what is queued."""
        self.queues[path] = [(status, body, headers)]

    def to(self, path: str) -> list[ReceivedRequest]:
        """The requests to a path."""
        return [asked for asked in self.asked if asked.path == path]

    def reply(self, asked: ReceivedRequest) -> Reply:
        """The next answer."""
        self.asked.append(asked)
        if self.delay:
            time.sleep(self.delay)
        queue = self.queues[asked.path]
        answer = queue.pop(0) if len(queue) > 1 else queue[0]
        return answer(asked) if callable(answer) else answer


@contextmanager
def serving() -> Iterator[Answers]:
    """Serve until the block ends."""
    answers = Answers()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(answers))
    server.daemon_threads = True
    answers.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield answers
    finally:
        server.shutdown()
        server.server_close()


def _handler(answers: Answers) -> type[BaseHTTPRequestHandler]:
    class HttpHandler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts, headers = urlsplit(self.path), self.headers
            status, body, more = answers.reply(
                ReceivedRequest(
                    self.command,
                    parts.path,
                    {name: values[0] for name, values in parse_qs(parts.query).items()},
                    headers.get("Authorization", ""),
                    headers.get("X-Request-ID", ""),
                    self._body(),
                    headers.get("DPoP", ""),
                )
            )
            payload = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in more.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        do_POST = do_DELETE = do_PUT = do_GET  # noqa: N815 - the library's names

        def log_message(self, *_: object) -> None:
            """Be quiet."""

    return HttpHandler
