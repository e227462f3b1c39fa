"""The command line as people and programs use it: real processes, a running stack, a terminal where one matters."""

import json
import os
import pty
import re
import select
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
from api import Api
from person import Person
from stack import TIMEOUT, Stack, eventually

PROGRAM = str(Path(sys.executable).parent / "token-vault")
NOBODYS = "00000000-0000-4000-8000-000000000000"
READS = int(os.environ.get("READS", "5000"))
"""Reads of a file that is kept fresh; the full figure is READS=100000."""


@dataclass
class CommandLine:
    """`token-vault` in a home of its own."""

    stack: Stack
    home: Path
    environ: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "XDG_RUNTIME_DIR": str(self.home),
            "PYTHONWARNINGS": "error",
            **self.environ,
        }

    def run(self, *words: str, **how: Any) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end."""
        environ = {**self.environ, **how.pop("environ", {})}
        return subprocess.run(
            [PROGRAM, *words], env=environ, capture_output=True, text=True, timeout=60, check=False, **how
        )

    def ok(self, *words: str, **how: Any) -> str:
        """The stdout of a command that must succeed, without the last end of line."""
        done = self.run(*words, **how)
        assert done.returncode == 0, done.stderr
        return done.stdout.removesuffix("\n")

    def start(self, *words: str, **how: Any) -> "subprocess.Popen[str]":
        """Start a command that waits for something."""
        return subprocess.Popen(
            [PROGRAM, *words], env=self.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **how
        )

    def log_in(self, person: Person, *words: str) -> None:
        """Log in by the browser of a person."""
        process = self.start("login", "--no-browser", *words)
        url = address(process, "code_challenge")
        callback = person.grant(url, stop_at="http://127.0.0.1")
        page = requests.get(callback, timeout=TIMEOUT)
        assert "You are logged in" in page.text
        _, told = process.communicate(timeout=TIMEOUT)
        assert process.returncode == 0, told

    def grant(self, person: Person, *words: str) -> str:
        """Consent by the command line and a person's browser; the grant's id."""
        process = self.start("consent", *words)
        url = address(process, "code_challenge")
        person.get(person.grant(url, stop_at=self.stack.gateway))
        printed, told = process.communicate(timeout=TIMEOUT)
        assert process.returncode == 0, told
        return printed.strip()


def address(process: "subprocess.Popen[str]", part: str) -> str:
    """The address that a command prints on stderr for a person to open."""
    assert process.stderr is not None
    for line in process.stderr:
        if part in line and "http" in line:
            return line.strip()
    raise AssertionError(f"no address; status {process.wait(5)}")


@pytest.fixture
def bare(stack: Stack, tmp_path: Path) -> CommandLine:
    """Configured, not logged in."""
    line = CommandLine(stack, tmp_path)
    line.ok("configure", "--vault", stack.gateway, "--issuer", stack["ISSUER"])
    return line


@pytest.fixture
def line(bare: CommandLine, alice_person: Person) -> CommandLine:
    """Alice, logged in."""
    bare.log_in(alice_person)
    return bare


@pytest.fixture
def granted(line: CommandLine, alice: Api, alice_person: Person) -> tuple[CommandLine, str]:
    """Alice, and a grant of hers."""
    return line, alice.grant(alice_person)


def files(folder: Path) -> dict[str, int]:
    """Each file below a folder, and its mode."""
    return {str(p.relative_to(folder)): stat.S_IMODE(p.stat().st_mode) for p in folder.rglob("*") if p.is_file()}


def whose(stack: Stack, token: str) -> str:
    """Whose token it is, says the authorization server."""
    url = f"{stack['ISSUER']}/protocol/openid-connect/userinfo"
    answer = requests.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=TIMEOUT)
    return str(answer.json()["preferred_username"]) if answer.ok else f"status {answer.status_code}"


# logging in


def test_a_login_keeps_an_access_token_and_no_refresh_token(line: CommandLine) -> None:
    """The files are readable for their owner only. An option keeps the refresh token, too."""
    assert set(files(line.home).values()) == {0o600}
    kept = (line.home / ".local/state/token-vault/default.json").read_text()
    assert json.loads(kept)["refresh_token"] == ""
    status = json.loads(line.ok("status", "--json"))
    assert (status["loggedIn"], status["profile"]) == (True, "default")
    assert "refreshTokenKeptIn" not in status
    assert "logged in" in line.ok("status")


def test_who_stays_logged_in_is_told_where_the_refresh_token_lies(bare: CommandLine, alice_person: Person) -> None:
    """The refresh token is used after the access token has ended, and revoked by `logout`."""
    bare.log_in(alice_person, "--stay")
    path = bare.home / ".local/state/token-vault/default.json"
    kept = json.loads(path.read_text())
    assert kept["kept_in"] == "file"
    path.write_text(json.dumps({**kept, "ends_at": time.time() - 1}))
    bare.ok("list")
    renewed = json.loads(path.read_text())
    assert renewed["access_token"] != kept["access_token"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "logged out" in bare.run("logout").stderr
    assert not path.exists()
    form = {"grant_type": "refresh_token", "client_id": "token-vault-cli", "refresh_token": renewed["refresh_token"]}
    answer = requests.post(f"{bare.stack['ISSUER']}/protocol/openid-connect/token", data=form, timeout=TIMEOUT)
    assert answer.json()["error"] == "invalid_grant"


def test_commands_side_by_side_refresh_a_login_once(bare: CommandLine, alice_person: Person) -> None:
    """With rotation, using a refresh token twice could end the session."""
    bare.log_in(alice_person, "--stay")
    path = bare.home / ".local/state/token-vault/default.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "ends_at": 0}))
    processes = [bare.start("list", "--json") for _ in range(6)]
    told = [process.communicate(timeout=TIMEOUT) for process in processes]
    assert [process.returncode for process in processes] == [0] * 6, told
    bare.ok("list")


def test_a_login_by_device(bare: CommandLine, alice_person: Person) -> None:
    """RFC 8628: the code is entered somewhere else."""
    if bare.stack.is_dev:
        bare.stack.control("PUT", "/settings", {"oauth2DevicePollingInterval": 1})
    process = bare.start("login", "--device")
    page = alice_person.decide(address(process, "user_code=").removeprefix("(or open ").rstrip(")"))
    assert "Device Login Successful" in page.text
    _, told = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0, told
    bare.ok("list")


def test_a_login_by_device_that_is_denied(bare: CommandLine, alice_person: Person) -> None:
    """Status 3."""
    if bare.stack.is_dev:
        bare.stack.control("PUT", "/settings", {"oauth2DevicePollingInterval": 1})
    process = bare.start("login", "--device")
    alice_person.decide(address(process, "user_code=").removeprefix("(or open ").rstrip(")"), yes=False)
    _, told = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 3
    assert "denied" in told


def test_an_answer_with_another_state_is_not_taken(bare: CommandLine, alice_person: Person) -> None:
    """Nor is an answer at another path. The login waits for the right one."""
    process = bare.start("login", "--no-browser")
    url = address(process, "code_challenge")
    callback = alice_person.grant(url, stop_at="http://127.0.0.1")
    wrong = re.sub(r"state=[^&]*", "state=other", callback)
    assert requests.get(wrong, timeout=TIMEOUT).status_code == 404
    assert requests.get(callback.replace("/callback", "/other"), timeout=TIMEOUT).status_code == 404
    assert requests.get(callback, timeout=TIMEOUT).status_code == 200
    process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0


# granting and using


def test_from_consent_to_revocation(line: CommandLine, alice_person: Person) -> None:
    """Each command prints its answer and nothing else on stdout."""
    token_id = line.grant(alice_person, "--name", "cron:nightly", "--scope", "phone", "--max-uses", "20")
    (entry,) = [g for g in json.loads(line.ok("list", "--json")) if g["persistentTokenId"] == token_id]
    assert (entry["status"], entry["name"], entry["maxUses"]) == ("active", "cron:nightly", 20)
    assert token_id in line.ok("list")
    assert whose(line.stack, line.ok("get", token_id)) == "alice"
    assert whose(line.stack, line.ok("get", token_id[:13])) == "alice"
    narrowed = json.loads(line.ok("get", "cron:nightly", "--scope", "openid", "--json"))
    assert "phone" not in narrowed["scope"]
    events = [entry["event"] for entry in json.loads(line.ok("audit", token_id, "--json"))]
    assert events.count("token.issued") == 3
    assert "token-vault-cli" in line.ok("audit", token_id, "--limit", "2")
    assert line.ok("revoke", token_id) == ""
    assert token_id not in line.ok("list")
    assert token_id in line.ok("list", "--all")
    assert line.run("get", token_id).returncode == 4


def test_a_token_in_each_shape(granted: tuple[CommandLine, str]) -> None:
    """`exec-credential` is what kubectl reads."""
    line, token_id = granted
    raw = line.run("get", token_id)
    assert raw.stdout.count("\n") == 1
    assert raw.stderr == ""
    assert line.ok("get", token_id, "--format", "header").startswith("Authorization: Bearer ey")
    members = json.loads(line.ok("get", token_id, "-f", "json"))
    assert 0 < members["expiresIn"] <= 300
    credential = json.loads(line.ok("get", token_id, "-f", "exec-credential"))
    assert (credential["kind"], credential["apiVersion"]) == ("ExecCredential", "client.authentication.k8s.io/v1")
    assert whose(line.stack, credential["status"]["token"]) == "alice"
    assert credential["status"]["expirationTimestamp"].endswith("Z")


def test_a_command_runs_with_a_token_in_a_file_and_its_own_status(granted: tuple[CommandLine, str]) -> None:
    """The file is its owner's alone, and gone afterwards."""
    line, token_id = granted
    script = 'stat -c %a "$BEARER_TOKEN_FILE"; cat "$BEARER_TOKEN_FILE"; echo; echo "$BEARER_TOKEN_FILE"; exit 9'
    done = line.run("run", token_id, "--", "sh", "-c", script)
    mode, token, path = done.stdout.splitlines()
    assert (done.returncode, mode) == (9, "600")
    assert whose(line.stack, token) == "alice"
    assert not Path(path).exists()
    assert not Path(path).parent.exists()


