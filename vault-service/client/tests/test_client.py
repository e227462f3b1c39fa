"""The client against a real HTTP server that gives prepared answers."""

import json
import threading
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

import token_vault_client as client

TOKEN = {
    "accessToken": "secret",
    "tokenType": "Bearer",
    "expiresIn": 300,
    "expiresAt": "2026-01-01T00:00:00Z",
    "scope": "openid profile",
    "persistentTokenId": "id-1",
}


@dataclass
class Vault:
    """Answers by path; counts what it was asked."""

    answers: dict[str, list[tuple[int, Any, dict[str, str]]]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, list[str]], str, str]] = field(default_factory=list)
    url: str = ""

    def says(self, path: str, status: int, body: Any, **headers: str) -> None:
        """Queue an answer for a path; the last one stays."""
        self.answers.setdefault(path, []).append((status, body, headers))

    def next(self, path: str) -> tuple[int, Any, dict[str, str]]:
        """What to answer now."""
        queue = self.answers[path]
        return queue.pop(0) if len(queue) > 1 else queue[0]


@pytest.fixture
def vault() -> Iterator[Vault]:
    """A vault and a token endpoint."""
    prepared = Vault()
    prepared.says("/token", 200, {"access_token": "own", "expires_in": 300})

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            self.rfile.read(length)
            headers = self.headers
            seen = (
                parts.path,
                parse_qs(parts.query),
                headers.get("Authorization", ""),
                headers.get("X-Request-ID", ""),
            )
            prepared.asked.append(seen)
            status, body, answer_headers = prepared.next(parts.path)
            payload = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in answer_headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        do_POST = do_GET  # noqa: N815 - the library's name

        def log_message(self, *_: object) -> None:
            """Be quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    prepared.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield prepared
    server.shutdown()
    server.server_close()


@pytest.fixture
def session() -> Iterator[requests.Session]:
    """Closed at the end."""
    with requests.Session() as opened:
        yield opened


@pytest.fixture
def caller(vault: Vault, session: requests.Session) -> client.TokenVaultClient:
    """A service."""
    credentials = client.ClientCredentials(f"{vault.url}/token", "service", "s", session=session)
    return client.TokenVaultClient(vault.url + "/", credentials, session=session, request_id=lambda: "request-1")


ACCESS = "/api/auth/manager/access-token"


def test_an_access_token(vault: Vault, caller: client.TokenVaultClient) -> None:
    """Asked for in the service's name and on the owner's behalf; it does not print."""
    vault.says(ACCESS, 200, TOKEN)
    token = caller.access_token("id-1", "alice", min_valid=60, scopes={"profile", "openid"})
    assert token.value == "secret"
    assert token.expires_at == datetime(2026, 1, 1, tzinfo=UTC)
    assert token.scopes == {"openid", "profile"}
    assert "secret" not in f"{token} {token!r}"
    path, query, authorization, request_id = vault.asked[-1]
    assert (path, authorization, request_id) == (ACCESS, "Bearer own", "request-1")
    assert query == {"id": ["id-1"], "subject": ["alice"], "min_valid": ["60"], "scope": ["openid profile"]}


def test_a_netrc_changes_nothing(
    vault: Vault, caller: client.TokenVaultClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`requests` would put what it finds there in the bearer token's place."""
    (tmp_path / "netrc").write_text("default login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    vault.says(ACCESS, 200, TOKEN)
    caller.access_token("id-1", "alice")
    assert [authorization.split()[0] for *_, authorization, _ in vault.asked] == ["Basic", "Bearer"]


def test_credentials_are_form_encoded(vault: Vault, session: requests.Session) -> None:
    """RFC 6749 section 2.3.1."""
    client.ClientCredentials(f"{vault.url}/token", "a service", "s:ecret/", session=session).bearer()
    assert vault.asked[0][2] == "Basic " + b64encode(b"a%20service:s%3Aecret%2F").decode()


def test_the_own_token_is_fetched_once_for_many_threads(vault: Vault, caller: client.TokenVaultClient) -> None:
    """And kept."""
    vault.says(ACCESS, 200, TOKEN)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: caller.access_token("id-1", "alice"), range(32)))
    assert sum(path == "/token" for path, *_ in vault.asked) == 1


