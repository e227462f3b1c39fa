"""The refresh protocol on a real database: one refresh at a time, no token lost, none used twice."""

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import Mock
from uuid import UUID

import msgspec
import psycopg
import pytest
from prometheus_client import REGISTRY
from replica import ALICE, SERVICE, Replica
from scripted_provider import ScriptedProvider
from stack import eventually

from vault_service.adapters.grants import refreshes
from vault_service.application import refresh
from vault_service.application.errors import (
    GrantUnusableError,
    InvalidScopeError,
    MinValidUnattainableError,
    ProviderUnavailableError,
    SealBrokenError,
    StorageUnavailableError,
)
from vault_service.application.provider_errors import (
    GrantRefusedError,
    NotSentError,
    ScopeRefusedError,
    UncertainError,
    VaultClientRefusedError,
)
from vault_service.domain.audit import Entry, Event
from vault_service.domain.grant import AccessToken, Failure

Rows = Callable[..., list[tuple[object, ...]]]


def test_the_first_token_comes_from_the_database_by_a_refresh(vault: Replica) -> None:
    """After a restart the stored refresh token is used, rotated and stored again."""
    grant_id = vault.grant()
    assert vault.issue(grant_id).value == "access-2"
    assert vault.issue(grant_id).value == "access-2"
    assert vault.provider.refreshes == 1


def test_each_refresh_uses_the_rotated_token(new_replica: Callable[[], Replica]) -> None:
    """The server allows no reuse; each new process finds what the previous one has stored."""
    grant_id = new_replica().grant()
    assert [new_replica().issue(grant_id).value for _ in range(4)] == [f"access-{n}" for n in range(2, 6)]


@pytest.mark.parametrize("replicas", [1, 3])
def test_many_callers_cause_one_refresh_for_each_replica_at_most(
    new_replica: Callable[[], Replica], replicas: int
) -> None:
    """32 callers at once, no reuse, no shared cache: the tokens are used one after the other."""
    vaults = [new_replica() for _ in range(replicas)]
    grant_id = vaults[0].grant()
    barrier = threading.Barrier(32)

    def call(number: int) -> str:
        barrier.wait()
        return vaults[number % replicas].issue(grant_id).value

    with ThreadPoolExecutor(32) as pool:
        tokens = set(pool.map(call, range(32)))
    assert vaults[0].provider.refreshes == len(tokens) <= replicas


