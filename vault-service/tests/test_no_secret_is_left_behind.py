"""No secret is in anything that a vault writes or answers.

The secrets are all values of the authorization server's exchanges, callers' bearer tokens, the browser's cookie and the
root key. They are opaque, so that each is searched by its value.
"""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import requests
from consenting_issuer import ECHO, PERSON
from secrets_scan import Secrets, redis_values, tables
from served_vault import API, ServedVault
from stack import eventually

pytestmark = pytest.mark.process
DISCLOSED = ("accessToken", "access_token", "consentUrl", "ticket")
"""Members of answers whose very purpose is to carry a secret."""


def tour(vault: ServedVault) -> None:
    """Every way a secret takes, whether it goes well or not."""
    issuer = vault.issuer
    alice, page, service = issuer.bearer("dev-cli"), issuer.bearer("task-ui"), issuer.bearer("task-service", "service")
    grant = vault.grant(page, taskId="task-1", scopes=["email"])
    for scope in ("", "openid", "openid email"):  # from the consent, and refreshed
        assert vault.token(grant, alice, scope=scope).status_code == 200
        assert vault.token(grant, service, scope=scope, subject=PERSON).status_code == 200  # remembered
    vault.call("POST", f"{API}/access-tokens", service, json={"tokens": [{"id": grant, "subject": PERSON}]})
    assert vault.call("POST", f"{API}/tokens/{grant}/check", alice).status_code == 200
    _tickets(vault, grant, alice)
    _trouble_at_the_callback(vault, page)
    _trouble_at_the_token_endpoint(vault, alice)
    _trouble_with_callers(vault, grant)
    for path in ("", f"/{grant}", f"/{grant}/audit", f"/{grant}/audit/export"):
        assert vault.call("GET", f"{API}/tokens{path}", alice).ok
    vault.call("DELETE", f"{API}/tokens/{grant}", alice)
    eventually(lambda: vault.issuer.revoked, "the token is revoked at the authorization server")


def _tickets(vault: ServedVault, grant: str, alice: str) -> None:
    made = vault.call("POST", f"{API}/tickets", alice, json={"id": grant, "name": "tour"}).json()
    ticket = vault.issuer.remember(made["ticket"], "ticket")
    form = {"grant_type": "refresh_token", "refresh_token": ticket}
    for _ in range(2):  # the second time by the fast path
        assert vault.call("GET", f"{API}/access-token", ticket).ok
    assert vault.call("POST", f"{API}/token", data=form).ok
    for path in (f"/tokens/{ticket}", f"/access-token?id={ticket}", f"/offline-callback?state={ticket}"):
        assert vault.call("GET", API + path, alice).status_code == 400
    mistyped = vault.issuer.remember(f"{ticket[:-1]}{'A' if ticket[-1] != 'A' else 'B'}", "mistyped ticket")
    assert vault.call("GET", f"{API}/access-token", mistyped).status_code == 401
    assert vault.call("GET", f"{API}/tokens", ticket).status_code == 403
    assert vault.call("GET", f"{API}/tokens/{grant}/tickets", alice).ok
    assert vault.call("POST", f"{API}/tickets/{made['ticketId']}/extend", alice, json={}).ok
    assert vault.call("POST", f"{API}/token", data={**form, "scope": "admin"}).status_code == 400
    assert vault.call("POST", f"{API}/revoke", data={"token": ticket}).ok
    assert vault.call("GET", f"{API}/access-token", ticket).status_code == 401


def _trouble_at_the_callback(vault: ServedVault, page: str) -> None:
    issuer = vault.issuer
    for change in ({"iss": "https://attacker.example"}, {"code": issuer.secret("code")}, {"error": "access_denied"}):
        _, url, cookies = vault.ask(page)
        sent = issuer.consented(url)
        vault.arrive(sent)  # without the cookie
        vault.arrive({**sent, **change}, cookies)
        vault.arrive(sent, cookies)  # once more
    for claims in ({"nonce": "another"}, {"sub": "bob-id"}):
        issuer.id_claims = claims
        _, url, cookies = vault.ask(page)
        vault.arrive(issuer.consented(url), cookies)
    issuer.id_claims = {}


