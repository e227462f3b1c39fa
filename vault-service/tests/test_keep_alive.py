"""Grants that nobody uses are kept alive, and ends that will come are announced."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
import replica
from replica import ALICE, Replica, answer, wish
from scripted_provider import SCOPES, ScriptedProvider

from vault_service.adapters.jobs.keep_alive import KeepAlive
from vault_service.adapters.webhooks.messages import PostgresMessages
from vault_service.domain.grant import TokenType
from vault_service.domain.terms import Expiry, Terms

Rows = Callable[..., list[tuple[object, ...]]]
IDLE = 30 * 86_400
NOTICE = 3 * 86_400


@pytest.fixture
def idle(database_url: str, provider: ScriptedProvider) -> Iterator[Replica]:
    """A vault whose server ends a grant after 30 idle days, and does not say so."""
    rules = dict.fromkeys(TokenType, Expiry(idle=IDLE))
    vault = replica.create(database_url, provider, terms={"default": Terms(issuer=provider.issuer, expiry=rules)})
    PostgresMessages(vault.databases[0]).set_services(["task-service"])
    yield vault
    vault.close()


@pytest.fixture
def keep(idle: Replica) -> KeepAlive:
    """The job."""
    return KeepAlive(idle.databases[0], NOTICE)


def rest(rows: Rows, share: float) -> None:
    """Let that share of the idle time pass for all grants, unused."""
    passed = share * IDLE
    rows(
        "update grants set last_refreshed_at = now() - %s * interval '1 s', activated_at = now() - %s * interval '1 s',"
        " expires_at = now() + %s * interval '1 s' returning 1",
        passed,
        passed,
        IDLE - passed,
    )


def told(rows: Rows) -> list[object]:
    """The events of which services are told, but for the first."""
    return [row[0] for row in rows("select event from webhook_messages where event <> 'grant.activated'")]


def test_an_unused_grant_is_refreshed_in_time_and_not_used(idle: Replica, keep: KeepAlive, rows: Rows) -> None:
    """Its end moves, its owner sees a refresh and no use."""
    grant_id = idle.grant()
    rest(rows, 0.71)
    assert keep.schedule() == 1
    assert keep.schedule() == 0
    assert idle.siblings.check_one()
    assert not idle.siblings.check_one()
    grant = idle.manage.find(grant_id, ALICE)
    assert idle.provider.refreshes == 1
    assert grant.expires_at is not None
    assert grant.expires_at - datetime.now(UTC) > timedelta(seconds=IDLE - 60)
    assert (grant.uses, grant.last_used_at) == (0, None)
    assert told(rows) == []


def test_the_moment_is_spread_over_a_fifth_of_the_idle_time(idle: Replica, keep: KeepAlive, rows: Rows) -> None:
    """Grants of one minute are not refreshed in one minute."""
    for _ in range(24):
        idle.grant()
    due = []
    for share in (0.49, 0.55, 0.6, 0.65, 0.71):
        rest(rows, share)
        due.append(keep.schedule())
    assert due[0] == 0
    assert sum(due) == 24
    assert max(due) < 24


@pytest.mark.parametrize(
    "change",
    [
        "token_type = 'refresh'",
        "max_seconds = 30 * 86400",
        "status = 'failed', failure = 'reauthorization_required'",
        "expires_at = null",
        "expires_at = now() + interval '10 minutes', last_refreshed_at = now() - interval '40 minutes'",
    ],
)
def test_what_a_refresh_would_not_help_is_left_alone(idle: Replica, keep: KeepAlive, rows: Rows, change: str) -> None:
    """A token of a login session, an end that does not move, a grant that has failed, and one without an end."""
    idle.grant()
    rest(rows, 0.9)
    rows(f"update grants set {change} returning 1")
    assert keep.schedule() == 0


def test_an_end_that_is_set_is_announced_once(idle: Replica, keep: KeepAlive, rows: Rows) -> None:
    """Three days before; a later end is announced anew."""
    grant_id = limited(idle, timedelta(days=2))
    limited(idle, timedelta(days=4))
    assert keep.announce() == 1
    assert keep.announce() == 0
    assert rows(
        "select event, grant_id, ends_at - now() between '1.9 d' and '2 d' from webhook_messages"
        " where ends_at is not null"
    ) == [("grant.expiring", grant_id, True)]


def test_the_longest_life_is_announced(idle: Replica, keep: KeepAlive, rows: Rows) -> None:
    """Nobody can move it."""
    idle.grant()
    rows("update grants set max_seconds = 86400 returning 1")
    assert keep.announce() == 1
    assert told(rows) == ["grant.expiring"]


def test_an_idle_end_is_announced_only_when_keeping_alive_did_not_help(
    idle: Replica, keep: KeepAlive, rows: Rows
) -> None:
    """For example while the authorization server does not answer."""
    idle.grant()
    rest(rows, 0.75)
    assert keep.announce() == 0
    rest(rows, 0.95)
    assert keep.announce() == 1
    assert told(rows) == ["grant.expiring"]


def test_a_token_of_a_login_session_is_not_announced(
    idle: Replica, keep: KeepAlive, rows: Rows, provider: ScriptedProvider
) -> None:
    """It ends with the login, as its owner has chosen."""
    provider.granted = SCOPES - {"offline_access"}
    started = idle.consent.request(replace(wish(), token_type=TokenType.REFRESH))
    idle.consent.complete(answer(started.state, provider))
    rest(rows, 0.95)
    assert (keep.schedule(), keep.announce()) == (0, 0)


def limited(vault: Replica, left: timedelta) -> UUID:
    """A grant whose owner has set an end."""
    return vault.grant(not_after=datetime.now(UTC) + left)