def test_a_command_runs_with_a_token_in_its_environment(granted: tuple[CommandLine, str]) -> None:
    """And with nothing of ours beside it."""
    line, token_id = granted
    printed = line.ok(
        "run",
        token_id,
        "--env",
        "BEARER_TOKEN",
        "--",
        "sh",
        "-c",
        'echo "$BEARER_TOKEN"; env | grep -c TOKEN_VAULT_TICKET; true',
        environ={"TOKEN_VAULT_TICKET_FILE": ""},
    )
    token, leaked = printed.splitlines()
    assert whose(line.stack, token) == "alice"
    assert leaked == "0"


@pytest.mark.any_server
@pytest.mark.parametrize(
    ("words", "status"), [(["true"], 0), (["sh", "-c", "kill -9 $$"], 137), (["/no/such"], 127), (["/etc/passwd"], 126)]
)
def test_a_commands_end_is_told_as_a_shell_tells_it(
    granted: tuple[CommandLine, str], words: list[str], status: int
) -> None:
    """128 and the signal's number; 127 for what is not there."""
    line, token_id = granted
    assert line.run("run", token_id, "--", *words).returncode == status


@pytest.mark.any_server
def test_a_signal_reaches_the_command_and_the_file_goes(granted: tuple[CommandLine, str]) -> None:
    """SIGTERM, as a batch system sends it."""
    line, token_id = granted
    script = 'trap "exit 5" TERM; echo "$BEARER_TOKEN_FILE"; while :; do sleep 0.1; done'
    process = line.start("run", token_id, "--", "sh", "-c", script)
    assert process.stdout is not None
    path = Path(process.stdout.readline().strip())
    assert path.exists()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=TIMEOUT)
    assert process.returncode == 5
    assert not path.exists()


