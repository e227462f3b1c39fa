"""A vault and an authorization server with prepared answers, for the screens of the command line (`screens.py`).

All names, addresses, tokens and tickets are invented. Times that the command line says from now ("in 30 d") are counted
from now here too.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

HOST = "https://login.example.org/realms/institute"
NIGHTLY, WEEKLY = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff", "c0a8e1d4-52b7-4e0a-9b1e-7f3d2a615c90"
TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJhenAiOiJ2YXVsdCJ9.c2hvcnRlbmVk"  # noqa: S105 - invented
TICKET = "tvt_" + "aW52ZW50ZWQ" * 6


@contextmanager
def answering() -> Iterator[str]:
    """The prepared vault and authorization server on a free port; its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    """Answers each request with the prepared one of its path."""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        grant = parse_qs(parts.query).get("id", [NIGHTLY])[0]
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, body = _answer(parts.path, grant, f"http://{self.headers['Host']}")
        payload = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json" if status < 400 else "application/problem+json")
        self.send_header("Content-Length", str(len(payload)))
        self.send_header("X-Request-ID", "0d3f8a7c52e1")
        self.end_headers()
        self.wfile.write(payload)

    do_POST = do_GET  # noqa: N815 - the library's name

    def log_message(self, *_: object) -> None:
        """Log nothing."""


def _answer(path: str, grant: str, url: str) -> tuple[int, dict[str, Any]]:
    """Status and body for a path. grant: the id that was asked for."""
    if path.endswith("/access-token") and grant == WEEKLY:
        return 410, {"code": "token_revoked", "status": 410, "detail": "This token was revoked."}
    answers: dict[str, dict[str, Any]] = {
        "/.well-known/openid-configuration": {
            "issuer": url,
            "device_authorization_endpoint": f"{url}/device",
            "token_endpoint": f"{url}/token",
        },
        "/device": {
            "device_code": "invented",
            "user_code": "WDJB-MJHT",
            "verification_uri": f"{HOST}/device",
            "verification_uri_complete": f"{HOST}/device?user_code=WDJB-MJHT",
            "expires_in": 600,
            "interval": 0,
        },
        "/token": {"access_token": TOKEN, "token_type": "Bearer", "expires_in": 300},
        "/api/auth/manager/tokens": {"tokens": _grants()},
        "/api/auth/manager/access-token": {
            "accessToken": TOKEN,
            "tokenType": "Bearer",
            "expiresIn": 300,
            "expiresAt": "2026-03-01T02:05:00Z",
            "scope": "email openid",
            "persistentTokenId": NIGHTLY,
        },
        "/api/auth/manager/tickets": {"ticket": TICKET, **_ticket()},
        f"/api/auth/manager/tokens/{NIGHTLY}/tickets": {"tickets": [_ticket()]},
    }
    return (201 if path.endswith("/tickets") and NIGHTLY not in path else 200), answers[path]


def _grants() -> list[dict[str, Any]]:
    created = {"status": "active", "createdAt": _from_now(timedelta(days=-40))}
    nightly = {
        "persistentTokenId": NIGHTLY,
        "name": "nightly",
        "scopes": ["openid", "offline_access", "email"],
        "services": ["task-service"],
        "uses": 41,
        "lastUsedAt": _from_now(timedelta(hours=-7)),
        "notAfter": _from_now(timedelta(days=90)),
    }
    weekly = {
        "persistentTokenId": WEEKLY,
        "name": "weekly",
        "scopes": ["openid", "offline_access", "profile"],
        "services": ["jupyterhub", "task-service"],
        "uses": 3,
        "maxUses": 10,
        "lastUsedAt": _from_now(timedelta(days=-6)),
        "notAfter": _from_now(timedelta(days=200)),
    }
    return [{**created, **nightly}, {**created, **weekly}]


def _ticket() -> dict[str, Any]:
    return {
        "ticketId": "3b1f0c5e-9d2a-4c67-8f10-2e5d7a9b6c48",
        "name": "cron on login3",
        "scopes": [],
        "expiresAt": _from_now(timedelta(days=30)),
        "uses": 0,
        "maker": "token-vault-cli",
    }


def _from_now(distance: timedelta) -> str:
    return (datetime.now(UTC) + distance).isoformat().replace("+00:00", "Z")
