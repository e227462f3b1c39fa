"""`min_valid` that the authorization server cannot give: one refresh shows it, and the grant remembers it."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from uuid import UUID

import pytest
from replica import Replica
from scripted_provider import ScriptedProvider
from stack import eventually
from test_shared_tokens import Pair

from vault_service.application.errors import MinValidUnattainableError, ProviderUnavailableError
from vault_service.domain.freshness import attainable
from vault_service.domain.grant import AccessToken

Rows = Callable[..., list[tuple[object, ...]]]
CALLERS = 24
WAITING = "select 1 from pg_locks where locktype = 'advisory' and not granted"


class SlowServer:
    """An authorization server whose next answer is held back, and has lost 12 of 300 seconds when it arrives."""

    def __init__(self, provider: ScriptedProvider) -> None:
        self.asked, self._land = threading.Event(), threading.Event()
        provider.script.append(self._answer)
        provider.lifetime = 288.0

    def _answer(self) -> None:
        self.asked.set()
        assert self._land.wait(20.0)

    def answer(self) -> None:
        """Let the answer arrive."""
        self._land.set()


@pytest.fixture
def slow(vault: Replica) -> Iterator[tuple[UUID, SlowServer]]:
    """A grant whose tokens live 300 s, and the server, which is slow from now on."""
    grant_id = vault.grant()
    server = SlowServer(vault.provider)
    yield grant_id, server
    server.answer()


def outcome(call: Future[object]) -> str:
    """The name of a call's error, or `token`."""
    error = call.exception(timeout=20.0)
    return "token" if error is None else type(error).__name__


def test_what_a_slow_server_cannot_give_is_refused_after_one_refresh(
    vault: Replica, slow: tuple[UUID, SlowServer]
) -> None:
    """24 callers at once: none waits for a second answer, and only the bulkhead refuses callers before it."""
    grant_id, server = slow
    with ThreadPoolExecutor(CALLERS) as pool:
        calls = [pool.submit(vault.issue, grant_id, min_valid=298.0) for _ in range(CALLERS)]
        assert server.asked.wait(10.0)
        server.answer()
        outcomes = [outcome(call) for call in calls]
    assert set(outcomes) <= {MinValidUnattainableError.__name__, ProviderUnavailableError.__name__}
    assert outcomes.count(MinValidUnattainableError.__name__) >= 8
    assert vault.provider.refreshes == 1


def test_the_next_caller_is_answered_from_knowledge_and_the_token_is_kept(
    vault: Replica, slow: tuple[UUID, SlowServer], new_replica: Callable[[], Replica], rows: Rows
) -> None:
    """On every replica. The refused call is no use of the grant; callers who ask for less get the token."""
    grant_id, server = slow
    server.answer()
    for caller in (vault, vault, new_replica()):
        with pytest.raises(MinValidUnattainableError):
            caller.issue(grant_id, min_valid=298.0)
    assert rows("select count(*) from audit where event = 'token.issued'") == [(0,)]
    assert vault.issue(grant_id, min_valid=280.0).lifetime == 288.0
    assert vault.provider.refreshes == 1


def test_what_was_learned_of_one_slow_answer_does_not_last(
    vault: Replica, slow: tuple[UUID, SlowServer], rows: Rows
) -> None:
    """Half of the token's life later the server is asked again, once, and may be fast by then."""
    grant_id, server = slow
    server.answer()
    with pytest.raises(MinValidUnattainableError):
        vault.issue(grant_id, min_valid=298.0)
    vault.provider.lifetime = 299.9
    rows("update grants set last_refreshed_at = last_refreshed_at - interval '145 seconds' returning 1")
    assert vault.issue(grant_id, min_valid=298.0).lifetime == 299.9
    assert vault.provider.refreshes == 2


