"""A realm in a temporary folder, a client of each kind, and a person with a browser."""

import base64
import hashlib
import json
import re
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from dev_idp import control, realm_file
from dev_idp.app import create_app
from dev_idp.keys import Keys
from dev_idp.store import Store

REALM_FILE = Path(__file__).parents[3] / "deploy" / "keycloak" / "realm-demo.json"
GATEWAY = "http://localhost:3000"
ORIGIN = "http://localhost:8080"
ISSUER = f"{ORIGIN}/realms/demo"
OIDC = "/realms/demo/protocol/openid-connect"
SECRETS = {"token-vault": "vault-secret", "task-service": "task-secret", "jupyterhub": "hub-secret"}
CALLBACKS = {"task-ui": f"{GATEWAY}/tasks", "token-vault": f"{GATEWAY}/api/auth/manager/offline-callback"}


@pytest.fixture(autouse=True)
def plain_http_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")


@pytest.fixture(scope="session")
def fresh_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with keys and nothing else: making keys takes longer than most tests."""
    path = tmp_path_factory.mktemp("idp") / "idp.sqlite"
    store = Store(path)
    Keys(store)
    store.close()
    return path


@pytest.fixture
def rendered(tmp_path: Path) -> Path:
    """The project's realm file, rendered."""
    values = {
        "GATEWAY_URL": GATEWAY,
        "VAULT_CLIENT_SECRET": SECRETS["token-vault"],
        "TASK_SERVICE_CLIENT_SECRET": SECRETS["task-service"],
        "JUPYTERHUB_CLIENT_SECRET": SECRETS["jupyterhub"],
    }
    path = tmp_path / "realm.json"
    path.write_text(Template(REALM_FILE.read_text()).substitute(values))
    return path


@dataclass
class Clock:
    """A clock that the test moves, in seconds since the epoch."""

    time: int = 1_800_000_000

    def __call__(self) -> int:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def app(rendered: Path, fresh_database: Path, clock: Clock) -> Iterator[Flask]:
    database = Path(shutil.copy(fresh_database, rendered.parent))
    app = create_app(realm_file.load(rendered), database, ORIGIN, clock)
    control.install(app)
    yield app
    app.extensions["dev_idp"].store.close()


@dataclass
class Program:
    """A client's back channel."""

    http: FlaskClient
    client_id: str

    def post(self, endpoint: str, secret: str | None = None, **form: str) -> TestResponse:
        """Call an endpoint with this client's credentials."""
        secret = secret or SECRETS.get(self.client_id)
        if secret is None:
            return self.http.post(f"{OIDC}/{endpoint}", data={"client_id": self.client_id, **form})
        basic = base64.b64encode(f"{self.client_id}:{secret}".encode()).decode()
        return self.http.post(f"{OIDC}/{endpoint}", data=form, headers={"Authorization": f"Basic {basic}"})

    def redeem(self, code: str, verifier: str, **form: str) -> TestResponse:
        uri = CALLBACKS[self.client_id]
        form = {"redirect_uri": uri, "code_verifier": verifier, **form}
        return self.post("token", grant_type="authorization_code", code=code, **form)

    def refresh(self, token: str, **form: str) -> TestResponse:
        return self.post("token", grant_type="refresh_token", refresh_token=token, **form)

    def next_token(self, token: str) -> str:
        """Refresh, which has to work."""
        answer = self.refresh(token)
        assert answer.status_code == 200, answer.text
        return str(answer.get_json()["refresh_token"])

    def introspect(self, token: str) -> dict[str, Any]:
        answer = Program(self.http, "token-vault").post("token/introspect", token=token)
        return dict(answer.get_json())


@dataclass
class IdpPerson:
    """A person with a browser; `seen` lists the pages that were shown."""

    http: FlaskClient
    name: str = "alice"
    password: str | None = None
    accepts: bool = True
    seen: list[str] = field(default_factory=list)

    def visit(self, query: dict[str, str]) -> TestResponse:
        """Open the authorization endpoint and answer every page until it leads elsewhere, or stops."""
        self.seen.clear()
        response = self.http.get(f"{OIDC}/auth?{urlencode(query)}")
        while True:
            if response.status_code in {302, 303}:
                if not response.location.startswith("/realms/"):
                    return response
                response = self.http.get(response.location)
            elif 'role="alert"' in response.text or "<form" not in response.text:
                return response
            else:
                response = self.http.post(response.request.url, data=self._answers(response))

    def authorize(self, client_id: str = "token-vault", **query: str) -> dict[str, str]:
        """The parameters that come back to the client, with the code verifier beside them."""
        verifier = secrets.token_urlsafe(48)
        response = self.visit(request_for(client_id, verifier, **query))
        assert response.status_code == 302, response.text
        assert response.location.startswith(query.get("redirect_uri", CALLBACKS[client_id]))
        return {**dict(parse_qsl(urlsplit(response.location).query)), "verifier": verifier}

    def grant(self, client_id: str = "token-vault", **query: str) -> dict[str, Any]:
        """Authorize and redeem the code: the token answer."""
        back = self.authorize(client_id, **query)
        answer = Program(self.http, client_id).redeem(back["code"], back["verifier"])
        assert answer.status_code == 200, answer.text
        return dict(answer.get_json())

    def _answers(self, page: TestResponse) -> dict[str, str]:
        csrf = re.search(r'name="csrf" value="([^"]+)"', page.text)
        assert csrf
        if 'name="password"' in page.text:
            self.seen.append("login")
            return {"csrf": csrf[1], "username": self.name, "password": self.password or self.name}
        self.seen.append("consent")
        return {"csrf": csrf[1], **({"accept": "Yes"} if self.accepts else {"cancel": "No"})}


def request_for(client_id: str, verifier: str = "v" * 43, **changes: str) -> dict[str, str]:
    """An authorization request as the services send it; an empty value leaves a parameter out."""
    scope = "openid offline_access" if client_id == "token-vault" else "openid"
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    asked = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": CALLBACKS.get(client_id, CALLBACKS["task-ui"]),
        "scope": scope,
        "state": "s1",
        "nonce": "n1",
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        **changes,
    }
    return {name: value for name, value in asked.items() if value}


def claims(token: str) -> dict[str, Any]:
    """The claims of a JWT, unverified."""
    payload = token.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))))


def refusal(answer: TestResponse) -> tuple[int, str, str]:
    """Status, error and description of a refused request."""
    body = answer.get_json()
    return answer.status_code, body["error"], body["error_description"]


@dataclass
class IdpWorld:
    """The development server under test, and its clock."""

    app: Flask
    clock: Clock

    def person(self, name: str = "alice", **how: Any) -> IdpPerson:
        return IdpPerson(self.app.test_client(), name, **how)

    def program(self, client_id: str = "token-vault") -> Program:
        return Program(self.app.test_client(use_cookies=False), client_id)

    def control(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.app.test_client().open(f"/_control{path}", method=method, json=body)
        assert answer.status_code < 300, answer.text
        return answer.get_json(silent=True)

    def get(self, path: str, **how: Any) -> TestResponse:
        return self.app.test_client().get(f"/realms/demo{path}", **how)

    def userinfo(self, token: str) -> TestResponse:
        return self.get("/protocol/openid-connect/userinfo", headers={"Authorization": f"Bearer {token}"})

    # the helpers above, where tests can reach them without importing this file
    ISSUER = ISSUER
    GATEWAY = GATEWAY
    claims = staticmethod(claims)
    refusal = staticmethod(refusal)
    request_for = staticmethod(request_for)


@pytest.fixture
def world(app: Flask, clock: Clock) -> IdpWorld:
    return IdpWorld(app, clock)
