"""A stand-in authorization server that answers whatever a test prepares: any status, headers and body, late or broken.

It has a discovery document, a token and a revocation endpoint, a JWK set and an account resource, on loopback.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import sleep
from urllib.parse import parse_qsl


@dataclass
class Prepared:
    """One answer. body: bytes stand for themselves, None for no body; after: seconds to wait before it."""

    status: int = 200
    body: object = None
    headers: dict[str, str] = field(default_factory=dict)
    after: float = 0.0

    @property
    def content(self) -> bytes:
        """The bytes of the body."""
        if self.body is None or isinstance(self.body, bytes):
            return self.body or b""
        return json.dumps(self.body).encode()


@dataclass
class StandIn:
    """answers: by path; forms, authorizations: what was sent, in order."""

    url: str = ""
    answers: dict[str, Prepared] = field(default_factory=dict)
    forms: list[dict[str, str]] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)

    def says(self, status: int, body: object = None, path: str = "/token", **headers: str) -> None:
        """Prepare the answer of a path."""
        self.answers[path] = Prepared(status, body, {name.replace("_", "-"): text for name, text in headers.items()})

    def describe(self, **members: object) -> None:
        """Serve the usual discovery document with these members instead."""
        usual = {f"{name}_endpoint": f"{self.url}/{name}" for name in ("authorization", "token", "revocation")}
        document = {"issuer": self.url, "jwks_uri": f"{self.url}/keys", **usual, **members}
        self.says(200, document, "/.well-known/openid-configuration")


@contextmanager
def stand_in() -> Iterator[StandIn]:
    """A running server; it ends with the block."""
    server = StandIn()

    class HttpHandler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            server.forms.append(dict(parse_qsl(body, keep_blank_values=True)))
            server.authorizations.append(self.headers["Authorization"])
            self._answer()

        def _answer(self) -> None:
            prepared = server.answers.get(self.path, Prepared(404))
            sleep(prepared.after)
            self.send_response_only(prepared.status)
            for name, value in prepared.headers.items():
                self.send_header(name, value)
            if not 100 <= prepared.status < 200 and prepared.status not in {204, 304}:
                self.send_header("Content-Length", str(len(prepared.content)))
            self.end_headers()
            if not 100 <= prepared.status < 200 and prepared.status not in {204, 304}:
                self.wfile.write(prepared.content)
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    listening = ThreadingHTTPServer(("127.0.0.1", 0), HttpHandler)
    server.url = f"http://127.0.0.1:{listening.server_port}"
    server.describe()
    thread = threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listening.shutdown()
        listening.server_close()
