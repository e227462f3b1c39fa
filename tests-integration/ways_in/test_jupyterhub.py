"""Notebooks in a real JupyterHub: fresh access tokens in the kernel, and no other secret there or in the hub."""

import json
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from uuid import UUID

import pytest
import requests
from api import Api, command_line_token
from browser.tab import chromium
from keycloak_admin import KeycloakAdmin
from person import Person
from playwright.sync_api import expect
from secrets_scan import JWT, Secrets, known_secrets
from stack import ARTIFACTS, TIMEOUT, Stack, eventually

from ways_in.hub import ENVIRONMENT, Hub, Kernel

LAB_MILLISECONDS = 60_000
LIFE = 6
"""Seconds for which an access token lives in these tests."""
WORK = """
import json, os, threading, time
from jupyterhub_token_vault import tv

results, tokens, must_end = [], set(), threading.Event()

def work():
    session = tv.requests(GRANT)
    while not must_end.is_set():
        try:
            results.append(session.get(os.environ["API_URL"], timeout=20).status_code)
            tokens.add(tv.token(GRANT))
        except Exception as error:
            results.append(f"{type(error).__name__}: {error}")
        must_end.wait(0.3)

worker = threading.Thread(target=work, daemon=True)
worker.start()
"""


ASK = """
import json, os, requests
answer = requests.post(
    os.environ["TOKEN_VAULT_URL"] + "/api/auth/manager/offline-consent",
    data=BODY,
    headers={"Authorization": "token " + os.environ["JUPYTERHUB_API_TOKEN"]},
    timeout=20,
)
print(json.dumps({"status": answer.status_code, "type": answer.headers["Content-Type"], "problem": answer.json()}))
"""
"""A question of BODY, as a kernel puts it that does not use the helper."""


def short_lives(stack: Stack) -> "AbstractContextManager[None]":
    """Access tokens live for LIFE seconds, at either authorization server."""
    if not stack.is_dev:
        return KeycloakAdmin(stack).realm(accessTokenLifespan=LIFE)

    @contextmanager
    def settings() -> Iterator[None]:
        stack.control("PUT", "/settings", {"accessTokenLifespan": LIFE})
        try:
            yield
        finally:
            stack.control("DELETE", "")

    return settings()


@pytest.fixture(scope="module")
def hub(stack: Stack) -> Iterator[Hub]:
    """A running hub."""
    folder = Path(tempfile.mkdtemp(prefix="offline-token-vault-hub-"))
    running = Hub(stack, folder)
    try:
        running.start()
        yield running
        running.end_servers()
        running.stop()
    finally:
        running.end()  # also what a hub that does not answer or stop has left
        (ARTIFACTS / "log").mkdir(parents=True, exist_ok=True)
        (ARTIFACTS / "log" / "hub.log").write_text(running.log)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def reader(hub: Hub) -> Person:
    """Alice, whose server runs in the hub."""
    person = Person("alice")
    hub.sign_in(person)
    return person


@pytest.fixture
def kernel(hub: Hub, reader: Person) -> Iterator[Kernel]:
    """A fresh kernel of alice's."""
    running = hub.kernel(reader)
    yield running
    running.disconnect()


def count(kernel: Kernel, what: str) -> int:
    """The length of one of the notebook's collections."""
    return int(kernel.run(f"print(len({what}))"))


def test_work_in_a_notebook_goes_on_without_its_owner_and_ends_with_the_grant(
    stack: Stack, hub: Hub, reader: Person, kernel: Kernel
) -> None:
    """The work outlives three access tokens, the owner's sign-out and a restart of the hub. A revocation ends it."""
    alice = Api(stack, command_line_token(stack, "alice"))
    with short_lives(stack):
        grant = alice.grant(reader, services=["jupyterhub"])
        kernel.run(f"GRANT = {grant!r}\n{WORK}")
        eventually(lambda: count(kernel, "tokens") >= 4, "the notebook has outlived three access tokens", 40)

        hub.sign_out(reader)
        before = count(kernel, "tokens")
        eventually(lambda: count(kernel, "tokens") > before, "a new token after the sign-out")

        kernel.disconnect()
        hub.stop()
        hub.start()
        before = count(kernel, "tokens")
        eventually(lambda: count(kernel, "tokens") > before, "a new token after the hub's restart")
        assert json.loads(kernel.run("print(json.dumps(sorted(set(map(str, results)))))")) == ["200"]

        assert alice.delete(f"/api/auth/manager/tokens/{grant}").status_code == 200
        last = eventually(lambda: kernel.run("print(results[-1])").strip().replace("200", ""), "the work has ended")
        assert last.startswith("GrantUnusable: "), last
        assert "token_revoked" in last
        kernel.run("must_end.set(); worker.join()")


