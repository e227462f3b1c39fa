"""The recipes of integrations/recipes, each run as its reader runs it."""

import base64
import http.server
import json
import os
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from threading import Thread
from typing import Any

import kubernetes_validate
import pytest
import requests
import yaml
from api import Api, command_line_token
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from person import Person
from stack import ROOT, TIMEOUT, Stack, eventually, free_port

from ways_in.hub import ENVIRONMENT

RECIPES = ROOT / "integrations" / "recipes"
PROGRAMS = Path(sys.executable).parent


@pytest.fixture
def userinfo(stack: Stack) -> str:
    """An API that knows the person."""
    return f"{stack['ISSUER']}/protocol/openid-connect/userinfo"


@pytest.fixture
def ticket(alice: Api, alice_person: Person, tmp_path: Path) -> dict[str, str]:
    """A ticket of a grant of alice's, in the file `.ticket`: `id`, `grant`."""
    grant = alice.grant(alice_person)
    made = alice.post("/api/auth/manager/tickets", {"id": grant, "name": "a recipe"}).json()
    file = tmp_path / ".ticket"
    file.write_text(made["ticket"])
    file.chmod(0o600)
    return {"id": made["ticketId"], "grant": grant}


def test_a_cron_line_reports_with_its_owners_ticket(
    stack: Stack, alice: Api, ticket: dict[str, str], userinfo: str, tmp_path: Path
) -> None:
    """In cron's bare environment; when the ticket has ended, the log says what to do."""
    shutil.copy(RECIPES / "cron" / "report.sh", tmp_path)
    (tmp_path / "api-url").write_text(userinfo)
    lines = [line for line in (RECIPES / "cron" / "crontab").read_text().splitlines() if not line.startswith("#")]
    settings = dict(line.split("=", 1) for line in lines[:-1])
    command = lines[-1].split(" ", 5)[5]
    environ = {"HOME": str(tmp_path), "LOGNAME": "alice", "SHELL": "/bin/sh", **settings}
    environ |= {"TOKEN_VAULT_URL": stack.gateway, "PATH": f"{PROGRAMS}:{settings['PATH']}"}

    def cron() -> tuple[int, str]:
        done = subprocess.run(["/bin/sh", "-c", command], env=environ, cwd=tmp_path, check=False, timeout=TIMEOUT)
        return done.returncode, (tmp_path / "report.log").read_text()

    status, log = cron()
    assert status == 0, log
    assert '"preferred_username":"alice"' in log.replace(" ", "")
    assert alice.delete(f"/api/auth/manager/tickets/{ticket['id']}").status_code == 200
    status, log = cron()
    assert status == 3
    assert "ticket_ended" in log


def test_a_sidecar_gives_a_job_fresh_tokens(
    stack: Stack, alice: Api, ticket: dict[str, str], userinfo: str, tmp_path: Path
) -> None:
    """The manifest is valid, only the sidecar has the ticket, and its arguments do what it says."""
    manifest = yaml.safe_load((RECIPES / "kubernetes" / "pod.yaml").read_text())
    kubernetes_validate.validate(manifest, "1.33", strict=True)
    pod = manifest["spec"]["template"]["spec"]
    (sidecar,), (job,) = pod["initContainers"], pod["containers"]
    assert [mount["name"] for mount in job["volumeMounts"]] == ["token"]
    places = {"/ticket/ticket": str(tmp_path / ".ticket"), "/token/token": str(tmp_path / "token")}
    places["https://tasks.example.org"] = stack.gateway
    words = [str(PROGRAMS / sidecar["command"][0]), *(places.get(word, word) for word in sidecar["args"])]
    token = tmp_path / "token"
    with subprocess.Popen(words, env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]}) as running:
        try:
            eventually(token.exists, "the sidecar has written the token")
            me = requests.get(userinfo, headers={"Authorization": f"Bearer {token.read_text()}"}, timeout=TIMEOUT)
            assert me.json()["preferred_username"] == "alice"
            assert token.stat().st_mode & 0o777 == 0o640
        finally:
            running.terminate()
    assert running.returncode == 0