def test_an_own_token_that_is_not_accepted_is_replaced_once(vault: Vault, caller: client.TokenVaultClient) -> None:
    """The signing key was rotated, say."""
    vault.says(ACCESS, 401, {"code": "unauthorized", "detail": "no"})
    vault.says(ACCESS, 200, TOKEN)
    assert caller.access_token("id-1", "alice").value == "secret"
    vault.answers[ACCESS] = [(401, {"code": "unauthorized", "detail": "no"}, {})]
    with pytest.raises(client.NotAllowed):
        caller.access_token("id-1", "alice")


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (404, "token_not_found", client.TokenNotFound),
        (409, "consent_pending", client.ConsentPending),
        (409, "consent_denied", client.GrantUnusable),
        (410, "token_revoked", client.GrantUnusable),
        (403, "service_not_allowed", client.NotAllowed),
        (400, "invalid_scope", client.NotAllowed),
        (422, "min_valid_unattainable", client.NotAllowed),
        (503, "provider_unavailable", client.VaultUnavailable),
        (429, "rate_limited", client.VaultUnavailable),
        (500, "internal_error", client.VaultUnavailable),
        (418, "teapot", client.UnexpectedAnswer),
    ],
)
def test_problems_become_errors(
    vault: Vault, caller: client.TokenVaultClient, status: int, code: str, kind: type[client.VaultError]
) -> None:
    """With the vault's code."""
    vault.says(ACCESS, status, {"code": code, "detail": "words"}, Retry_After="7")
    with pytest.raises(kind) as refused:
        caller.access_token("id-1", "alice")
    assert (refused.value.code, refused.value.detail) == (code, "words")
    if isinstance(refused.value, client.VaultUnavailable):
        assert refused.value.retry_after == 7.0


@pytest.mark.parametrize("body", [b"<html>", [], {}, {**TOKEN, "expiresAt": "soon"}, {**TOKEN, "scope": None}], ids=str)
def test_what_is_no_vaults_answer(vault: Vault, caller: client.TokenVaultClient, body: Any) -> None:
    """A clear error, not a KeyError somewhere."""
    vault.says(ACCESS, 200, body)
    with pytest.raises(client.UnexpectedAnswer):
        caller.access_token("id-1", "alice")


def test_redirects_are_not_followed(vault: Vault, caller: client.TokenVaultClient) -> None:
    """A token goes nowhere else."""
    vault.says(ACCESS, 302, {}, Location=f"{vault.url}/elsewhere")
    with pytest.raises(client.UnexpectedAnswer):
        caller.access_token("id-1", "alice")
    assert all(path != "/elsewhere" for path, *_ in vault.asked)


def test_nobody_there(session: requests.Session) -> None:
    """Unavailable, not a trace of requests."""
    credentials = client.ClientCredentials("http://127.0.0.1:9/token", "service", "s", session=session)
    with pytest.raises(client.VaultUnavailable):
        client.TokenVaultClient("http://127.0.0.1:9", credentials, session=session).access_token("id-1", "alice")


def test_the_owners_view(vault: Vault, caller: client.TokenVaultClient) -> None:
    """With the owner's own token, which is passed on as it is."""
    entry = {"persistentTokenId": "id-1", "status": "active", "createdAt": "2026-01-01T00:00:00Z", "taskId": "task-1"}
    vault.says("/api/auth/manager/tokens", 200, {"tokens": [entry]})
    vault.says("/api/auth/manager/tokens/id-1", 200, entry)
    assert caller.grants("owners-token", task_id="task-1") == [caller.grant("id-1", "owners-token")]
    assert {authorization for _, _, authorization, _ in vault.asked} == {"Bearer owners-token"}
    assert vault.asked[0][1] == {"taskId": ["task-1"]}


def test_many_tokens_at_once(vault: Vault, caller: client.TokenVaultClient) -> None:
    """For each pair its token, or the error that asking for it alone would have raised."""
    gone = {"status": 404, "code": "token_not_found", "detail": "There is no such token.", "title": "Not Found"}
    away = {"status": 503, "code": "provider_unavailable", "detail": "Later.", "title": "Service Unavailable"}
    results = [
        {"id": "id-1", "token": TOKEN},
        {"id": "id-2", "problem": gone},
        {"id": "id-3", "problem": away, "retryAfter": 7},
    ]
    vault.says("/api/auth/manager/access-tokens", 200, {"results": results})
    token, missing, later = caller.access_tokens([("id-1", "alice"), ("id-2", "alice"), ("id-3", "bob")])
    assert isinstance(token, client.AccessToken)
    assert token.value == "secret"
    assert isinstance(missing, client.TokenNotFound)
    assert isinstance(later, client.VaultUnavailable)
    assert later.retry_after == 7
    vault.answers["/api/auth/manager/access-tokens"] = [(200, {"results": [{"id": "id-1"}]}, {})]
    with pytest.raises(client.UnexpectedAnswer):
        caller.access_tokens([("id-1", "alice")])