@pytest.mark.browser
def test_the_example_notebook_runs_in_jupyterlab(stack: Stack, hub: Hub, reader: Person) -> None:
    """From the hub's login to the API's answer below the cell, in a browser, consent included; with a picture."""
    with chromium() as browser:
        context = browser.new_context(viewport={"width": 1100, "height": 900})
        page = context.new_page()
        page.goto(f"{hub.url}/hub/oauth_login?next=%2Fuser%2Falice%2Flab%2Ftree%2Ffirst.ipynb")
        page.locator("input[name=username]").fill("alice")
        page.locator("input[name=password]").fill("alice")
        page.locator("input[name=password]").press("Enter")
        page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=LAB_MILLISECONDS)
        page.get_by_text("Run", exact=True).click()
        page.get_by_text("Run All Cells", exact=True).click()
        address = page.locator(".jp-OutputArea-output a[href*='/consent/']")
        consent = context.new_page()
        consent.goto(str(address.get_attribute("href", timeout=LAB_MILLISECONDS)))
        consent.get_by_role("button", name="Sign in").click()  # without a question: the hub's login is known
        consent.get_by_role("heading", name="JupyterHub asks to act for you").wait_for()
        consent.get_by_role("button", name="Go on").click()
        consent.locator("[name=accept]").click()
        consent.wait_for_url(f"{stack.gateway}/tasks**")
        consent.close()
        answer = page.locator(".jp-OutputArea-output", has_text="preferred_username")
        expect(answer).to_contain_text("'alice'", timeout=LAB_MILLISECONDS)
        names = page.locator(".jp-OutputArea-output", has_text="JUPYTERHUB_API_TOKEN")
        expect(names).to_have_count(1, timeout=LAB_MILLISECONDS)
        expect(page.locator(".Toastify__toast")).to_have_text([])  # JupyterLab asks nobody about news
        (ARTIFACTS / "screenshots").mkdir(parents=True, exist_ok=True)
        page.screenshot(path=ARTIFACTS / "screenshots" / "notebook.png")


@pytest.mark.any_server
def test_a_hub_that_hangs_leaves_nothing_behind(stack: Stack, tmp_path: Path) -> None:
    """Neither itself nor what it has started: the tests of hubs end by the folder in which all of it runs."""
    hub = Hub(stack, tmp_path)
    home = tmp_path / "home"
    home.mkdir()
    stubborn = ["sh", "-c", "trap '' TERM; while :; do sleep 300; done"]
    left = [subprocess.Popen(stubborn, cwd=folder) for folder in (tmp_path, home)]
    hub.end()
    assert [process.wait(TIMEOUT) for process in left] == [-signal.SIGKILL] * 2


@pytest.mark.parametrize(
    "member",
    [
        {"subject": "bob's"},
        {"returnTo": "https://elsewhere.example.org/"},
        {"services": ["task-service"]},
        {"provider": "default"},
        {"maxUses": 1},
        {"Subject": "bob's"},
        {"": None},
    ],
    ids=lambda member: next(iter(member)),
)
def test_a_kernel_chooses_name_and_scopes_of_a_question_and_nothing_else(
    stack: Stack, hub: Hub, kernel: Kernel, member: dict[str, object]
) -> None:
    """Whose it is, where the browser returns, who may use it: the service decides, and refuses to be told."""
    before = len(grants_of(stack, "alice"))
    body = json.dumps({"name": "my analysis", **member})
    answer = json.loads(kernel.run(f"BODY = {body!r}\n{ASK}"))
    assert (answer["status"], answer["type"], answer["problem"]["code"]) == (
        422,
        "application/problem+json",
        "invalid_input",
    )
    assert "name and scopes" in answer["problem"]["detail"]
    assert len(grants_of(stack, "alice")) == before, "nothing was asked of the vault"