def test_git_gets_its_password_and_tells_when_it_was_refused(granted: tuple[CommandLine, str], tmp_path: Path) -> None:
    """By git itself, which calls the helper; https only."""
    line, token_id = granted
    git = shutil.which("git")
    assert git
    helper = f"credential.https://git.example.org.helper=!{shlex.quote(PROGRAM)} git-credential {token_id}"

    def ask(operation: str, protocol: str = "https", **more: str) -> Mapping[str, str]:
        lines = {"protocol": protocol, "host": "git.example.org", **more}
        done = subprocess.run(
            [
                git,
                "-c",
                "credential.helper=",
                "-c",
                helper,
                "-c",
                helper.replace("https://", "http://"),
                "credential",
                operation,
            ],
            input="".join(f"{name}={value}\n" for name, value in lines.items()) + "\n",
            env={**line.environ, "GIT_TERMINAL_PROMPT": "0"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd=tmp_path,
        )
        return dict(row.split("=", 1) for row in done.stdout.splitlines())

    filled = ask("fill")
    assert filled["username"] == "oauth2"
    assert whose(line.stack, filled["password"]) == "alice"
    assert "password" not in ask("fill", "http")
    ask("reject", username="oauth2", password=filled["password"])
    assert whose(line.stack, ask("fill")["password"]) == "alice"


# a file that is kept fresh


def test_a_file_that_is_kept_fresh_is_never_torn(
    dev_stack: Stack, line: CommandLine, alice: Api, alice_person: Person
) -> None:
    """Read all the time while it is replaced; every token read is whole, and good when it is read."""
    dev_stack.control("PUT", "/settings", {"accessTokenLifespan": 6})
    token_id = alice.grant(alice_person)
    path = line.home / "token"
    process = line.start("file", token_id, str(path))
    eventually(path.exists, "the file is there")
    seen: set[str] = set()
    torn = reads = 0
    deadline = time.monotonic() + 240
    while (reads < READS or len(seen) < 3) and time.monotonic() < deadline:
        text = path.read_text()
        torn += re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]{342}", text) is None
        if text not in seen:
            seen.add(text)
            assert whose(dev_stack, text) == "alice"
        reads += 1
        if reads > READS:
            time.sleep(0.05)
    assert (reads >= READS, torn) == (True, 0)
    assert len(seen) >= 3
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0
    assert [p.name for p in path.parent.glob(".token.*")] == []