@contextmanager
def git_server(folder: Path, userinfo: str) -> Iterator[str]:
    """A git server over https that lets those in whose password is an access token; the repository's address."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(*plain))

    class HttpHandler(http.server.SimpleHTTPRequestHandler):
        """Git's files, as its dumb HTTP transport reads them."""

        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(folder / "served"))

        def do_GET(self) -> None:
            """A file, for who may."""
            basic = self.headers.get("Authorization", "").removeprefix("Basic ")
            password = base64.b64decode(basic).decode().partition(":")[2]
            me = requests.get(userinfo, headers={"Authorization": f"Bearer {password}"}, timeout=TIMEOUT)
            if me.status_code == 200:
                super().do_GET()
            else:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="git"')
                self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), HttpHandler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield f"https://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_git_clones_over_https_with_a_token(
    stack: Stack, ticket: dict[str, str], userinfo: str, tmp_path: Path
) -> None:
    """By the credential helper; git keeps no password."""
    served = tmp_path / "served" / "work.git"
    environ = {"HOME": str(tmp_path), "PATH": f"{PROGRAMS}:{os.environ['PATH']}", "GIT_TERMINAL_PROMPT": "0"}
    environ |= {"TOKEN_VAULT_URL": stack.gateway, "TOKEN_VAULT_TICKET_FILE": str(tmp_path / ".ticket")}

    def git(*words: str, check: bool = False) -> "subprocess.CompletedProcess[str]":
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *words]
        how: dict[str, Any] = {"env": environ, "cwd": tmp_path, "text": True, "capture_output": True}
        return subprocess.run(command, check=check, timeout=TIMEOUT, **how)

    for words in (("init", "-q", "first"), ("-C", "first", "commit", "-q", "--allow-empty", "-m", "First")):
        git(*words, check=True)
    git("clone", "-q", "--bare", "first", str(served), check=True)
    git("-C", str(served), "update-server-info", check=True)
    with git_server(tmp_path, userinfo) as address:
        tls = ("-c", f"http.sslCAInfo={tmp_path / 'cert.pem'}")
        assert git(*tls, "clone", "-q", f"{address}/work.git", "without").returncode != 0
        config = (RECIPES / "git" / "gitconfig").read_text()
        (tmp_path / ".gitconfig").write_text(config.replace("https://git.example.org", address))
        done = git(*tls, "clone", "-q", f"{address}/work.git", "with")
        assert done.returncode == 0, done.stderr
    assert git("-C", "with", "log", "--format=%s", check=True).stdout == "First\n"


