"""No statement crosses owners, so that the tables can be divided by owner (docs/scaling.md).

A statement of a request names one grant, one ticket, one consent request or one owner. The statements that look over
whole tables are listed here with their reason: each of them works on one shard by itself.
"""

import re
from importlib.resources import files

import pytest

from service_kit.postgres import queries

PACKAGES = (
    "vault_service.adapters.audit",
    "vault_service.adapters.encryption",
    "vault_service.adapters.grants",
    "vault_service.adapters.jobs",
    "vault_service.adapters.webhooks",
    "vault_service.cli",
)
OWNED_TABLES = re.compile(
    r"(?<!')\b(grants|tickets|consent_requests|revocations|audit|grant_uses|webhook_messages)\b(?!')"
)
SWEEPS = {
    "take_due": "the outbox sends one revocation after another",
    "take_sibling": "grants to be checked, one after another",
    "take_unused": "grants that nobody uses, one after another",
    "announce": "grants that end soon",
    "forget_messages": "to services that have no webhook any more",
    "backlog": "a measurement",
    "lag": "a measurement",
    "uncovered": "the checkpoints are one chain for each shard",
    "count_uses": "from lines that a checkpoint covers, by grant",
    "count_ticket_uses": "from lines that a checkpoint covers, by ticket",
    "next_ended": "grants that end, one after another",
    "next_forgotten": "grants that nobody uses, one after another",
    "found": "an operator looks for grants",
    "stats": "an operator counts",
    "grants_to_seal": "all rows, page by page",
    "consent_requests_to_seal": "all rows, page by page",
    "revocations_to_seal": "all rows, page by page",
    "sealed_by": "before a key is retired",
    "consent_requests": "cleaning",
    "tickets": "cleaning",
    "revocations": "cleaning",
    "grants": "cleaning",
    "uses": "cleaning",
    "webhook_messages": "cleaning",
    "remove_lines": "pruning, by the owner of the schema",
    "lines_of": "verification of a shard's audit",
    "lines_after": "verification of a shard's audit",
    "numbers_up_to": "verification of a shard's audit",
    "oldest_revocation": "the doctor",
    "checkpoint_lag": "the doctor",
}
"""Statements that look over a whole table, and why."""
SESSIONS = {
    "add": "no revocation while another grant lives on the same session",
    "mark_siblings": "the grants of the same account at the authorization server",
    "for_update": "locks the grants of the same session",
    "of_login": "the grants of a login that has ended at the authorization server",
}
"""Statements that look at grants with the same account or session at an authorization server: usually one owner's."""

_KEY = r"(?:\w+\.)?(?:id|grant_id|state_hash)\s*=\s*(?:any \()?%\((?:id|ids|grant_id|via_id|state_hash)\)s"
_OWNER = r"(?:\w+\.)?issuer = %\(issuer\)s\s+and (?:\w+\.)?subject = %\(subject\)s"
_ADDED = r"insert into \w+ \([^)]*\)\s*values"
_GIVEN = r"unnest\(%\(ids\)s::(?:uuid|bytea)\[\]|where id = use\.grant_id"
ONE_OWNER = re.compile("|".join((_KEY, _OWNER, _ADDED, _GIVEN)))
_JOIN = re.compile(r"\bjoin (?:lateral )?(?!unnest)(?:\([^;]*?\) )?\w*(?: \w+)? on ([^\n]+)")
BY_ID = re.compile(r"\b(?:id|grant_id|via_id|ticket_id)\b|^true")


def _statements() -> list[tuple[str, str]]:
    """The name and the text, without comments, of every statement on the tables of owners."""
    found = []
    for package in PACKAGES:
        for file in files(package).iterdir():
            if file.name.endswith(".sql"):
                for name, query in queries.load(package, file.name).items():
                    text = re.sub(r"--[^\n]*", "", query.decode())
                    if OWNED_TABLES.search(text):
                        found.append((name, text))
    return found


STATEMENTS = _statements()


@pytest.mark.parametrize(("name", "text"), STATEMENTS, ids=[name for name, _ in STATEMENTS])
def test_a_statement_of_a_request_concerns_one_owner(name: str, text: str) -> None:
    """Or it is one of those that are listed above."""
    if name not in SWEEPS and name not in SESSIONS:
        assert ONE_OWNER.search(text), f"{name} looks over a whole table: give it a key, or a reason in SWEEPS"


@pytest.mark.parametrize(("name", "text"), STATEMENTS, ids=[name for name, _ in STATEMENTS])
def test_tables_are_joined_by_the_ids_of_grants_and_tickets(name: str, text: str) -> None:
    """Rows of two owners never meet, so that all rows of a grant can lie in its owner's shard."""
    for condition in _JOIN.findall(text):
        assert BY_ID.search(condition), f"{name} joins on {condition}"


def test_every_listed_statement_exists() -> None:
    """A list that keeps old names would excuse new statements with these names."""
    assert (SWEEPS | SESSIONS).keys() <= {name for name, _ in STATEMENTS}


@pytest.mark.parametrize(
    "text",
    [
        "select id from grants where status = 'active'",
        "update tickets set ended_at = now() where maker = %(maker)s",
        "select count(*) from audit where actor = %(actor)s",
    ],
)
def test_a_statement_without_a_key_is_noticed(text: str) -> None:
    """The rule tells the two kinds apart."""
    assert not ONE_OWNER.search(text)