def test_a_sidecar_ends_with_status_4_when_the_grant_has_ended(
    dev_stack: Stack, line: CommandLine, alice: Api, alice_person: Person
) -> None:
    """And says so."""
    dev_stack.control("PUT", "/settings", {"accessTokenLifespan": 4})
    token_id = alice.grant(alice_person)
    process = line.start("file", token_id, str(line.home / "token"))
    eventually((line.home / "token").exists, "the file is there")
    line.ok("revoke", token_id)
    _, told = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 4
    assert "token_revoked" in told


def test_a_sidecar_outlives_a_vault_that_is_away(
    dev_stack: Stack, line: CommandLine, alice: Api, alice_person: Person
) -> None:
    """The sidecar keeps trying, and the file is fresh again when the vault is available."""
    dev_stack.control("PUT", "/settings", {"accessTokenLifespan": 4})
    token_id = alice.grant(alice_person)
    path = line.home / "token"
    process = line.start("file", token_id, str(path))
    eventually(path.exists, "the file is there")
    dev_stack.kill("vault")
    before = path.read_text()
    time.sleep(5)
    assert process.poll() is None
    dev_stack.start()
    eventually(lambda: path.read_text() != before, "the file is fresh again", 60)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0


def test_a_file_written_once(granted: tuple[CommandLine, str]) -> None:
    """With the mode that was asked for; into a folder that is made."""
    line, token_id = granted
    path = line.home / "new" / "token"
    assert line.ok("file", token_id, str(path), "--once", "--mode", "640") == ""
    assert whose(line.stack, path.read_text()) == "alice"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


# what goes wrong


def test_who_is_not_logged_in_is_told_so(bare: CommandLine) -> None:
    """Status 3, and what to do."""
    done = bare.run("list")
    assert (done.returncode, done.stdout) == (3, "")
    assert "token-vault login" in done.stderr
    assert bare.run("status").returncode == 3


def test_a_login_that_has_ended_is_told_so(line: CommandLine) -> None:
    """Also when the clock says that it has not: the vault does not accept it."""
    path = line.home / ".local/state/token-vault/default.json"
    kept = json.loads(path.read_text())
    path.write_text(json.dumps({**kept, "ends_at": 1.0}))
    assert line.run("list").returncode == 3
    path.write_text(json.dumps({**kept, "access_token": "damaged"}))
    done = line.run("list")
    assert done.returncode == 3
    assert "unauthorized" in done.stderr
    path.write_text("{")
    assert line.run("list").returncode == 3


