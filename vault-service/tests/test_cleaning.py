"""Cleaning deletes what is no longer needed, and keeps what an owner can still see or use."""

from collections.abc import Callable

import psycopg
import pytest
from replica import ALICE, Replica, wish

from vault_service.adapters.jobs.background import every
from vault_service.adapters.jobs.cleaning import Cleaning

Rows = Callable[..., list[tuple[object, ...]]]


@pytest.fixture
def aged(rows: Rows) -> Callable[[], None]:
    """Makes all rows a hundred days older."""

    def age() -> None:
        for table, columns in {
            "grants": ("created_at", "consent_expires_at"),
            "consent_requests": ("expires_at",),
            "revocations": ("created_at", "done_at"),
        }.items():
            changes = ", ".join(f"{column} = {column} - interval '100 days'" for column in columns)
            rows(f"update {table} set {changes} returning 1")

    return age


def test_grants_that_ended_long_ago_are_deleted(
    vault: Replica, rows: Rows, aged: Callable[[], None], owner_url: str
) -> None:
    """Consents that were never given and revoked grants are deleted; an active grant is not, whatever its age."""
    vault.consent.request(wish())
    revoked, alive = vault.grant(), vault.grant()
    vault.manage.revoke(revoked, ALICE, "task-ui", "request-7")
    while vault.deliver.deliver_one() is not None:
        pass
    aged()
    database, _ = vault.databases
    removed = Cleaning(database, days=90).clean()
    assert removed == {
        "consent_requests": 3,
        "logout_tokens": 0,
        "tickets": 0,
        "webhook_messages": 0,
        "revocations": 1,
        "grants": 0,
        "uses": 0,
    }  # the audit is too young
    assert Cleaning(database, days=90).clean() == {
        "consent_requests": 0,
        "logout_tokens": 0,
        "tickets": 0,
        "webhook_messages": 0,
        "revocations": 0,
        "grants": 0,
        "uses": 0,
    }
    with psycopg.connect(owner_url, autocommit=True) as owner:
        owner.execute("update audit set at = at - interval '100 days'")
    assert Cleaning(database, days=90).clean()["grants"] == 2
    assert rows("select id from grants") == [(alive,)]
    assert rows("select count(distinct grant_id) from audit") == [(3,)]
    assert vault.issue(alive).value


def test_recent_rows_stay(vault: Replica, rows: Rows) -> None:
    """The owner can still see how it ended."""
    revoked = vault.grant()
    vault.manage.revoke(revoked, ALICE, "task-ui", "request-7")
    vault.consent.request(wish())
    assert not any(Cleaning(vault.databases[0], days=90).clean().values())
    assert rows("select count(*) from grants") == [(2,)]


def test_a_job_works_once_in_its_interval() -> None:
    """`every` limits how often a job works, whether it succeeds or fails."""
    done = []

    def work() -> None:
        done.append(1)
        raise OSError

    job = every(3600, work)
    with pytest.raises(OSError):
        job()
    assert not job()
    assert done == [1]


def test_logout_tokens_are_forgotten_when_they_are_too_old(vault: Replica, rows: Rows) -> None:
    """Logout tokens that could still be repeated are kept."""
    for number, age in enumerate(("2 hours", "1 minute")):
        rows(
            "insert into logout_tokens (provider, id_hash, expires_at)"
            f" values ('default', '\\x0{number}', now() - interval '{age}') returning 1"
        )
    assert Cleaning(vault.databases[0], days=90).clean()["logout_tokens"] == 1
    assert rows("select id_hash from logout_tokens") == [(b"\x01",)]
