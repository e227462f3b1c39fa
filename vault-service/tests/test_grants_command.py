"""`vault-service grants` and `stats`: what an operator types, what it prints, and what it leaves in the audit."""

import json
from collections.abc import Callable
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from replica import ALICE, ROOT_KEY, Replica
from test_keys_command import key_file

from vault_service import cli
from vault_service.adapters.audit.trail import PostgresAuditTrail
from vault_service.application.errors import GrantUnusableError
from vault_service.application.verify_audit import VerifyAudit

Command = Callable[..., tuple[int, str, str]]
Rows = Callable[..., list[tuple[object, ...]]]


@pytest.fixture
def command(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """Runs it; exit status, stdout, stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setenv("VAULT_DATABASE_URL", database_url)
        monkeypatch.setenv("VAULT_ROOT_KEY_FILE", key_file(tmp_path / "root.key", ROOT_KEY))
        monkeypatch.setenv("VAULT_CLIENT_SECRET", "unused")
        monkeypatch.setenv("PUBLIC_URL", "http://localhost:3000")
        monkeypatch.setenv("ISSUER", ALICE.issuer)
        status = cli.main(list(arguments))
        return status, *capsys.readouterr()

    return run


def ids(printed: str) -> set[UUID]:
    """The ids in a list as JSON."""
    return {UUID(each["id"]) for each in json.loads(printed)}


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ([], {"active", "revoked"}),
        (["--state", "active"], {"active"}),
        (["--state", "revoked", "--subject", ALICE.sub], {"revoked"}),
        (["--subject", "bob-sub"], set()),
        (["--service", "task-service", "--provider", "default"], {"active", "revoked"}),
        (["--service", "other"], set()),
        (["--provider", "other"], set()),
        (["--state", "expired"], set()),
    ],
)
def test_grants_are_found(vault: Replica, command: Command, search: list[str], found: set[str]) -> None:
    """As JSON and as a table with the same ids."""
    grants = {"active": vault.grant(), "revoked": vault.grant()}
    vault.manage.revoke(grants["revoked"], ALICE, "task-ui", "request-7")
    status, printed, _ = command("grants", "list", "--json", *search)
    assert (status, ids(printed)) == (0, {grants[name] for name in found})
    lines = command("grants", "list", *search)[1].splitlines()
    assert lines[0].split()[:3] == ["ID", "STATUS", "SUBJECT"]
    assert {UUID(line.split()[0]) for line in lines[1:]} == {grants[name] for name in found}


def test_one_grant_is_shown_without_its_token(vault: Replica, command: Command) -> None:
    """Unknown ids are an error."""
    grant_id = vault.grant()
    shown = json.loads(command("grants", "show", str(grant_id), "--json")[1])
    assert (shown["subject"], shown["status"], shown["services"]) == (ALICE.sub, "active", ["task-service"])
    assert "refresh-" not in json.dumps(shown)
    assert f"subject:           {ALICE.sub}" in command("grants", "show", str(grant_id))[1]
    status, _, error = command("grants", "show", str(uuid4()))
    assert (status, "there is no grant" in error) == (1, True)


def test_what_is_revoked_is_listed_first_and_audited_with_operator_and_reason(
    vault: Replica, command: Command, rows: Rows
) -> None:
    """Only `--yes` revokes; a running process gives nothing from then on, and the authorization server is told."""
    grant_id, other = vault.grant(), vault.grant()
    vault.issue(grant_id)
    search = ("grants", "revoke", "--id", str(grant_id), "--reason", "left the institute", "--operator", "eve")
    status, printed, said = command(*search)
    assert (status, "1 to be revoked" in said, str(grant_id) in printed) == (0, True, True)
    assert vault.issue(grant_id).value
    status, _, said = command(*search, "--yes")
    assert (status, said) == (0, "vault-service: 1 revoked\n")
    with pytest.raises(GrantUnusableError):
        vault.issue(grant_id)
    assert vault.issue(other).value
    assert rows("select actor, reason, grant_id from audit where event = 'grant.revoked'") == [
        ("operator:eve", "left the institute", grant_id)
    ]
    (line, *_) = vault.manage.audit(grant_id, ALICE, 2**63 - 1, 1)
    assert (line.actor, line.reason) == ("operator:eve", "left the institute")
    while vault.deliver.deliver_one():
        pass
    assert len(vault.provider.revoked) == 1
    database, _ = vault.databases
    with database.connection() as connection:
        assert list(VerifyAudit(PostgresAuditTrail(connection), vault.keyring.audit_key).verify()) == []
    assert command(*search, "--yes")[2] == "vault-service: 0 revoked\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--reason", "x", "--yes"], "name the grants"),
        (["--subject", "s", "--reason", "", "--yes"], "one line of text"),
        (["--subject", "s", "--reason", "two\nlines", "--yes"], "one line of text"),
        (["--subject", "s", "--reason", "x" * 201], "one line of text"),
        (["--subject", "s", "--reason", "\u200b\u00a0"], "no visible characters"),
        (["--subject", "s", "--reason", "left\u202eright"], "not allowed"),
    ],
)
def test_a_revocation_without_a_target_or_a_reason_is_refused(
    vault: Replica, command: Command, arguments: list[str], said: str
) -> None:
    """Nothing happens."""
    grant_id = vault.grant()
    status, printed, error = command("grants", "revoke", *arguments)
    assert (status, printed, said in error) == (64, "", True)
    assert vault.issue(grant_id).value


def test_stats_count(vault: Replica, command: Command) -> None:
    """As JSON and as a table."""
    vault.issue(vault.grant())
    vault.manage.revoke(vault.grant(), ALICE, "task-ui", "request-7")
    counted = json.loads(command("stats", "--json")[1])
    assert counted["grants"] == {"active": 1, "revoked": 1}
    assert counted["access tokens"] == {"last hour": 1}
    assert counted["revocations"] == {"waiting": 1}
    assert counted["owners"] == {"with an active grant": 1}
    assert command("stats")[1].splitlines()[0].split() == ["WHAT", "STATE", "NUMBER"]