@pytest.mark.any_server
@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["get", NOBODYS], 5, "token_not_found"),
        (["get", "no-such-name"], 5, "no grant is called no-such-name"),
        (["get", NOBODYS, "--min-valid", "-1"], 2, "min-valid"),
        (["get"], 2, "say which grant"),
        (["frobnicate"], 2, "frobnicate"),
        (["file", NOBODYS], 2, "say GRANT and PATH"),
        (["file", NOBODYS, "/tmp/x", "--mode", "9"], 2, "no mode in octal"),
        (["consent", "--provider", "nowhere", "--no-wait"], 2, "/provider"),
        (["--profile", "other", "list"], 2, "there is no profile other"),
        (["--profile", "../x", "status"], 2, "there is no profile"),
        (["--vault", "ftp://x", "list"], 2, "no https:// address"),
        (["--vault", "http://127.0.0.1:9", "get", NOBODYS], 75, "vault_unavailable"),
        (["ticket", "end", "no-such-ticket"], 5, "ticket_not_found"),
    ],
)
def test_each_failure_has_its_status_and_says_why(line: CommandLine, words: list[str], status: int, said: str) -> None:
    """And nothing on stdout."""
    done = line.run(*words)
    assert done.returncode == status, done.stderr
    assert said in done.stderr
    assert done.stdout == ""


def test_a_grant_that_waits_for_consent_is_status_4(line: CommandLine) -> None:
    """`consent --no-wait` prints the id at once."""
    token_id = line.ok("consent", "--no-wait")
    done = line.run("get", token_id)
    assert done.returncode == 4
    assert "consent_pending" in done.stderr
    members = json.loads(line.ok("consent", "--no-wait", "--json"))
    assert members["consentUrl"].startswith(line.stack["ISSUER"])


def test_a_consent_that_is_refused_is_status_4(line: CommandLine, alice_person: Person) -> None:
    """The person says no."""
    process = line.start("consent")
    alice_person.get(alice_person.refuse(address(process, "code_challenge"), stop_at=line.stack.gateway))
    _, told = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 4
    assert "consent_denied" in told


def test_scopes_that_were_not_granted_are_denied(granted: tuple[CommandLine, str]) -> None:
    """Status 77."""
    line, token_id = granted
    done = line.run("get", token_id, "--scope", "address")
    assert (done.returncode, done.stdout) == (77, "")


@pytest.mark.any_server
def test_programs_read_errors_as_json(line: CommandLine) -> None:
    """On stderr, with the code and what to do."""
    done = line.run("get", NOBODYS, "--json")
    told = json.loads(done.stderr)
    assert (done.returncode, told["code"], told["status"]) == (5, "token_not_found", 5)
    assert told["advice"]


def test_an_authorization_server_that_is_away_is_status_75(bare: CommandLine) -> None:
    """And one that is none is named."""
    assert bare.run("--issuer", "http://127.0.0.1:9", "login").returncode == 75
    done = bare.run("--issuer", bare.stack.gateway, "login")
    assert done.returncode == 1
    assert "is that the issuer?" in done.stderr


def test_tokens_of_one_issuer_are_not_sent_for_another(line: CommandLine) -> None:
    """A profile that is pointed elsewhere has no login."""
    assert line.run("--issuer", "https://elsewhere.example.org", "list").returncode == 3


@pytest.mark.any_server
def test_what_is_no_ticket_is_not_sent(bare: CommandLine) -> None:
    """A ticket needs neither login nor id; other text is refused here, an unknown one by the vault."""
    done = bare.run("get", environ={"TOKEN_VAULT_TICKET": "eyJ"})
    assert done.returncode == 2
    assert "begins with tvt_" in done.stderr
    done = bare.run("get", environ={"TOKEN_VAULT_TICKET": "tvt_" + "A" * 70})
    assert done.returncode == 3
    assert "ticket_mistyped" in done.stderr
    missing = bare.run("--ticket-file", str(bare.home / "none"), "get")
    assert missing.returncode == 3
    assert "gives no credentials" in missing.stderr


