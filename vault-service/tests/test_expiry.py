"""Grants whose time or uses are up expire, and their tokens are revoked."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from replica import ALICE, Replica

from service_kit.postgres import queries
from vault_service.application.errors import GrantUnusableError
from vault_service.domain.grant import Failure, Status

Rows = Callable[..., list[tuple[object, ...]]]
PAST = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("limits", "end"),
    [({"not_after": PAST}, "expires_at = null"), ({}, "expires_at = now()"), ({"max_uses": 1}, "uses = 1")],
    ids=["notAfter", "the server's own rule", "maxUses"],
)
def test_an_ended_grant_expires_and_is_revoked_at_the_server(
    vault: Replica, rows: Rows, limits: dict[str, object], end: str
) -> None:
    """The row keeps no token; the owner sees the same as before."""
    over, alive = vault.grant(**limits), vault.grant()
    rows(f"update grants set {end} where id = %s returning 1", over)
    before = vault.manage.find(over, ALICE)
    assert vault.expire.expire_ended() == 1
    assert vault.expire.expire_ended() == 0
    assert vault.manage.find(over, ALICE) == before
    assert before.status is Status.EXPIRED
    assert rows("select status, refresh_token from grants where id = %s", over) == [("expired", None)]
    with pytest.raises(GrantUnusableError) as refused:
        vault.issue(over)
    assert refused.value.reason is Failure.TOKEN_EXPIRED
    while vault.deliver.deliver_one():
        pass
    assert vault.provider.revoked == ["refresh-1"]
    assert rows("select event, outcome from audit where grant_id = %s order by id desc limit 2", over) == [
        ("revocation.sent", "revoked"),
        ("grant.expired", "ok"),
    ]
    assert vault.issue(alive).value


def test_an_ended_grant_does_not_delay_the_revocation_of_another(vault: Replica) -> None:
    """An ended grant on the same session does not delay the revocation."""
    vault.provider.session = "one-browser"
    vault.grant(not_after=PAST)
    deleted = vault.grant()
    vault.manage.revoke(deleted, ALICE, "task-ui", "request-3")
    vault.deliver.deliver_one()
    assert vault.provider.revoked == ["refresh-2"]


def test_an_active_grant_keeps_its_session(vault: Replica, rows: Rows) -> None:
    """The ended grant expires here; the session ends with the last grant."""
    vault.provider.session = "one-browser"
    vault.grant(not_after=PAST)
    alive = vault.grant()
    assert vault.expire.expire_ended() == 1
    assert vault.deliver.deliver_one() is None
    assert rows("select outcome from audit where event = 'grant.expired'") == [("session_shared",)]
    assert vault.issue(alive).value


def test_the_token_of_a_late_refresh_is_revoked(vault: Replica, rows: Rows) -> None:
    """The grant has expired during the request."""
    grant_id = vault.grant(not_after=datetime.now(UTC) + timedelta(hours=1))

    def ends() -> None:
        rows("update grants set expires_at = now() returning 1")
        assert vault.expire.expire_ended() == 1

    vault.provider.script.append(ends)
    with pytest.raises(GrantUnusableError):
        vault.issue(grant_id)
    while vault.deliver.deliver_one():
        pass
    assert sorted(vault.provider.revoked) == ["refresh-1", "refresh-2"]


def test_a_failed_and_forgotten_grant_expires(vault: Replica, owner_url: str, rows: Rows) -> None:
    """Not before: a failed grant can work again."""
    rows("select 1")
    grant_id = vault.grant()
    rows("update grants set status = 'failed', failure = 'token_revoked' returning 1")
    assert vault.expire.expire_forgotten() == 0
    with psycopg.connect(owner_url, autocommit=True) as owner:
        owner.execute("update audit set at = at - interval '91 days'")
    assert vault.expire.expire_forgotten() == 1
    assert vault.manage.find(grant_id, ALICE).status is Status.EXPIRED


def test_grants_to_expire_are_found_by_an_index(vault: Replica, database_url: str) -> None:
    """The queries use an index."""
    with psycopg.connect(database_url, options="-c enable_seqscan=off") as connection:
        for name, index in (("next_ended", "grants_with_an_end"), ("next_forgotten", "grants_that_failed")):
            query = b"explain " + queries.load("vault_service.adapters.grants", "endings.sql")[name]
            plan = "\n".join(row[0] for row in connection.execute(query, {"days": 90}))
            assert f"Index Scan using {index}" in plan