def _trouble_at_the_token_endpoint(vault: ServedVault, alice: str) -> None:
    issuer = vault.issuer
    kept = issuer.secret("refresh token")
    tokens = {"access_token": issuer.secret("access token"), "refresh_token": kept, "token_type": "Bearer"}
    for status, document in (
        (400, {"error": "invalid_grant", "error_description": ECHO}),
        (400, {"error": "invalid_scope", "error_description": ECHO}),
        (400, {"error": ECHO}),
        (500, {"error": "server_error", "error_description": ECHO}),
        (503, {"error": ECHO}),
        (200, {**tokens, "access_token": [kept]}),
        (200, {**tokens, "error": ECHO}),
        (200, {**tokens, "token_type": "mac", "expires_in": "soon"}),
    ):
        grant = vault.grant(alice)
        issuer.scripted.append((status, document))
        vault.token(grant, alice, scope="openid")
        eventually(lambda: vault.token(vault.grant(alice), alice, scope="openid").ok, "the pause is over")


def _trouble_with_callers(vault: ServedVault, grant: str) -> None:
    issuer = vault.issuer
    for claims in ({"exp": 1}, {"aud": "other"}, {"typ": "ID"}, {"iss": "https://attacker.example"}):
        vault.token(grant, issuer.bearer("dev-cli", **claims))
    good = issuer.bearer("dev-cli")
    forged = issuer.remember(f"{good}x", "forged bearer token")
    opaque = issuer.secret("opaque bearer token")
    for bearer in (forged, opaque):
        vault.token(grant, bearer)
        vault.call("POST", f"{API}/offline-consent", bearer, json={})
    vault.call("GET", f"{API}/access-token", params={"id": grant, "access_token": good})
    vault.call("GET", f"{API}/access-token", params={"id": opaque})
    vault.call("GET", f"{API}/access-token", good, params={"id": grant, "scope": f"openid {opaque}"})
    vault.call(
        "POST",
        f"{API}/offline-consent",
        good,
        data=f'{{"taskId": "{opaque}"',
        headers={"Content-Type": "application/json"},
    )


def told(answer: requests.Response) -> bytes:
    """An answer without what it is meant to disclose: to whom it is due, the token, the consent's URL, the cookie."""
    document: Any = answer.json() if answer.content and answer.headers["Content-Type"] == "application/json" else None
    headers = {name: value for name, value in answer.headers.items() if name.lower() != "set-cookie"}
    body = repr(_without(document, DISCLOSED)).encode() if document is not None else answer.content
    return repr(headers).encode() + body


def _without(document: Any, names: tuple[str, ...]) -> Any:
    if isinstance(document, dict):
        return {name: _without(value, names) for name, value in document.items() if name not in names}
    return [_without(each, names) for each in document] if isinstance(document, list) else document


def left_behind(vault: ServedVault, database_url: str, redis_url: str) -> Iterator[tuple[str, bytes]]:
    """Places, and what is written there."""
    yield "log", vault.log.encode()
    yield "metrics", requests.get(vault.metrics_url, timeout=30).content
    yield from tables(database_url, "vault")
    yield from redis_values(redis_url)
    for path in Path(vault.folder / "spool").glob("**/*"):
        yield f"spool {path.name}", path.read_bytes()
    for answer in vault.answers:
        path = urlsplit(answer.request.url or "").path
        yield f"answer {answer.status_code} to {answer.request.method} {path}", told(answer)


def test_no_secret_is_in_what_a_vault_writes_or_answers(
    served: ServedVault, served_database_url: str, redis_url: str
) -> None:
    """Log, metrics, database, Redis, spool and answers are searched, after every way that a secret takes."""
    tour(served)
    known = {**served.issuer.known, served.root_key: "root key"}
    secrets = Secrets(known)
    kinds = {"code", "state", "nonce", "code verifier", "access token", "refresh token", "ID token", "client secret"}
    assert kinds | {"browser's cookie", "bearer token of task-service", "root key", "ticket"} <= set(known.values())
    assert "http.request" in served.log
    found = {
        (place, what)
        for place, content in left_behind(served, served_database_url, redis_url)
        for what in secrets.found_in(content)
    }
    assert found == set()


@pytest.mark.parametrize("form", ["plain", "quoted", "lower case", "hex", "base64", "signature"])
def test_a_secret_is_found_in_every_form(form: str) -> None:
    """The scan would notice."""
    secret = "kJ8/x+Q2-uR4_tY6wE8rT0yU2iO4pA6sD8fG0hJ2k"
    forms = {
        "plain": secret,
        "quoted": quote(secret, safe=""),
        "lower case": secret.lower(),
        "hex": secret.encode().hex(),
        "base64": base64.b64encode(secret.encode()).decode(),
        "signature": f"x.{secret}",
    }
    found = Secrets({secret: "the secret"}).found_in(f'{{"event": "x", "token": "{forms[form]}"}}'.encode())
    assert "the secret" in found