@pytest.mark.any_server
def test_a_question_that_is_no_object_is_refused(hub: Hub, kernel: Kernel) -> None:
    """A list of pairs neither, which Python would take for one."""
    bodies = ["", "{", "[]", '""', "null", "1", '[["name", "my analysis"]]', "\udcff"]
    answers = [json.loads(kernel.run(f"BODY = {body!r}.encode('utf-8', 'surrogateescape')\n{ASK}")) for body in bodies]
    assert [(answer["status"], answer["problem"]["code"]) for answer in answers] == [(400, "invalid_json")] * len(
        bodies
    )


def grants_of(stack: Stack, who: str) -> list[dict[str, object]]:
    """A person's grants, pending ones included."""
    return list(Api(stack, command_line_token(stack, who)).get("/api/auth/manager/tokens").json()["tokens"])


def asked_of(stack: Stack, address: str, who: str, step: str) -> requests.Response:
    """Answer a question as the vault's page does, signed in as that person: `begin` or `decline`."""
    grant = address.rpartition("/")[2]
    return Api(stack, command_line_token(stack, who)).post(f"/api/auth/manager/offline-consent/{grant}/{step}")


def test_a_notebook_asks_its_owner_for_consent(stack: Stack, hub: Hub, reader: Person, kernel: Kernel) -> None:
    """The printed address leads to the vault's page and on to the consent; then the cell has the grant's id."""
    kernel.begin(
        "from jupyterhub_token_vault import tv\ngrant = tv.consent('my analysis', scopes=['phone'])\nprint(grant)"
    )
    address = kernel.printed(r"Open (\S+) and grant access")
    assert address.startswith(f"{stack.gateway}/consent/")
    begun = asked_of(stack, address, "alice", "begin").json()
    landed = reader.get(reader.grant(begun["consentUrl"], stop_at=f"{stack.gateway}/api/auth/manager/offline-callback"))
    assert landed.status_code == 303
    assert landed.headers["Location"].startswith(f"{stack.gateway}/tasks?")
    done = kernel.end()
    assert not done["error"], done
    grant = done["text"].split()[-1]
    assert len(kernel.run("print(tv.token(grant))").strip()) > 100
    alice = Api(stack, command_line_token(stack, "alice"))
    told = alice.get(f"/api/auth/manager/tokens/{grant}").json()
    assert told["services"] == ["jupyterhub"]
    assert "phone" in told["scopes"]
    assert told["name"] == "my analysis"
    assert told["askedBy"]["name"] == "JupyterHub"


def test_a_consent_is_for_the_notebooks_owner_only(stack: Stack, hub: Hub, kernel: Kernel) -> None:
    """For another person the question does not exist; when the owner says no, the cell ends with the reason."""
    kernel.begin("from jupyterhub_token_vault import tv\ntv.consent('my analysis')")
    address = kernel.printed(r"Open (\S+) and grant access")
    for step in ("begin", "decline"):
        refused = asked_of(stack, address, "bob", step)
        assert (refused.status_code, refused.json()["code"]) == (404, "token_not_found")
    assert asked_of(stack, address, "alice", "decline").status_code == 200
    assert kernel.end()["error"].startswith("GrantUnusable: ")


def test_neither_kernel_nor_hub_holds_a_secret_of_the_vault(
    stack: Stack, hub: Hub, reader: Person, kernel: Kernel
) -> None:
    """Not the client's secret, no refresh token, no token of the login: in environment, state, database and logs."""
    secrets = Secrets(known_secrets(stack))
    environ = json.loads(kernel.run("import json, os; print(json.dumps(dict(os.environ)))"))
    assert "JUPYTERHUB_API_TOKEN" in environ
    state = hub.call("GET", "/users/alice").json()["auth_state"]
    assert state.keys() == {"oauth_user", "token_vault_subject"}
    files = {path.name: path.read_bytes() for path in hub.folder.glob("hub.*")}
    assert {"hub.sqlite", "hub.log"} <= files.keys()
    known = {**files, "environment": json.dumps(environ).encode(), "state": json.dumps(state).encode()}
    named = set(known_secrets(stack).values())
    assert {place: found for place, text in known.items() if (found := secrets.found_in(text) & named)} == {}
    assert [place for place, text in known.items() if JWT.search(text)] == []