def test_a_flask_application_calls_an_api_for_people_who_are_away(
    stack: Stack, alice: Api, alice_person: Person, bob: Api, bob_person: Person, userinfo: str
) -> None:
    """With two ids for each of them; who revokes the grant is not called for any more."""
    port = free_port()
    environ = {
        "VAULT_URL": stack["VAULT_URL"],
        "TOKEN_ENDPOINT": f"{stack['ISSUER']}/protocol/openid-connect/token",
        "CLIENT_ID": stack["TASK_SERVICE_CLIENT_ID"],
        "CLIENT_SECRET": stack["TASK_SERVICE_CLIENT_SECRET"],
        "API_URL": userinfo,
        "PORT": str(port),
    }
    url = f"http://127.0.0.1:{port}"
    subjects, grants = {}, {}
    for name, api, person in (("alice", alice, alice_person), ("bob", bob, bob_person)):
        me = requests.get(userinfo, headers={"Authorization": f"Bearer {api.bearer}"}, timeout=TIMEOUT).json()
        subjects[name], grants[name] = me["sub"], api.grant(person)

    def answers() -> bool:
        try:
            return requests.get(url, timeout=TIMEOUT).status_code == 404
        except requests.ConnectionError:
            return False

    words = [str(ENVIRONMENT / "python"), str(RECIPES / "flask" / "app.py")]
    with subprocess.Popen(words, env=environ, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as running:
        try:
            eventually(answers, "the application answers")
            for name, subject in subjects.items():
                requests.post(f"{url}/jobs", json={"owner": subject, "grant": grants[name]}, timeout=TIMEOUT)
            done = requests.post(f"{url}/jobs/run", timeout=TIMEOUT).json()
            assert done == {subjects["alice"]: "alice", subjects["bob"]: "bob"}
            alice.delete(f"/api/auth/manager/tokens/{grants['alice']}")
            mixed = {"owner": subjects["alice"], "grant": grants["bob"]}  # another person's grant
            requests.post(f"{url}/jobs", json=mixed, timeout=TIMEOUT)
            done = requests.post(f"{url}/jobs/run", timeout=TIMEOUT).json()
            assert done == {subjects["alice"]: "token_not_found", subjects["bob"]: "bob"}
        finally:
            running.terminate()


def test_an_mcp_tool_sends_the_person_to_the_consent_and_then_acts_for_them(
    stack: Stack, alice_person: Person, userinfo: str, tmp_path: Path
) -> None:
    """Error −32042 has the address; when the person has granted, the same call has its answer."""
    (tmp_path / "bearer").write_text(command_line_token(stack, "alice"))
    environ = {"VAULT_URL": stack.gateway, "BEARER_FILE": str(tmp_path / "bearer"), "API_URL": userinfo}
    client = [str(ENVIRONMENT / "python"), str(Path(__file__).with_name("mcp_client.py"))]
    with subprocess.Popen(
        [*client, str(RECIPES / "mcp" / "server.py"), "whoami"],
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        first = json.loads(running.stdout.readline())
        assert first["code"] == -32042, first
        (question,) = first["elicitations"]
        assert question["mode"] == "url"
        landed = alice_person.grant(question["url"], stop_at=stack.gateway)
        assert alice_person.get(landed).status_code == 303
        second, _ = running.communicate("\n", timeout=TIMEOUT)
    assert json.loads(second) == {"text": "alice"}


def test_an_airflow_task_finds_a_fresh_token_in_its_connection(
    stack: Stack, alice: Api, alice_person: Person, ticket: dict[str, str], userinfo: str, tmp_path: Path
) -> None:
    """By Airflow's own configuration; a ticket that has ended is named in the log, and other connections are left."""
    made = alice.post("/api/auth/manager/tickets", {"id": ticket["grant"], "name": "ended"}).json()
    (tmp_path / ".ended").write_text(made["ticket"])
    assert alice.delete(f"/api/auth/manager/tickets/{made['ticketId']}").status_code == 200
    connection = {"conn_type": "http", "host": userinfo}
    options = {
        "vault_url": stack.gateway,
        "connections": {
            "reports": {**connection, "ticket_file": str(tmp_path / ".ticket")},
            "ended": {**connection, "ticket_file": str(tmp_path / ".ended")},
        },
        "variables": {"REPORTS_TOKEN": str(tmp_path / ".ticket")},
    }
    program = """
import json
from airflow.sdk import BaseHook, Variable
from airflow.sdk.exceptions import AirflowNotFoundException

reports = BaseHook.get_connection("reports")
lost = []
for name in ("ended", "unknown"):
    try:
        BaseHook.get_connection(name)
    except AirflowNotFoundException:
        lost.append(name)
same = Variable.get("REPORTS_TOKEN") == reports.password
found = {"kind": reports.conn_type, "host": reports.host, "token": reports.password}
print(json.dumps({**found, "same": same, "lost": lost}))
"""
    environ = {
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "AIRFLOW__SECRETS__BACKEND": "token_vault_backend.TokenVaultBackend",
        "AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps(options),
        "PYTHONPATH": str(RECIPES / "airflow"),
        "HOME": str(tmp_path),
        "PATH": os.environ["PATH"],
    }
    command = [str(ROOT / ".venv" / "airflow" / "bin" / "python"), "-c", program]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=TIMEOUT)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer == {**answer, "kind": "http", "host": userinfo, "same": True, "lost": ["ended", "unknown"]}
    me = requests.get(userinfo, headers={"Authorization": f"Bearer {answer['token']}"}, timeout=TIMEOUT).json()
    assert me["preferred_username"] == "alice"
    assert "no token for the connection ended (ticket_ended): " in done.stdout + done.stderr


def test_htcondors_credential_monitor_refreshes_with_a_ticket(
    stack: Stack, alice: Api, ticket: dict[str, str], userinfo: str, tmp_path: Path
) -> None:
    """The recipe's two files, and the call that the monitor makes with them and its library requests-oauthlib.

    As in OAuthCredmon.refresh_access_token of HTCondor 25 (src/condor_credd/condor_credmon_oauth/credmon/
    CredentialMonitors/OAuthCredmon.py): `.top` is the session's token; id and secret of `.meta` go into the body; the
    answer has to have a refresh token, which goes back into `.top`, and `expires_in`, by which the next call is due.
    """
    program = """
import json, sys
from pathlib import Path
from requests_oauthlib import OAuth2Session

folder = Path(sys.argv[1])
top, meta = (json.loads((folder / f"vault.{kind}").read_text()) for kind in ("top", "meta"))
session = OAuth2Session(meta["client_id"], token=top)
token = session.refresh_token(meta["token_url"], client_id=meta["client_id"], client_secret=meta["client_secret"])
top["refresh_token"] = token.pop("refresh_token")
(folder / "vault.top").write_text(json.dumps(top))
(folder / "vault.use").write_text(json.dumps(token))
"""
    top, meta = ((RECIPES / "htcondor" / f"vault.{kind}").read_text() for kind in ("top", "meta"))
    text = (tmp_path / ".ticket").read_text()
    (tmp_path / "vault.top").write_text(top.replace("tvt_…", text))
    (tmp_path / "vault.meta").write_text(meta.replace("https://tasks.example.org", stack.gateway))

    def refresh() -> "subprocess.CompletedProcess[str]":
        command = [str(ENVIRONMENT / "python"), "-c", program, str(tmp_path)]
        environ = {"OAUTHLIB_INSECURE_TRANSPORT": "1"}
        return subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=TIMEOUT)

    for _ in range(2):  # the second one with what the first one has written
        done = refresh()
        assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "vault.top").read_text())["refresh_token"] == text
    use = json.loads((tmp_path / "vault.use").read_text())
    assert float(use["expires_in"]) > 0
    me = requests.get(userinfo, headers={"Authorization": f"Bearer {use['access_token']}"}, timeout=TIMEOUT).json()
    assert me["preferred_username"] == "alice"
    assert alice.delete(f"/api/auth/manager/tickets/{ticket['id']}").status_code == 200
    assert "invalid_grant" in refresh().stderr
