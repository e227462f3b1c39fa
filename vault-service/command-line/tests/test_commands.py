"""The commands as processes, against a vault of prepared answers: tickets as they are designed, above all."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import scripted_answers
from scripted_answers import ACCESS, GRANT, TICKETS, TOKENS, Answers, token

ID = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"
INFO = {
    "ticketId": "t-1",
    "name": "cron",
    "scopes": ["openid"],
    "expiresAt": "2030-01-01T00:00:00Z",
    "maxUses": 5,
    "maker": "task-service",
}
STATES = ("pending", "active", "failed", "revoked", "expired")
Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def answers() -> Iterator[Answers]:
    """The vault."""
    with scripted_answers.serving() as prepared:
        yield prepared


@pytest.fixture
def command(answers: Answers, tmp_path: Path) -> Command:
    """Runs `token-vault`, logged in."""
    issuer = "https://as.example.org"
    state = tmp_path / ".local/state/token-vault/default.json"
    state.parent.mkdir(parents=True)
    login = {"issuer": issuer, "client_id": "token-vault-cli", "access_token": "mine", "ends_at": 4e9}
    state.write_text(json.dumps(login))
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "TOKEN_VAULT_URL": answers.url,
        "TOKEN_VAULT_ISSUER": issuer,
    }

    def run(*words: str, stdin: str = "", **more: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "token_vault", *words],
            env={**environ, **more},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd=tmp_path,
        )

    return run


def test_a_ticket_is_made_and_printed_once(answers: Answers, command: Command):
    answers.says(TICKETS, 201, {**INFO, "ticket": "tvt_secret"})
    done = command(
        "ticket", "create", ID, "--name", "cron", "--scope", "openid", "--max-uses", "5", "--expires-in", "60"
    )
    assert (done.returncode, done.stdout) == (0, "tvt_secret\n"), done.stderr
    assert "tvt_secret" not in done.stderr
    assert answers.asked[-1].json == {"id": ID, "name": "cron", "scopes": ["openid"], "maxUses": 5, "expiresIn": 60}
    assert answers.asked[-1].authorization == "Bearer mine"
    told = json.loads(command("ticket", "create", ID, "--name", "cron", "--json").stdout)
    assert told == {"ticket": "tvt_secret", **INFO}


def test_tickets_are_listed_extended_and_ended(answers: Answers, command: Command):
    answers.says(f"{TOKENS}/{ID}/tickets", 200, {"tickets": [{**INFO, "uses": 2}]})
    answers.says(f"{TICKETS}/t-1/extend", 200, INFO)
    answers.says(f"{TICKETS}/t-1", 200, {"status": "ended"})
    assert json.loads(command("ticket", "list", ID, "--json").stdout) == [{**INFO, "uses": 2}]
    assert "2/5" in command("ticket", "list", ID).stdout
    moved = command("ticket", "extend", "t-1", "--expires-in", "60")
    assert (moved.returncode, moved.stdout) == (0, "")
    ended = command("ticket", "end", "t-1")
    assert (ended.returncode, ended.stdout, answers.asked[-1].method) == (0, "", "DELETE")


@pytest.mark.parametrize("way", ["variable", "file"])
def test_a_ticket_needs_neither_login_nor_id(answers: Answers, command: Command, tmp_path: Path, way: str):
    answers.says(ACCESS, 200, token("fresh"))
    (tmp_path / "ticket").write_text("tvt_secret\n")
    ticket = {"TOKEN_VAULT_TICKET": "tvt_secret"} if way == "variable" else {"TOKEN_VAULT_TICKET_FILE": "ticket"}
    assert command("get", HOME="/nonexistent", **ticket).stdout == "fresh\n"
    asked = answers.asked[-1]
    assert (asked.authorization, asked.query) == ("Bearer tvt_secret", {})
    script = 'cat "$BEARER_TOKEN_FILE"; env | grep -c TVT_ ; env | grep TOKEN_VAULT_TICKET; true'
    assert command("run", "--", "sh", "-c", script, **ticket).stdout == "fresh0\n"
    assert command("file", "out", "--once", **ticket).returncode == 0
    assert (tmp_path / "out").read_text() == "fresh"


def test_a_grant_is_found_by_its_name_its_id_or_the_beginning_of_it(answers: Answers, command: Command):
    other = "6f0000ff-8b86-4d01-b42d-00cf4fc964ff"
    grants = [
        {**GRANT, "persistentTokenId": ID, "taskId": "nightly"},
        {**GRANT, "persistentTokenId": other, "taskId": "nightly", "status": "revoked"},
    ]
    answers.says(TOKENS, 200, {"tokens": grants})
    answers.says(ACCESS, 200, token())
    for name in ("nightly", "6f9", ID, ID.upper()):
        assert command("get", name).returncode == 0
        assert answers.asked[-1].query["id"] == ID
    ambiguous = command("get", "6f")
    assert (ambiguous.returncode, "2 grants are called 6f" in ambiguous.stderr) == (5, True)


def test_programs_read_every_error_as_the_same_object(answers: Answers, command: Command):
    """Of the vault, and of the command line itself."""
    answers.says(TOKENS, 200, {"tokens": []})
    answers.says(ACCESS, 410, {"code": "token_revoked", "detail": "This token was revoked."})
    for words, status, code in (
        (("get", ID), 4, "token_revoked"),
        (("get", "nosuch"), 5, "token_not_found"),
        (("get",), 2, "usage"),
        (("--vault", "http://127.0.0.1:9", "list"), 75, "vault_unavailable"),
        (("--issuer", "https://elsewhere.example.org", "list"), 3, "not_logged_in"),
    ):
        done = command(*words, "--json")
        told = json.loads(done.stderr)
        assert (done.returncode, told["status"], told["code"]) == (status, status, code), words
        assert told["detail"], words
        assert told["advice"], words


@pytest.mark.parametrize(
    ("status", "code", "hint"),
    [
        (401, "unauthorized", "→ token-vault login"),
        (401, "ticket_ended", ""),
        (401, "ticket_mistyped", ""),
        (409, "consent_pending", ""),
        (410, "token_revoked", "→ token-vault consent"),
        (404, "token_not_found", "→ token-vault list"),
    ],
)
def test_the_next_command_is_named_where_it_helps(
    answers: Answers, command: Command, status: int, code: str, hint: str
):
    """A login replaces no ticket, and another consent no pending one."""
    answers.says(ACCESS, status, {"code": code, "detail": "No."})
    told = command("get", ID).stderr
    assert code in told
    assert told.rstrip().endswith(hint)
    assert ("→" in told) == bool(hint)


def test_a_first_status_says_what_to_do(command: Command, tmp_path: Path):
    done = command("status", HOME=str(tmp_path / "new"), TOKEN_VAULT_URL="", TOKEN_VAULT_ISSUER="")
    assert (done.returncode, done.stdout.startswith("profile")) == (3, True)
    assert "token-vault configure" in done.stderr
    assert "token-vault login" in command("status", HOME=str(tmp_path / "new")).stderr


def test_only_what_is_active_has_an_end_to_come(answers: Answers, command: Command):
    asked = {**GRANT, "status": "pending", "notAfter": "2199-01-01T00:00:00Z"}
    answers.says(
        TOKENS, 200, {"tokens": [{**asked, "persistentTokenId": status, "status": status} for status in STATES]}
    )
    told = {line.split()[0]: " d " in line for line in command("list", "--all").stdout.splitlines()[1:]}
    assert told == {status: status == "active" for status in STATES}


def test_what_the_vault_says_is_not_taken_for_markup(answers: Answers, command: Command):
    answers.says(TOKENS, 200, {"tokens": [{**GRANT, "persistentTokenId": ID, "taskId": "[red]x[/red] [/]\x1b[2J"}]})
    answers.says(ACCESS, 403, {"code": "service_not_allowed", "detail": "No [/bold] way."})
    listed = command("list").stdout
    assert "[red]x[/red] [/]" in listed
    assert "\x1b" not in listed
    done = command("get", ID)
    assert (done.returncode, "No [/bold] way" in done.stderr) == (77, True)


def test_a_profile_is_kept_and_used(command: Command, tmp_path: Path):
    done = command(
        "--profile",
        "work",
        "configure",
        "--vault",
        "https://v",
        "--issuer",
        "https://i",
        "--ca-file",
        '/a "b"\\c',
        TOKEN_VAULT_URL="",
        TOKEN_VAULT_ISSUER="",
    )
    assert done.returncode == 0, done.stderr
    path = tmp_path / ".config/token-vault/config.toml"
    assert path.stat().st_mode & 0o777 == 0o600
    told = json.loads(command("status", "--json", TOKEN_VAULT_URL="", TOKEN_VAULT_ISSUER="").stdout)
    assert (told["profile"], told["vault"], told["issuer"]) == ("work", "https://v", "https://i")
    path.write_text(path.read_text() + 'surprise = "x"\n')
    wrong = command("status")
    assert (wrong.returncode, "surprise" in wrong.stderr) == (2, True)
    path.write_text("= [")
    assert command("status").returncode == 2


@pytest.mark.parametrize("ends", ["1999-01-01T00:00:00Z", "2199-01-01T00:00:00Z"])
def test_a_clock_that_is_wrong_by_years_makes_no_token_old_or_young(
    answers: Answers, command: Command, tmp_path: Path, ends: str
):
    """A token's life counts from its arrival, not from the time of day that the vault names."""
    answers.says(ACCESS, 200, token("fresh", expiresAt=ends))
    assert command("get", ID).stdout == "fresh\n"
    assert command("file", ID, "out", "--once").returncode == 0
    assert (tmp_path / "out").read_text() == "fresh"