def test_a_life_that_shrinks_is_learned_by_one_refresh_each(vault: Replica) -> None:
    """The session nears its end: each token lives shorter than the one before."""
    grant_id = vault.grant()
    for refreshes, lifetime in ((1, 200.0), (2, 100.0)):
        before, vault.provider.lifetime = vault.provider.lifetime, lifetime
        for _ in range(3):
            with pytest.raises(MinValidUnattainableError):
                vault.issue(grant_id, min_valid=before)
        assert vault.issue(grant_id).lifetime == lifetime
        assert vault.provider.refreshes == refreshes


def test_a_new_token_is_judged_by_its_life_at_arrival(vault: Replica, rows: Rows) -> None:
    """The whole life of a token, to the second: what the vault itself takes to store it causes no further refresh."""
    grant_id = vault.grant()
    assert vault.issue(grant_id, min_valid=vault.provider.lifetime).value == "access-2"
    assert vault.provider.refreshes == 1
    assert rows("select count(*) from audit where event = 'token.issued'") == [(1,)]


def test_one_who_asks_for_less_gets_the_token_of_the_same_flight(vault: Replica, slow: tuple[UUID, SlowServer]) -> None:
    """Either caller may have started the flight."""
    grant_id, server = slow
    with ThreadPoolExecutor(2) as pool:
        much = pool.submit(vault.issue, grant_id, min_valid=298.0)
        assert server.asked.wait(10.0)
        modest = pool.submit(vault.issue, grant_id, min_valid=200.0)
        server.answer()
        assert (outcome(much), outcome(modest)) == (MinValidUnattainableError.__name__, "token")
    assert vault.provider.refreshes == 1


def test_one_who_joins_a_flight_that_finds_a_cached_token_flies_again(
    vault: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cached token lives too short for it, which says nothing about a new one."""
    grant_id = vault.grant()
    refresher, joined = vault.issuing._refresher, list[int]()
    join = refresher._flights.join
    monkeypatch.setattr(refresher._flights, "join", lambda *given: (join(*given), joined.append(1))[0])
    with ThreadPoolExecutor(2) as pool:
        with refresher._locks.hold(grant_id):
            modest = pool.submit(vault.issue, grant_id)
            eventually(lambda: len(joined) == 1, "the modest one leads a flight")
            much = pool.submit(vault.issue, grant_id, min_valid=250.0)
            eventually(lambda: len(joined) == 2, "both wait for it")
            cached = AccessToken("cached", time.time() + 200.0, 300.0, frozenset())
            refresher._memory.put(grant_id, frozenset(), cached)
        assert modest.result(20.0).value == "cached"
        assert much.result(20.0).value == "access-2"
    assert vault.provider.refreshes == 1


@pytest.mark.redis
def test_a_replica_that_waits_for_another_s_refresh_learns_from_it(
    database_url: str, redis_url: str, provider: ScriptedProvider, rows: Rows
) -> None:
    """The replica has read the grant before the other's refresh, and does not ask the server again."""
    pair = Pair(database_url, redis_url, provider)
    try:
        grant_id = pair.first.grant()
        pair.redis.flushdb()  # the first token came with the consent
        server = SlowServer(provider)
        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(pair.first.issue, grant_id, min_valid=298.0)
            assert server.asked.wait(10.0)
            second = pool.submit(pair.second.issue, grant_id, min_valid=298.0)
            eventually(lambda: rows(WAITING), "the second replica waits")
            server.answer()
            assert [outcome(first), outcome(second)] == [MinValidUnattainableError.__name__] * 2
        assert provider.refreshes == 1
    finally:
        pair.close()


@pytest.mark.parametrize(
    ("min_valid", "age", "expected"),
    [(288, 0, True), (289, 0, False), (289, 143, False), (289, 144, True), (10_000, 143, False), (0, 0, True)],
)
def test_the_rule(min_valid: float, age: float, expected: bool) -> None:
    """For a token that arrived with 288 s: what it has shown holds for half of its life."""
    assert attainable(float(min_valid), 288.0, float(age)) is expected
