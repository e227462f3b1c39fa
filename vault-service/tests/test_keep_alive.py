"""Unused grants are kept alive, and coming ends are announced."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
import replica
from replica import ALICE, Replica, answer, wish
from scripted_provider import SCOPES, ScriptedProvider

from vault_service.adapters.jobs.expiring import AnnounceEnds
from vault_service.adapters.webhooks.messages import PostgresMessages
from vault_service.application.errors import GrantUnusableError
from vault_service.application.provider_errors import GrantRefusedError, NotSentError
from vault_service.domain.grant import Failure, Status, TokenType
from vault_service.domain.terms import Expiry, Terms

Rows = Callable[..., list[tuple[object, ...]]]
IDLE = 30 * 86_400
NOTICE = 3 * 86_400


@pytest.fixture
def idle(database_url: str, provider: ScriptedProvider) -> Iterator[Replica]:
    """A vault whose server ends a grant after 30 idle days, and does not say so."""
    vault = replica.create(database_url, provider, terms=terms(provider))
    PostgresMessages(vault.databases[0]).set_services(["task-service"])
    yield vault
    vault.close()


def terms(provider: ScriptedProvider) -> dict[str, Terms]:
    """Of that server."""
    return {"default": Terms(issuer=provider.issuer, expiry=dict.fromkeys(TokenType, Expiry(idle=IDLE)))}


@pytest.fixture
def ends(idle: Replica) -> AnnounceEnds:
    """The job."""
    return AnnounceEnds(idle.databases[0], NOTICE)


def rest(rows: Rows, share: float) -> None:
    """Let that share of the idle time pass for all grants, unused."""
    passed = share * IDLE
    rows(
        "update grants set last_refreshed_at = now() - %s * interval '1 s', activated_at = now() - %s * interval '1 s',"
        " keep_alive_at = keep_alive_at - %s * interval '1 s', expires_at = now() + %s * interval '1 s' returning 1",
        passed,
        passed,
        passed,
        IDLE - passed,
    )


def told(rows: Rows) -> list[object]:
    """The events of which services are told, but for the first."""
    return [row[0] for row in rows("select event from webhook_messages where event <> 'grant.activated'")]


def test_an_unused_grant_is_refreshed_in_time_and_not_used(idle: Replica, rows: Rows) -> None:
    """The grant's end moves. Its owner sees the reason of the refresh, and no use."""
    grant_id = idle.grant()
    rest(rows, 0.71)
    assert idle.unused.check_one()
    assert not idle.unused.check_one()
    grant = idle.manage.find(grant_id, ALICE)
    assert idle.provider.refreshes == 1
    assert grant.expires_at is not None
    assert grant.expires_at - datetime.now(UTC) > timedelta(seconds=IDLE - 60)
    assert (grant.uses, grant.last_used_at, grant.kept_alive) == (0, None, True)
    assert told(rows) == []
    lines = rows("select event, actor, outcome from audit where grant_id = %s order by id", grant_id)
    assert lines[-2:] == [("grant.refreshed", "vault", "ok"), ("grant.keep_alive", "vault", "ok")]


def test_it_is_refreshed_again_and_again(idle: Replica, rows: Rows) -> None:
    """Each refresh sets the time of the next."""
    idle.grant()
    for count in (1, 2, 3):
        rest(rows, 0.71)
        assert idle.unused.check_one()
        assert idle.provider.refreshes == count


def test_a_use_moves_the_moment(idle: Replica, rows: Rows) -> None:
    """A grant that is used is not refreshed beside."""
    grant_id = idle.grant()
    rest(rows, 0.71)
    idle.issue(grant_id, scopes=frozenset({"openid"}))
    assert not idle.unused.check_one()


def test_the_moment_is_spread_over_a_fifth_of_the_idle_time(idle: Replica, rows: Rows) -> None:
    """Grants of one minute are not refreshed in one minute: all lie between five and seven tenths."""
    for _ in range(24):
        idle.grant()
    shares = [
        row[0]
        for row in rows(
            "select extract(epoch from keep_alive_at - last_refreshed_at)::float8 / %s from grants order by 1", IDLE
        )
    ]
    assert all(isinstance(share, float) and 0.5 <= share <= 0.7 for share in shares)
    assert max(shares) - min(shares) > 0.05  # type: ignore[operator, type-var]


@pytest.mark.parametrize("said", [None, IDLE / 4])
def test_the_time_of_the_server_counts_then_that_of_the_provider_then_the_assumed_one(
    vault: Replica, provider: ScriptedProvider, rows: Rows, said: float | None
) -> None:
    """A server that says nothing (Keycloak says 0) and a provider without a rule: what is assumed counts."""
    provider.refresh_expires_in = said
    vault.grant()
    [[share]] = rows("select extract(epoch from keep_alive_at - now())::float8 from grants")
    assert isinstance(share, float)
    assert 0.49 <= share / (said or replica.ASSUMED_IDLE) <= 0.7


def session_bound(vault: Replica) -> UUID:
    """A token of a login session."""
    vault.provider.granted = SCOPES - {"offline_access"}
    started = vault.consent.request(replace(wish(), token_type=TokenType.REFRESH))
    vault.consent.complete(answer(started.state, vault.provider))
    return started.grant_id


