"""The kernel's helper, against a hub's proxy that a test controls."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from jupyterhub_token_vault import tv
from token_vault_client import PROCESS_CACHE, VaultUnavailable

TOKEN = {
    "accessToken": "at",
    "tokenType": "Bearer",
    "expiresIn": 300,
    "expiresAt": "2100-01-01T00:00:00Z",
    "scope": "a",
}


class Proxy(ThreadingHTTPServer):
    """Answers with the next of `answers`: a status and a JSON body, or no body for the proxy's own page."""

    answers: "list[tuple[int, dict[str, object] | None]]"
    bearers: list[str]
    asked: "list[tuple[str, bytes]]"


class HttpHandler(BaseHTTPRequestHandler):
    """One request."""

    server: Proxy

    def do_GET(self) -> None:
        self.server.bearers.append(self.headers["Authorization"])
        self.server.asked.append((self.path, self.rfile.read(int(self.headers.get("Content-Length", 0)))))
        status, body = self.server.answers.pop(0)
        kind = "text/html" if body is None else "application/json" if status == 200 else "application/problem+json"
        text = b"<h1>404</h1>" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A proxy that this process's environment names, as in a kernel."""
    with Proxy(("127.0.0.1", 0), HttpHandler) as server:
        server.answers, server.bearers, server.asked = [], [], []
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        monkeypatch.setenv("TOKEN_VAULT_URL", f"http://127.0.0.1:{server.server_port}/services/token-vault")
        monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "hub-token")
        tv.vault.cache_clear()
        PROCESS_CACHE.clear()
        yield server
        server.shutdown()
    tv.vault.cache_clear()
    PROCESS_CACHE.clear()


def test_a_token_is_asked_for_with_the_hub_token_once(proxy: Proxy) -> None:
    proxy.answers = [(200, TOKEN)]
    assert [tv.token("id"), tv.token("id")] == ["at", "at"]
    assert proxy.bearers == ["Bearer hub-token"]


def test_a_404_of_the_proxy_is_waited_out(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the hub restarts, its proxy knows no service: that says nothing about the grant."""
    monkeypatch.setattr("token_vault_client.wire.DEFAULT_RETRY_SECONDS", 0.01)
    proxy.answers = [(404, None), (404, None), (200, TOKEN)]
    assert tv.token("id") == "at"


def test_a_404_of_the_proxy_is_named_when_it_stays(proxy: Proxy) -> None:
    proxy.answers = [(404, None)] * 2
    with pytest.raises(VaultUnavailable, match="HubUnavailable"):
        tv.vault().run(tv.vault().calls._vault.call("GET", "/access-token", patience=0.0))


@pytest.mark.parametrize("name", ["TOKEN_VAULT_URL", "JUPYTERHUB_API_TOKEN"])
def test_outside_of_a_hub_the_missing_variable_is_named(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delenv(name)
    with pytest.raises(tv.NotOnTheHubError, match=f"{name} is not set: run this in a notebook of a hub"):
        tv.token("id")


def test_a_consent_is_asked_for_by_the_service_and_waited_for(proxy: Proxy, capsys: pytest.CaptureFixture[str]) -> None:
    """The kernel says what for; whose and where to go afterwards are the service's to say."""
    grant = {"persistentTokenId": "id", "status": "active", "createdAt": "2026-01-01T00:00:00Z"}
    asked = {"consentUrl": "http://vault/consent/id", "persistentTokenId": "id", "expiresAt": "2100-01-01T00:00:00Z"}
    proxy.answers = [(200, asked), (200, grant)]
    assert tv.consent("my analysis", scopes=["email"]) == "id"
    assert "http://vault/consent/id" in capsys.readouterr().out
    (path, body), (waited, _) = proxy.asked
    assert path.endswith("/api/auth/manager/offline-consent")
    assert json.loads(body) == {"name": "my analysis", "scopes": ["email"]}
    assert waited.endswith("/api/auth/manager/tokens/id?wait=55")
