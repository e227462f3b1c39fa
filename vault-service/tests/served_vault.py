"""A vault as a process between an authorization server and its callers, and what it leaves behind."""

import base64
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import described
import requests
from consenting_issuer import CLIENT, ConsentingIssuer
from stack import eventually, free_port

PUBLIC_URL = "https://vault.example"
API = "/api/auth/manager"
CALLBACK = f"{API}/offline-callback"
TIMEOUT = 30


@dataclass
class ServedVault:
    """The process. answers: all that it has answered since the test began."""

    issuer: ConsentingIssuer
    url: str
    metrics_url: str
    folder: Path
    root_key: str
    answers: list[requests.Response] = field(default_factory=list)

    @property
    def log(self) -> str:
        """All that it has written to stdout and stderr."""
        return (self.folder / "log").read_text()

    def call(self, method: str, path: str, bearer: str | None = None, **kwargs: Any) -> requests.Response:
        """One request, redirects not followed. An answer that no document describes fails."""
        headers = {**({"Authorization": f"Bearer {bearer}"} if bearer else {}), **kwargs.pop("headers", {})}
        answer = requests.request(
            method, self.url + path, headers=headers, timeout=TIMEOUT, allow_redirects=False, **kwargs
        )
        self.answers.append(answer)
        described.check(method, path, answer)
        return answer

    def ask(self, bearer: str, **options: object) -> tuple[str, str, dict[str, str]]:
        """Ask for a consent: the pending token's id, the URL where it is given, and the cookies for the browser."""
        answer = self.call("POST", f"{API}/offline-consent", bearer, json=options)
        assert answer.status_code == 200, answer.text
        cookies = {name: value for name, value in answer.cookies.items() if value}
        cookie, _, _ = answer.headers.get("Set-Cookie", "").partition(";")
        if cookie:  # `Secure`: requests would not give it back over http
            name, _, value = cookie.partition("=")
            cookies[name] = self.issuer.remember(value, "browser's cookie")
        return answer.json()["persistentTokenId"], answer.json()["consentUrl"], cookies

    def arrive(
        self, parameters: dict[str, str], cookies: dict[str, str] | None = None, provider: str | None = None
    ) -> str:
        """Open the callback, of a provider if one is named; where the browser is sent."""
        cookie = "; ".join(f"{name}={value}" for name, value in (cookies or {}).items())
        headers = {"Cookie": cookie} if cookie else {}
        path = CALLBACK if provider is None else f"{CALLBACK}/{provider}"
        answer = self.call("GET", path, params=parameters, headers=headers)
        assert answer.status_code == 303
        return answer.headers["Location"]

    def confirm(self, location: str, bearer: str) -> requests.Response:
        """Confirm with what the callback gave the page, in the fragment of `location`."""
        page, _, fragment = location.partition("#")
        assert page == "/consent/confirm"
        given = dict(parse_qsl(fragment))
        self.issuer.remember(given["secret"], "confirmation's secret")
        return self.call(
            "POST", f"{API}/offline-consent/{given['id']}/confirm", bearer, json={"secret": given["secret"]}
        )

    def grant(self, bearer: str, **options: object) -> str:
        """An active token's id."""
        token_id, url, cookies = self.ask(bearer, **options)
        location = self.arrive(self.issuer.consented(url), cookies)
        assert location.startswith(f"/tasks?persistent_token_id={token_id}"), location
        return token_id

    def token(self, token_id: str, bearer: str, **query: str) -> requests.Response:
        """Request an access token."""
        return self.call("GET", f"{API}/access-token", bearer, params={"id": token_id, **query})

    def status(self, token_id: str, bearer: str) -> tuple[str, str | None]:
        """Status and failure of a token."""
        view = self.call("GET", f"{API}/tokens/{token_id}", bearer).json()
        return view["status"], view.get("failure")


@contextmanager
def served_vault(
    issuer: ConsentingIssuer, database_url: str, redis_url: str, folder: Path, **settings: str
) -> Iterator[ServedVault]:
    """A vault with one worker on that database, until the block ends; it logs all that it can.

    settings: in addition to the usual ones, or instead of them.
    """
    root_key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("=")
    (folder / "root.key").write_text(root_key)
    (folder / "root.key").chmod(0o400)
    port, metrics_port = free_port(), free_port()
    environ = {
        "PATH": os.environ["PATH"],
        "BIND": f"127.0.0.1:{port}",
        "METRICS_BIND": f"127.0.0.1:{metrics_port}",
        "WEB_WORKERS": "1",
        "LOG_LEVEL": "debug",
        "VAULT_DATABASE_URL": database_url,
        "VAULT_ROOT_KEY_FILE": str(folder / "root.key"),
        "VAULT_SPOOL_DIR": str(folder / "spool"),
        "REDIS_URL": redis_url,
        "PUBLIC_URL": PUBLIC_URL,
        "ISSUER": issuer.url,
        "VAULT_CLIENT_ID": CLIENT,
        "VAULT_CLIENT_SECRET": issuer.client_secret,
        "VAULT_OWNER_CLIENTS": "dev-cli",
        **settings,
    }
    command = [str(Path(sys.executable).with_name("gunicorn")), "-c", "python:service_kit.server.gunicorn_config"]
    vault = ServedVault(
        issuer, f"http://127.0.0.1:{port}", f"http://127.0.0.1:{metrics_port}/metrics", folder, root_key
    )
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen([*command, "vault_service.wsgi:app"], env=environ, stdout=log, stderr=log) as process,
    ):
        try:
            eventually(lambda: process.poll() is not None or _is_ready(vault.url), "the vault is ready", 120)
            assert process.poll() is None, vault.log
            yield vault
        finally:
            process.send_signal(signal.SIGINT)  # gunicorn's quick end


def _is_ready(url: str) -> bool:
    try:
        return requests.get(f"{url}/readyz", timeout=TIMEOUT).ok
    except requests.ConnectionError:
        return False