def test_a_ticket_from_its_making_to_its_end(granted: tuple[CommandLine, str], bare: CommandLine, stack: Stack) -> None:
    """The ticket is used without a login. The list shows it without its secret."""
    line, token_id = granted
    ticket = line.ok("ticket", "create", token_id, "--name", "cron on login3", "--max-uses", "2").strip()
    empty = {"HOME": "/nonexistent", "XDG_CONFIG_HOME": "/nonexistent", "XDG_STATE_HOME": "/nonexistent"}
    nowhere = bare.run("--vault", stack.gateway, "get", environ={"TOKEN_VAULT_TICKET": ticket, **empty})
    assert nowhere.returncode == 0, nowhere.stderr
    assert whose(stack, nowhere.stdout.strip()) == "alice"
    (listed,) = json.loads(line.ok("ticket", "list", token_id, "--json"))
    assert (listed["name"], listed["uses"], listed["maxUses"]) == ("cron on login3", 1, 2)
    assert ticket not in line.ok("ticket", "list", token_id)
    line.ok("ticket", "extend", listed["ticketId"], "--expires-in", "60")
    line.ok("ticket", "end", listed["ticketId"])
    ended = bare.run("get", environ={"TOKEN_VAULT_TICKET": ticket})
    assert (ended.returncode, "ticket_ended" in ended.stderr) == (3, True)


# at a terminal


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """Both ends of a pseudo-terminal."""
    master, slave = pty.openpty()
    yield master, slave
    os.close(master)


def read_until(master: int, part: str, seconds: float = 30.0) -> str:
    """The output of a terminal, up to an expected text."""
    shown, deadline = "", time.monotonic() + seconds
    while part not in shown:
        ready, _, _ = select.select([master], [], [], max(deadline - time.monotonic(), 0))
        assert ready, f"{part!r} is not in {shown!r}"
        shown += os.read(master, 4096).decode()
    return shown


def test_at_a_terminal_revoke_asks_and_no_means_no(granted: tuple[CommandLine, str], terminal: tuple[int, int]) -> None:
    """In a pipe it does not ask."""
    line, token_id = granted
    master, slave = terminal
    process = subprocess.Popen([PROGRAM, "revoke", token_id], env=line.environ, stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    read_until(master, "[y/N]")
    os.write(master, b"n\n")
    assert process.wait(TIMEOUT) == 1
    line.ok("get", token_id)


@pytest.mark.any_server
def test_at_a_terminal_a_list_fits_and_is_coloured(granted: tuple[CommandLine, str], terminal: tuple[int, int]) -> None:
    """In a pipe the ids are whole, and there is no escape sequence."""
    line, token_id = granted
    master, slave = terminal
    environ = {**line.environ, "TERM": "xterm-256color", "COLUMNS": "100"}
    process = subprocess.Popen([PROGRAM, "list"], env=environ, stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    shown = read_until(master, token_id[:8])
    process.wait(TIMEOUT)
    assert "\x1b[" in shown
    assert token_id not in shown
    piped = line.ok("list")
    assert "\x1b" not in piped
    assert token_id in piped


@pytest.mark.any_server
def test_ctrl_c_at_a_terminal_reaches_the_command_once(
    granted: tuple[CommandLine, str], terminal: tuple[int, int]
) -> None:
    """The terminal sends it to both; the command is not told twice, and its status is kept."""
    line, token_id = granted
    master, slave = terminal
    script = (
        "n=0; trap 'n=$((n+1)); echo got $n' INT; echo ready; "
        "i=0; while [ $i -lt 15 ]; do sleep 0.1; i=$((i+1)); done; exit $n"
    )
    process = subprocess.Popen(
        ["setsid", "--ctty", "--wait", PROGRAM, "run", token_id, "--", "sh", "-c", script],
        env=line.environ,
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    read_until(master, "ready")
    os.write(master, b"\x03")
    read_until(master, "got 1")
    assert process.wait(TIMEOUT) == 1


@pytest.mark.any_server
def test_completion_is_there_for_each_shell(bare: CommandLine) -> None:
    """The script that `--install-completion` would install."""
    done = bare.run(
        environ={"_TOKEN_VAULT_COMPLETE": "complete_bash", "COMP_WORDS": "token-vault g", "COMP_CWORD": "1"}
    )
    assert done.stdout.split() == ["get", "git-credential"]