def test_a_clock_that_was_put_forward_ends_a_login_and_the_message_says_what_to_do(command: Command, tmp_path: Path):
    state = tmp_path / ".local/state/token-vault/default.json"
    state.write_text(json.dumps({**json.loads(state.read_text()), "ends_at": 1.0}))
    done = command("get", ID)
    assert (done.returncode, done.stdout, "token-vault login" in done.stderr) == (3, "", True)


def test_a_home_that_cannot_be_written_is_named(command: Command, tmp_path: Path):
    """A file stands where the folder should be, which stops root too."""
    (tmp_path / "blocked").write_text("")
    blocked = str(tmp_path / "blocked")
    done = command("configure", "--vault", "https://v", "--issuer", "https://i", XDG_CONFIG_HOME=blocked)
    assert done.returncode == 1
    assert f"{blocked}/token-vault/config.toml cannot be written" in done.stderr
    assert command("list", XDG_STATE_HOME=blocked).returncode == 3


def test_the_answer_goes_into_a_pipe_that_closes(answers: Answers, command: Command):
    answers.says(ACCESS, 200, token())
    done = command("run", ID, "--", "sh", "-c", f"{sys.executable} -m token_vault get {ID} | true; exit 0")
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)


@pytest.mark.parametrize(("asked", "answered"), [("https", True), ("http", False)])
def test_git_is_given_a_password_with_its_end_for_https_only(answers: Answers, command: Command, asked, answered):
    answers.says(ACCESS, 200, token("fresh"))
    done = command("git-credential", ID, "get", stdin=f"protocol={asked}\nhost=git.example.org\n\n")
    lines = ["username=oauth2", "password=fresh", "password_expiry_utc=1767225600"]
    assert done.stdout.splitlines() == (lines if answered else [])


def test_git_tells_which_password_was_refused(answers: Answers, command: Command):
    answers.says(ACCESS, 200, token("another"))
    told = "protocol=https\nhost=git.example.org\nusername=oauth2\npassword=fresh\n\n"
    done = command("git-credential", ID, "erase", stdin=told)
    assert (done.returncode, done.stdout) == (0, "")
    assert answers.asked[-1].query["refused"] == hashlib.sha256(b"fresh").hexdigest()
    assert command("git-credential", ID, "store", stdin=told).returncode == 0
    assert len(answers.asked) == 1