def test_the_stock_authenticator_would_keep_what_ours_drops() -> None:
    """So the test above looks for what would be there: OAuthenticator's state has the refresh token."""
    program = """
import asyncio, json
from oauthenticator.generic import GenericOAuthenticator
from jupyterhub_token_vault.authenticator import NoTokensInState

class Stock(GenericOAuthenticator):
    async def authenticate(self, handler, data=None, **kwargs):
        tokens = {"access_token": "a", "refresh_token": "r", "id_token": "i", "scope": "openid"}
        return {"name": "alice", "auth_state": self.build_auth_state_dict(tokens, {"sub": "s"})}

class Ours(NoTokensInState, Stock):
    pass

states = [asyncio.run(kind().authenticate(None))["auth_state"] for kind in (Stock, Ours)]
print(json.dumps(states))
"""
    done = subprocess.run([ENVIRONMENT / "python", "-c", program], capture_output=True, text=True, check=True)
    stock, ours = json.loads(done.stdout)
    assert stock["refresh_token"] == stock["token_response"]["refresh_token"] == "r"
    assert ours == {"oauth_user": {"sub": "s"}, "token_vault_subject": "s"}


def test_a_kernel_reaches_no_grant_of_another_person_or_service(stack: Stack, kernel: Kernel) -> None:
    """Whatever subject the kernel claims."""
    bob = Api(stack, command_line_token(stack, "bob"))
    others = bob.grant(Person("bob"), services=["jupyterhub"])
    subject = requests.get(
        f"{stack['ISSUER']}/protocol/openid-connect/userinfo",
        headers={"Authorization": f"Bearer {bob.bearer}"},
        timeout=TIMEOUT,
    ).json()["sub"]
    claimed = f"from jupyterhub_token_vault import tv\ntv.vault().access_token({others!r}, {subject!r})"
    assert kernel.attempt(claimed)["error"].startswith("TokenNotFound: ")
    alice = Api(stack, command_line_token(stack, "alice"))
    for_tasks = alice.grant(Person("alice"))
    asked = f"from jupyterhub_token_vault import tv\ntv.token({for_tasks!r})"
    assert "service_not_allowed" in kernel.attempt(asked)["error"]


@pytest.mark.parametrize(
    ("method", "path", "authorization", "status", "code"),
    [
        ("GET", "access-token", None, 401, "unauthorized"),
        ("GET", "access-token", "token wrong", 401, "unauthorized"),
        ("GET", "access-token", "token {test}", 401, "unauthorized"),  # a service is no person
        ("GET", "tokens/x/audit", "token wrong", 404, "not_found"),
        ("GET", f"tokens/{UUID(int=0)}", "token wrong", 401, "unauthorized"),
        ("GET", f"tokens/{UUID(int=0)}/tickets", "token wrong", 404, "not_found"),
        ("POST", "offline-consent", "token wrong", 401, "unauthorized"),
        ("POST", "access-token", "token wrong", 404, "not_found"),
        ("POST", "tickets", "token wrong", 404, "not_found"),
        ("DELETE", f"tokens/{UUID(int=0)}", "token wrong", 405, "method_not_allowed"),
        ("GET", "../../access-token", "token wrong", 404, ""),
    ],
)
def test_the_service_answers_kernels_only(
    hub: Hub, method: str, path: str, authorization: str | None, status: int, code: str
) -> None:
    """And passes on nothing but what a kernel needs."""
    headers = {"Authorization": authorization.replace("{test}", hub.token)} if authorization else {}
    url = f"{hub.url}/services/token-vault/api/auth/manager/{path}"
    answer = requests.request(method, url, headers=headers, timeout=TIMEOUT)
    assert answer.status_code == status, answer.text
    if code:
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["code"] == code