def test_a_refresh_takes_its_lock_and_writes_its_intent_in_one_statement(
    vault: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock that is free costs no round trip of its own."""
    grant_id = vault.grant()

    def fail(*_: object) -> None:
        raise AssertionError("the lock was free and the grant unchanged")

    monkeypatch.setattr(vault.issuing._refresher._locks, "hold", fail)
    monkeypatch.setattr(vault.refreshes, "begin", fail)
    assert vault.issue(grant_id).value == "access-2"


def test_whoever_finds_the_lock_taken_waits_for_it_before_the_intent(
    new_replica: Callable[[], Replica], rows: Rows
) -> None:
    """The process that waits writes no intent before it has the lock."""
    one, other = new_replica(), new_replica()
    grant_id = one.grant()
    other.issue(grant_id)
    other.issuing._memory._tokens.clear()  # type: ignore[attr-defined]
    with ExitStack() as lock, ThreadPoolExecutor() as pool:
        lock.enter_context(one.issuing._refresher._locks.hold(grant_id))
        waiting = pool.submit(other.issue, grant_id)
        eventually(lambda: rows("select 1 from pg_locks where locktype = 'advisory' and not granted"), "it waits")
        assert rows("select refresh_started_at from grants") == [(None,)]
        lock.close()
        assert waiting.result().value == "access-3"


def test_a_token_that_was_shared_just_before_is_taken_and_the_intent_removed(
    vault: Replica, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process can have released the lock between the look at Redis and the statement."""
    grant_id = vault.grant()
    refresher = vault.issuing._refresher
    shared = AccessToken("from elsewhere", time.time() + 300, 300.0, frozenset({"openid"}))
    monkeypatch.setattr(refresher, "_fitting", lambda _: shared)
    assert vault.issue(grant_id) == shared
    assert rows("select refresh_started_at, generation from grants") == [(None, 1)]
    assert vault.provider.refreshes == 0


def test_a_statement_that_fails_leaves_no_lock(vault: Replica, rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session's lock outlives the transaction that took it, so the connection is closed."""
    grant_id = vault.grant()
    really = vault.refreshes._begun_alone

    def breaks(*arguments: Any) -> None:
        really(*arguments)
        raise psycopg.errors.DataError("after the lock was taken")

    with monkeypatch.context() as patch:
        patch.setattr(vault.refreshes, "_begun_alone", breaks)
        with pytest.raises(psycopg.errors.DataError):
            vault.issue(grant_id)
    eventually(lambda: rows("select count(*) from pg_locks where locktype = 'advisory'") == [(0,)], "it is free")


def test_an_uncertain_outcome_is_not_sent_again_at_once(vault: Replica, rows: Rows) -> None:
    """The intent stays; until it is old enough callers are told when to retry."""
    grant_id = vault.grant()
    vault.provider.after.append(UncertainError("the answer was lost"))
    with pytest.raises(ProviderUnavailableError):
        vault.issue(grant_id)
    assert rows("select refresh_started_at is not null from grants") == [(True,)]
    with pytest.raises(ProviderUnavailableError) as again:
        vault.issue(grant_id)
    assert 10 < again.value.retry_after <= 15
    assert vault.provider.refreshes == 1


def test_a_lost_answer_is_recovered_by_one_replay(new_replica: Callable[[], Replica], rows: Rows) -> None:
    """After the wait the old token is sent again; a server that allows one reuse answers with the next one."""
    vault = new_replica()
    vault.provider.max_reuse = 1
    grant_id = vault.grant()
    vault.provider.after.append(UncertainError("the answer was lost"))
    with pytest.raises(ProviderUnavailableError):
        vault.issue(grant_id)
    rows("update grants set refresh_started_at = refresh_started_at - interval '16 seconds' returning 1")
    assert new_replica().issue(grant_id).value == "access-3"
    assert rows("select generation, refresh_started_at from grants") == [(2, None)]


@pytest.mark.parametrize("error", [NotSentError("no connection", 7.0), VaultClientRefusedError("invalid_client", 7.0)])
def test_a_token_that_was_not_used_can_be_used_again(vault: Replica, error: NotSentError, rows: Rows) -> None:
    """The intent is removed, the grant is unchanged, and the caller is told when to retry."""
    grant_id = vault.grant()
    vault.provider.script.append(error)
    with pytest.raises(ProviderUnavailableError) as refused:
        vault.issue(grant_id)
    assert refused.value.retry_after == 7.0
    assert rows("select status, refresh_started_at from grants") == [("active", None)]
    assert vault.issue(grant_id).value == "access-2"


@pytest.mark.parametrize(("reuses", "verdict"), [(0, "refused"), (1, "accepted")])
def test_the_first_replay_shows_whether_the_server_allows_one(
    vault: Replica, rows: Rows, reuses: int, verdict: str
) -> None:
    """Only a replay shows it, so replays are counted for an alert."""
    labels = {"provider": "default", "outcome": verdict}
    before = REGISTRY.get_sample_value("vault_replays_total", labels) or 0.0
    vault.provider.max_reuse = reuses
    grant_id = vault.grant()
    vault.provider.after.append(UncertainError("the answer was lost"))
    for _ in range(2):
        with suppress(ProviderUnavailableError, GrantUnusableError):
            vault.issue(grant_id)
        rows("update grants set refresh_started_at = refresh_started_at - interval '16 seconds' returning 1")
    assert REGISTRY.get_sample_value("vault_replays_total", labels) == before + 1


def test_an_intent_that_had_to_wait_is_written_again(
    vault: Replica, database_url: str, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise its time would be wrong and the request too late. The caller does not have to retry."""
    monkeypatch.setattr(refresh, "PROMPT_INTENT", 0.2)
    grant_id = vault.grant()
    intents: list[datetime | None] = []
    alone, again = vault.refreshes._begun_alone, vault.refreshes.begin

    def noted(*arguments: Any) -> tuple[bool, datetime | None]:
        held, intent = alone(*arguments)
        intents.append(intent)
        return held, intent

    monkeypatch.setattr(vault.refreshes, "_begun_alone", noted)
    monkeypatch.setattr(vault.refreshes, "begin", lambda grant: intents.append(again(grant)) or intents[-1])
    with psycopg.connect(database_url) as other, ThreadPoolExecutor() as pool:
        other.execute("select from grants for update")
        issued = pool.submit(vault.issue, grant_id)
        eventually(lambda: rows("select count(*) from pg_locks where not granted") != [(0,)], "the intent waits")
        rows("select pg_sleep(0.3)")
        other.commit()
        assert issued.result().value == "access-2"
    first, second = intents
    assert first is not None
    assert second is not None
    assert second > first


def test_only_the_own_intent_is_removed(vault: Replica, rows: Rows) -> None:
    """The intent of another process stays, because that process may have used the token."""
    grant_id = vault.grant()

    def somebody_else_takes_over() -> None:
        assert vault.refreshes.begin(vault.refreshes.authorize(grant_id, SERVICE))
        raise NotSentError("it would have left too late")

    vault.provider.script.append(somebody_else_takes_over)
    with pytest.raises(ProviderUnavailableError):
        vault.issue(grant_id)
    assert rows("select refresh_started_at is not null from grants") == [(True,)]


def test_a_scope_that_the_server_refuses_is_the_callers_fault(vault: Replica, rows: Rows) -> None:
    """The grant stays active."""
    grant_id = vault.grant()
    vault.provider.script.append(ScopeRefusedError("Invalid scopes: x"))
    with pytest.raises(InvalidScopeError):
        vault.issue(grant_id, scopes=frozenset({"openid"}))
    assert vault.issue(grant_id).value == "access-2"


def test_a_scope_that_was_not_granted_is_refused_without_asking(vault: Replica) -> None:
    """No request is sent to the server."""
    grant_id = vault.grant()
    with pytest.raises(InvalidScopeError):
        vault.issue(grant_id, scopes=frozenset({"admin"}))
    assert vault.provider.refreshes == 0


def test_after_invalid_grant_nothing_more_is_sent(vault: Replica, rows: Rows) -> None:
    """The grant is failed with the reason. Its sealed token is kept, because a person can be enabled again."""
    grant_id = vault.grant()
    vault.provider.script.append(GrantRefusedError(Failure.TOKEN_REVOKED))
    for _ in range(3):
        with pytest.raises(GrantUnusableError) as refused:
            vault.issue(grant_id)
        assert refused.value.reason is Failure.TOKEN_REVOKED
    assert vault.provider.refreshes == 0
    assert rows("select status, failure, refresh_token is not null from grants") == [("failed", "token_revoked", True)]


def test_a_lost_race_is_not_a_revocation(vault: Replica, rows: Rows) -> None:
    """`invalid_grant` for a generation that another process has replaced says nothing about the grant."""
    grant_id = vault.grant()

    def somebody_else_wins() -> None:
        stored = vault.refreshes.authorize(grant_id, SERVICE)
        entry = Entry(Event.GRANT_REFRESHED, grant_id, ALICE, "vault", "request-9", datetime.now(UTC))
        assert vault.refreshes.finish(stored, vault.provider._answer(), entry).is_stored
        raise GrantRefusedError(Failure.TOKEN_REVOKED)

    vault.provider.script.append(somebody_else_wins)
    with pytest.raises(ProviderUnavailableError):
        vault.issue(grant_id)
    assert rows("select status from grants") == [("active",)]


def test_a_revocation_during_a_refresh_wins(vault: Replica, rows: Rows) -> None:
    """No token is issued, and the token of the refresh is revoked as well."""
    grant_id = vault.grant()
    vault.provider.script.append(lambda: vault.manage.revoke(grant_id, vault.provider.person, "task-ui", "request-9"))
    with pytest.raises(GrantUnusableError):
        vault.issue(grant_id)
    while vault.deliver.deliver_one():
        pass
    assert sorted(vault.provider.revoked) == ["refresh-1", "refresh-2"]
    assert rows("select count(*) from audit where event = 'token.issued'") == [(0,)]


def test_more_life_than_the_server_gives_causes_no_refresh(vault: Replica) -> None:
    """The lifetime is stored with the grant, so no refresh is tried."""
    grant_id = vault.grant()
    for _ in range(3):
        with pytest.raises(MinValidUnattainableError):
            vault.issue(grant_id, min_valid=301.0)
    assert vault.provider.refreshes == 0


def test_callers_with_other_requests_do_not_fail_each_other(vault: Replica) -> None:
    """The callers share a flight. A caller that requests a longer life starts another, or gets its own error."""
    grant_id = vault.grant()
    flying, land = threading.Event(), threading.Event()

    def slow() -> None:
        flying.set()
        land.wait()

    vault.provider.script.append(slow)
    with ThreadPoolExecutor(4) as pool:
        modest = pool.submit(vault.issue, grant_id)
        flying.wait()
        too_much = pool.submit(vault.issue, grant_id, min_valid=1000.0)
        with pytest.raises(MinValidUnattainableError):
            too_much.result()
        much = pool.submit(vault.issue, grant_id, min_valid=290.0)
        land.set()
        assert modest.result() == much.result()


def test_an_outcome_whose_commit_was_not_confirmed_is_stored(
    vault: Replica, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection breaks after the commit: the repeated write finds the outcome stored."""
    grant_id = vault.grant()
    database = vault.databases[0]
    really = database._one

    def deaf(query: bytes, parameters: dict[str, object]) -> tuple[object, ...] | None:
        row = really(query, parameters)
        if b"generation = generation + 1" in query and row is not None:
            raise StorageUnavailableError from psycopg.OperationalError("the connection is lost")
        return row

    monkeypatch.setattr(database, "_one", deaf)
    assert vault.issue(grant_id).value == "access-2"
    assert rows("select generation from grants") == [(2,)]
    assert rows("select count(*) from audit where event = 'grant.refreshed'") == [(1,)]


def test_an_outcome_that_the_database_does_not_take_is_spooled(
    vault: Replica, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rotated token is on disk, sealed, and is stored when the database is back, without a reuse."""
    grant_id = vault.grant()
    really = vault.databases[0]._one

    def away(query: bytes, parameters: dict[str, object]) -> tuple[object, ...] | None:
        if b"generation = generation + 1" in query:
            raise StorageUnavailableError
        return really(query, parameters)

    with monkeypatch.context() as outage:
        outage.setattr(vault.databases[0], "_one", away)
        with pytest.raises(StorageUnavailableError):
            vault.issue(grant_id)
        with pytest.raises(StorageUnavailableError):
            vault.refreshes.replay_spool()
    assert rows("select generation, refresh_started_at is not null from grants") == [(1, True)]
    (spooled,) = vault.refreshes._spool._folder.iterdir()
    assert b"refresh-2" not in spooled.read_bytes()
    assert vault.refreshes.replay_spool() == 1
    assert vault.refreshes.replay_spool() == 0
    assert rows("select generation, refresh_started_at is not null from grants") == [(2, False)]
    assert rows("select outcome from audit where event = 'grant.refreshed'") == [("spooled",)]
    assert vault.issue(grant_id).value == "access-3"


def test_a_refresh_that_cannot_be_recorded_is_spooled(vault: Replica, rows: Rows, owner_url: str) -> None:
    """The rotated token is on disk until the audit can be written; no access token leaves before."""
    grant_id = vault.grant()
    with psycopg.connect(owner_url, autocommit=True) as owner:
        owner.execute("revoke insert on audit from vault")
        with pytest.raises(StorageUnavailableError):
            vault.issue(grant_id)
        assert vault.refreshes._spool.pending() == 1
        owner.execute("grant insert on audit to vault")
    assert vault.refreshes.replay_spool() == 1
    assert rows("select outcome from audit where event = 'grant.refreshed'") == [("spooled",)]
    assert vault.issue(grant_id).value == "access-3"


def test_a_spooled_outcome_is_stored_before_the_old_token_is_sent_again(
    vault: Replica, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A caller that finds an old intent reads the spool first, so no reuse is needed."""
    grant_id = vault.grant()

    def away(*_: object) -> None:
        raise StorageUnavailableError

    with monkeypatch.context() as outage:
        outage.setattr(vault.refreshes, "_store", away)
        with pytest.raises(StorageUnavailableError):
            vault.issue(grant_id)
    rows("update grants set refresh_started_at = refresh_started_at - interval '16 seconds' returning 1")
    with pytest.raises(ProviderUnavailableError) as again:
        vault.issue(grant_id)
    assert again.value.retry_after == 1.0
    assert vault.issue(grant_id).value == "access-3"
    assert vault.provider.refreshes == 2


def test_a_spooled_outcome_that_comes_too_late_changes_nothing(
    vault: Replica, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process has refreshed the grant meanwhile: the fence holds."""
    grant_id = vault.grant()

    def away(*_: object) -> None:
        raise StorageUnavailableError

    with monkeypatch.context() as outage:
        outage.setattr(vault.refreshes, "_store", away)
        with pytest.raises(StorageUnavailableError):
            vault.issue(grant_id)
    rows("update grants set generation = 2, refresh_started_at = null returning 1")
    assert vault.refreshes.replay_spool() == 1
    assert rows("select generation from grants") == [(2,)]
    assert rows("select outcome from audit where event = 'grant.refreshed'") == [("spooled_too_late",)]


@pytest.fixture
def spooled(vault: Replica, monkeypatch: pytest.MonkeyPatch) -> Callable[[], UUID]:
    """Makes a grant whose last outcome is in the spool."""

    def make() -> UUID:
        grant_id = vault.grant()
        with monkeypatch.context() as outage:
            outage.setattr(vault.refreshes, "_store", Mock(side_effect=StorageUnavailableError))
            with pytest.raises(StorageUnavailableError):
                vault.issue(grant_id)
        return grant_id

    return make


def test_a_spooled_token_is_revoked_with_its_grant(vault: Replica, spooled: Callable[[], UUID]) -> None:
    """The newest token is revoked at the server, not only the used one in the database."""
    vault.manage.revoke(spooled(), ALICE, "task-ui", "request-3")
    assert vault.refreshes.replay_spool() == 1
    while vault.deliver.deliver_one():
        pass
    assert sorted(vault.provider.revoked) == ["refresh-1", "refresh-2"]


@pytest.mark.parametrize("damage", [{"refresh_expires_in": 9e18}, {"generation": "x"}, {"at": "yesterday"}])
def test_an_outcome_that_cannot_be_stored_does_not_block_others(
    vault: Replica, spooled: Callable[[], UUID], rows: Rows, damage: dict[str, object]
) -> None:
    """Such an outcome is set aside, counted, and kept for an operator."""
    bad, good = sorted([spooled(), spooled()])
    folder = vault.refreshes._spool._folder
    path = folder / f"{bad}.1"
    path.write_text(json.dumps({**json.loads(path.read_text()), **damage}))
    assert vault.refreshes.replay_spool() == 1
    assert rows("select generation from grants where id = %s", good) == [(2,)]
    assert vault.refreshes.replay_spool() == 0
    assert [left.name for left in folder.iterdir()] == [f"{bad}.1.set-aside"]
    assert vault.refreshes._spool.pending() == 1


def test_an_unexpired_token_is_served_while_the_server_is_unreachable(vault: Replica) -> None:
    """Even if it is due for renewal."""
    vault.provider.lifetime = 40.0
    grant_id = vault.grant()
    first = vault.issue(grant_id)
    vault.provider.lifetime = 20.0
    for _ in range(5):
        vault.provider.script.append(NotSentError("down"))
    assert vault.issue(grant_id) == first


def test_a_token_put_back_to_another_generation_does_not_open(vault: Replica, rows: Rows) -> None:
    """A tampered row is refused."""
    grant_id = vault.grant()
    vault.issue(grant_id)
    rows("update grants set generation = 1 returning 1")
    with pytest.raises(SealBrokenError):
        vault.issue(grant_id, scopes=frozenset({"openid"}))


def test_the_scripted_server_ends_a_session_by_reuse(provider: ScriptedProvider) -> None:
    """A test of the oracle: it detects a second use."""
    _, answer = provider.redeem("code", "", "")
    assert answer.refresh_token is not None
    provider.refresh(answer.refresh_token, None)
    with pytest.raises(GrantRefusedError):
        provider.refresh(answer.refresh_token, None)


def test_the_use_of_the_caller_that_waits_is_recorded_with_the_outcome(
    vault: Replica, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one statement and one commit; the line of the refresh comes first."""
    grant_id = vault.grant()

    def fail(_: object) -> list[bool]:
        raise AssertionError("the use is recorded already")

    monkeypatch.setattr(vault.uses._group, "_work", fail)
    vault.issue(grant_id)
    lines = rows("select event, request_id, outcome from audit order by id desc limit 2")
    assert lines == [("token.issued", "request-1", "ok"), ("grant.refreshed", "request-1", "ok")]


def test_callers_that_share_a_refresh_are_recorded_one_by_one(vault: Replica, rows: Rows) -> None:
    """The one that began it with the outcome, the others by themselves."""
    grant_id = vault.grant()
    vault.provider.script.append(lambda: time.sleep(0.3))
    with ThreadPoolExecutor(6) as pool:
        assert len({token.value for token in pool.map(lambda _: vault.issue(grant_id), range(6))}) == 1
    assert rows("select event, count(*) from audit where event like '%%e%%ed' group by event order by event") == [
        ("consent.granted", 1),
        ("consent.requested", 1),
        ("grant.refreshed", 1),
        ("token.issued", 6),
    ]


def test_a_use_that_cannot_be_recorded_does_not_affect_the_outcome(
    vault: Replica, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The outcome is stored alone then, and the use by itself."""
    grant_id = vault.grant()
    use_of = refreshes.use_of
    monkeypatch.setattr(refreshes, "use_of", lambda *given: msgspec.structs.replace(use_of(*given), at="never"))
    vault.issue(grant_id)
    assert rows("select generation from grants") == [(2,)]
    assert rows("select count(*) from audit where event = 'token.issued'") == [(1,)]


def test_a_use_that_is_not_allowed_is_not_recorded_with_the_outcome(vault: Replica, rows: Rows) -> None:
    """A grant with limited uses is counted by the statement for them; one whose time is up meanwhile gives nothing."""
    limited = vault.grant(max_uses=1)
    vault.issue(limited)
    assert rows("select uses from grants") == [(1,)]
    assert rows("select count(*) from audit where event = 'token.issued'") == [(1,)]
    ending = vault.grant(not_after=datetime.now(UTC) + timedelta(seconds=1))
    vault.provider.script.append(lambda: time.sleep(1.1))
    with pytest.raises(GrantUnusableError):
        vault.issue(ending)
    assert rows("select count(*) from audit where grant_id = %s and event = 'token.issued'", ending) == [(0,)]