def refused(vault: Replica) -> UUID:
    """A grant that has failed."""
    grant_id = vault.grant()
    vault.provider.script.append(GrantRefusedError(Failure.REAUTHORIZATION_REQUIRED))
    with pytest.raises(GrantUnusableError):
        vault.issue(grant_id, scopes=frozenset({"openid"}))
    return grant_id


@pytest.mark.parametrize("grant", [session_bound, lambda vault: limited(vault, timedelta(days=1)), refused])
def test_what_a_refresh_would_not_help_is_left_alone(
    idle: Replica, rows: Rows, grant: Callable[[Replica], UUID]
) -> None:
    """A token of a login session, an end that does not move, and a grant that has failed."""
    grant_id = grant(idle)
    before = idle.provider.refreshes
    rows("update grants set keep_alive_at = keep_alive_at - interval '22 days' returning 1")
    assert not idle.unused.check_one()
    assert idle.provider.refreshes == before
    assert not idle.manage.find(grant_id, ALICE).kept_alive


def test_the_longest_life_is_no_idle_end(database_url: str, provider: ScriptedProvider, rows: Rows) -> None:
    """A longest life that ends first is not moved by refreshes."""
    rules = dict.fromkeys(TokenType, Expiry(idle=IDLE, maximum=IDLE - 60))
    vault = replica.create(database_url, provider, terms={"default": Terms(issuer=provider.issuer, expiry=rules)})
    grant_id = vault.grant()
    assert rows("select keep_alive_at from grants") == [(None,)]
    assert not vault.manage.find(grant_id, ALICE).kept_alive
    vault.close()


def test_a_server_that_is_down_is_tried_again_before_the_end(idle: Replica, rows: Rows) -> None:
    """About a twentieth of the idle time later; the grant stays usable."""
    grant_id = idle.grant()
    rest(rows, 0.71)
    idle.provider.script.append(NotSentError("down"))
    assert idle.unused.check_one()
    assert not idle.unused.check_one()
    [[later]] = rows("select extract(epoch from keep_alive_at - now())::float8 from grants")
    assert isinstance(later, float)
    assert 0.02 * IDLE < later < 0.04 * IDLE
    assert "grant.keep_alive" not in [line[0] for line in rows("select event from audit")]
    rows("update grants set keep_alive_at = now() returning 1")
    assert idle.unused.check_one()
    assert idle.manage.find(grant_id, ALICE).status is Status.ACTIVE
    assert idle.provider.refreshes == 1


def test_a_grant_that_has_ended_there_fails_here(idle: Replica, rows: Rows) -> None:
    """The grant's owner and services are told before a caller needs it."""
    grant_id = idle.grant()
    rest(rows, 0.71)
    idle.provider.script.append(GrantRefusedError(Failure.TOKEN_EXPIRED))
    assert idle.unused.check_one()
    assert not idle.unused.check_one()
    assert idle.manage.find(grant_id, ALICE).status is Status.FAILED
    assert told(rows) == ["grant.failed"]
    assert rows("select outcome from audit where event = 'grant.keep_alive'") == [("token_expired",)]


def test_two_processes_refresh_each_grant_once(
    idle: Replica, database_url: str, provider: ScriptedProvider, rows: Rows
) -> None:
    """Whichever takes it first."""
    other = replica.create(database_url, provider, terms=terms(provider))
    for _ in range(6):
        idle.grant()
    rest(rows, 0.71)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(drain, (idle, other)))
    other.close()
    assert provider.refreshes == 6


def drain(vault: Replica) -> None:
    """Check all that is due."""
    while vault.unused.check_one():
        pass


def test_an_end_that_is_set_is_announced_once(idle: Replica, ends: AnnounceEnds, rows: Rows) -> None:
    """Three days before; a later end is announced anew."""
    grant_id = limited(idle, timedelta(days=2))
    limited(idle, timedelta(days=4))
    assert ends.announce() == 1
    assert ends.announce() == 0
    assert rows(
        "select event, grant_id, ends_at - now() between '1.9 d' and '2 d' from webhook_messages"
        " where ends_at is not null"
    ) == [("grant.expiring", grant_id, True)]


def test_the_longest_life_is_announced(idle: Replica, ends: AnnounceEnds, rows: Rows) -> None:
    """The end of the longest life cannot be moved."""
    idle.grant()
    rows("update grants set max_seconds = 86400 returning 1")
    assert ends.announce() == 1
    assert told(rows) == ["grant.expiring"]


def test_an_idle_end_is_announced_only_when_keeping_alive_did_not_help(
    idle: Replica, ends: AnnounceEnds, rows: Rows
) -> None:
    """For example while the authorization server does not answer."""
    idle.grant()
    rest(rows, 0.75)
    assert ends.announce() == 0
    rest(rows, 0.95)
    assert ends.announce() == 1
    assert told(rows) == ["grant.expiring"]


def test_a_token_of_a_login_session_is_not_announced(idle: Replica, ends: AnnounceEnds, rows: Rows) -> None:
    """Such a token ends with the login, as its owner has chosen."""
    session_bound(idle)
    rest(rows, 0.95)
    assert (idle.unused.check_one(), ends.announce()) == (False, 0)


def limited(vault: Replica, left: timedelta) -> UUID:
    """A grant whose owner has set an end."""
    return vault.grant(not_after=datetime.now(UTC) + left)
