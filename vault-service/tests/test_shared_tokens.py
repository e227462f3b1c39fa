"""Tokens that another replica has put into Redis: served without a lock and without the refresh token."""

import asyncio
import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
import psycopg
import pytest
import redis
import replica
from edge import by_the_route, fast, head, routes_of
from prometheus_client import REGISTRY
from replica import ALICE, ROOT_KEY, SERVICE
from scripted_provider import ScriptedProvider
from test_sealing import OneKey

from service_kit.server.fast_path import FastAnswer
from vault_service.adapters.cache.access_tokens import MemoryAccessTokens, RedisAccessTokens, connect_redis
from vault_service.adapters.encryption.keyring import Keyring
from vault_service.adapters.encryption.root_key import LocalRootKey
from vault_service.adapters.encryption.sealing import Sealer
from vault_service.adapters.metrics.telemetry import PrometheusTelemetry
from vault_service.adapters.postgres.database import vault_database
from vault_service.application.errors import GrantUnusableError, SealBrokenError, ServiceNotAllowedError
from vault_service.application.issue import IssueMany
from vault_service.application.token_request import TokenRequest
from vault_service.domain.grant import AccessToken
from vault_service.http.fast_path import CachedTokens
from vault_service.http.vault import Vault

Rows = Callable[..., list[tuple[object, ...]]]
DEAD = "redis://127.0.0.1:9/0"


class Pair:
    """Two replicas with one Redis; the second one has seen nothing and remembers `remembered` tokens."""

    def __init__(self, database_url: str, redis_url: str, provider: ScriptedProvider, remembered: int = 100) -> None:
        self.problems: list[Exception] = []
        self._database = vault_database(database_url, name="test-shared", size=4)
        sealer = Sealer(Keyring(self._database, LocalRootKey(ROOT_KEY)))
        self.redis = connect_redis(redis_url)
        with suppress(redis.ConnectionError):
            self.redis.flushdb()
        self.shared = RedisAccessTokens(
            self.redis, sealer, lambda: datetime.now(UTC), PrometheusTelemetry(), self.problems.append
        )
        self.first = replica.create(database_url, provider, self.shared)
        self.second = replica.create(database_url, provider, self.shared, remembered=remembered)

    def grant(self, **limits: object) -> tuple[str, AccessToken]:
        """A grant's id, and its token, which the first replica has fetched and shared."""
        grant_id = self.first.grant(**limits)
        return str(grant_id), self.first.issue(grant_id)

    def close(self) -> None:
        """Close their connections."""
        self.first.close()
        self.second.close()
        self._database.close()


def request_for(grant_id: str, **changes: Any) -> TokenRequest:
    """A request of the service."""
    given = {"requester": SERVICE, "scopes": frozenset(), "min_valid": 0.0, "request_id": "request-1", **changes}
    return TokenRequest(grant_id=UUID(grant_id), **given)


@pytest.fixture
def pair(database_url: str, redis_url: str, provider: ScriptedProvider) -> Iterator[Pair]:
    """Two replicas with one Redis."""
    pair = Pair(database_url, redis_url, provider)
    yield pair
    pair.close()


@pytest.fixture
def http(pair: Pair, tmp_path: Path, database_url: str) -> Iterator[Vault]:
    """The second replica as its routes see it."""
    with routes_of(pair.second, tmp_path, database_url) as routes:
        yield routes


@pytest.fixture
def no_refresh(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on, the second replica may neither read a grant with its refresh token nor take a lock."""

    def fail(*_: object) -> None:
        raise AssertionError("a shared token needs neither the refresh token nor the lock")

    monkeypatch.setattr(pair.second.refreshes._tokens, "open", fail)
    monkeypatch.setattr(pair.second.issuing._refresher._locks, "hold", fail)


def body(answer: FastAnswer | None) -> dict[str, object]:
    """The body of an answer of the fast path."""
    assert answer is not None
    assert answer.status == 200
    return dict(msgspec.json.decode(answer.body))


@pytest.mark.usefixtures("no_refresh")
def test_the_fast_path_serves_a_shared_token_and_records_its_use(http: Vault, pair: Pair, rows: Rows) -> None:
    """Without a thread, the refresh token or the lock; afterwards it is remembered."""
    grant_id, token = pair.grant()
    assert body(fast(http, head(grant_id)))["accessToken"] == token.value
    assert rows("select request_id, outcome from audit where event = 'token.issued' order by id")[1:] == [
        ("request-9", "ok")
    ]
    pair.redis.flushdb()
    assert body(fast(http, head(grant_id)))["accessToken"] == token.value


@pytest.mark.usefixtures("no_refresh")
def test_the_route_serves_a_shared_token_and_records_its_use(http: Vault, pair: Pair, rows: Rows) -> None:
    """For callers whose bearer was not verified lately."""
    grant_id, token = pair.grant()
    status, _, answered = by_the_route(http, head(grant_id))
    assert (status, answered["accessToken"]) == (200, token.value)
    assert rows("select count(*) from audit where event = 'token.issued'") == [(2,)]


@pytest.mark.usefixtures("no_refresh")
def test_a_batch_looks_all_its_tokens_up_in_one_request(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """And records them together."""
    granted = dict(pair.grant() for _ in range(5))
    looked: list[int] = []
    mget = pair.redis.mget
    monkeypatch.setattr(pair.redis, "mget", lambda names: (looked.append(len(names)), mget(names))[1])
    requests = [request_for(grant_id) for grant_id in granted]
    issued = IssueMany(pair.second.issuing).issue(requests)
    assert [each.value for each in issued if isinstance(each, AccessToken)] == [
        token.value for token in granted.values()
    ]
    assert looked == [5]


def test_callers_that_come_together_look_in_one_request(
    http: Vault, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The token of each grant once, however many want it."""
    granted = dict(pair.grant() for _ in range(4))
    looked: list[int] = []
    mget = pair.redis.mget
    monkeypatch.setattr(pair.redis, "mget", lambda names: (looked.append(len(names)), mget(names))[1])

    async def together() -> list[FastAnswer | None]:
        path = CachedTokens(http)
        return await asyncio.gather(*(path.answer(head(grant_id)) for grant_id in (*granted, *granted)))

    tokens = [token.value for token in granted.values()]
    assert [body(answer)["accessToken"] for answer in asyncio.run(together())] == [*tokens, *tokens]
    assert looked == [4]


def test_a_revoked_grant_gives_nothing_although_its_token_is_shared(http: Vault, pair: Pair) -> None:
    """The statement that records the use checks the grant, as for a remembered token."""
    grant_id, _ = pair.grant()
    pair.first.manage.revoke(request_for(grant_id).grant_id, ALICE, "task-ui", "request-7")
    assert fast(http, head(grant_id)) is None
    status, _, answered = by_the_route(http, head(grant_id))
    assert (status, answered["code"]) == (410, "token_revoked")
    with pytest.raises(GrantUnusableError):
        pair.second.issuing.issue(request_for(grant_id))


def test_a_limited_grant_is_counted_by_the_route(http: Vault, pair: Pair, rows: Rows) -> None:
    """A shared token is one use of the limit, and after the last one there is none."""
    grant_id, _ = pair.grant(max_uses=2)
    assert fast(http, head(grant_id)) is None
    assert by_the_route(http, head(grant_id))[0] == 200
    assert by_the_route(http, head(grant_id))[0] == 410
    assert rows("select uses from grants where id = %s", grant_id) == [(2,)]


@pytest.mark.parametrize("more", [f"&subject={ALICE.sub}&min_valid=299", f"&subject={ALICE.sub}&scope=openid"])
def test_a_token_that_does_not_fit_is_refreshed(http: Vault, pair: Pair, more: str) -> None:
    """One that no longer lives as long as requested, and one for other scopes."""
    grant_id, token = pair.grant()
    shared = pair.shared.get(UUID(grant_id), frozenset())
    assert shared is not None
    older = replace(token, expires_at=token.expires_at - 5)
    pair.shared.put(UUID(grant_id), frozenset(), shared._replace(token=older))
    before = pair.first.provider.refreshes
    assert fast(http, head(grant_id, more=more)) is None
    assert by_the_route(http, head(grant_id, more=more))[0] == 200
    assert pair.first.provider.refreshes == before + 1


def test_other_owners_and_services_get_no_shared_token(http: Vault, pair: Pair, rows: Rows) -> None:
    """The token is bound to the grant's owner and services by the statement that records the use."""
    grant_id, _ = pair.grant()
    assert fast(http, head(grant_id, more="&subject=bob")) is None
    assert by_the_route(http, head(grant_id, more="&subject=bob"))[0] == 404
    with pytest.raises(ServiceNotAllowedError):
        pair.second.issuing.issue(request_for(grant_id, requester=replace(SERVICE, client="other-service")))
    assert rows("select count(*) from audit where event = 'token.issued'") == [(1,)]


def test_a_row_that_was_changed_gives_nobody_a_shared_token(http: Vault, pair: Pair, owner_url: str) -> None:
    """The terms come sealed with the token: a service that was added to the row is not among them."""
    grant_id, token = pair.grant()
    with psycopg.connect(owner_url) as connection:
        connection.execute("update grants set services = '{task-service,other-service}' where id = %s", [grant_id])
    stranger = request_for(grant_id, requester=replace(SERVICE, client="other-service"))
    assert pair.second.issuing.found(stranger, pair.shared.get(*stranger.key)) is None
    with pytest.raises(SealBrokenError):
        pair.second.issuing.issue(stranger)
    assert body(fast(http, head(grant_id)))["accessToken"] == token.value


def test_a_refused_token_is_not_taken_from_redis_again(http: Vault, pair: Pair) -> None:
    """The token is refreshed once. The other replica then takes the new one."""
    grant_id, token = pair.grant()
    refused = f"&subject={ALICE.sub}&refused={hashlib.sha256(token.value.encode()).hexdigest()}"
    assert fast(http, head(grant_id, more=refused)) is None
    before = pair.first.provider.refreshes
    status, _, answered = by_the_route(http, head(grant_id, more=refused))
    assert (status, pair.first.provider.refreshes) == (200, before + 1)
    assert answered["accessToken"] != token.value
    again = request_for(grant_id, refused=hashlib.sha256(token.value.encode()).digest())
    assert pair.first.issuing.issue(again).value == answered["accessToken"]
    assert pair.first.provider.refreshes == before + 1


def test_a_token_that_another_replica_has_renewed_is_taken(http: Vault, pair: Pair) -> None:
    """An own one that should be renewed gives way to a shared one that expires later."""
    pair.first.provider.lifetime = 60.0
    grant_id, old = pair.grant()
    aged = replace(old, value="aged", expires_at=old.expires_at - 30)
    pair.second.issuing._memory.put(request_for(grant_id).grant_id, frozenset(), aged)
    before = pair.first.provider.refreshes
    assert body(fast(http, head(grant_id)))["accessToken"] == old.value
    assert pair.first.provider.refreshes == before


def test_without_redis_every_replica_refreshes_for_itself(
    database_url: str, provider: ScriptedProvider, tmp_path: Path
) -> None:
    """The fast path leaves the request to the route."""
    pair = Pair(database_url, DEAD, provider)
    with ExitStack() as stack:
        stack.callback(pair.close)
        http = stack.enter_context(routes_of(pair.second, tmp_path, database_url))
        grant_id, _ = pair.grant()
        assert fast(http, head(grant_id)) is None
        assert by_the_route(http, head(grant_id))[0] == 200
        assert body(fast(http, head(grant_id)))["persistentTokenId"] == grant_id
        assert pair.problems


def test_garbage_in_redis_is_reported_and_refreshed(http: Vault, pair: Pair) -> None:
    """A value that was changed there does not open, and does not spoil the others."""
    broken, _ = pair.grant()
    (name,) = pair.redis.keys("vault:*")
    value = pair.redis.get(name)
    pair.redis.set(name, value[:-1] + bytes([value[-1] ^ 1]))
    whole, other = pair.grant()
    assert fast(http, head(broken)) is None
    assert body(fast(http, head(whole)))["accessToken"] == other.value
    assert by_the_route(http, head(broken))[0] == 200
    assert pair.problems


def test_without_memory_every_use_looks_in_redis(
    database_url: str, redis_url: str, provider: ScriptedProvider, tmp_path: Path
) -> None:
    """`VAULT_REMEMBERED_TOKENS=0` changes the cost, and nothing else."""
    pair = Pair(database_url, redis_url, provider, remembered=0)
    with ExitStack() as stack:
        stack.callback(pair.close)
        http = stack.enter_context(routes_of(pair.second, tmp_path, database_url))
        grant_id, token = pair.grant()
        for _ in range(3):
            assert body(fast(http, head(grant_id)))["accessToken"] == token.value
        pair.redis.flushdb()
        assert fast(http, head(grant_id)) is None


def test_a_full_memory_drops_the_first_and_counts_it() -> None:
    """A renewed token counts as new; one that had expired is not counted."""

    def evictions() -> float:
        return REGISTRY.get_sample_value("vault_remembered_token_evictions_total") or 0.0

    now = datetime.now(UTC)
    memory = MemoryAccessTokens(Sealer(OneKey()), 2, lambda: now, PrometheusTelemetry())
    ids = [uuid4() for _ in range(4)]
    live = AccessToken("t", now.timestamp() + 60, 60.0, frozenset())
    before = evictions()
    for grant_id in (ids[0], ids[1], ids[0], ids[2]):
        memory.put(grant_id, frozenset(), live)
    assert [memory.get(grant_id, frozenset()) for grant_id in ids[:3]] == [live, None, live]
    assert (len(memory), evictions()) == (2, before + 1)
    now += timedelta(seconds=61)
    memory.put(ids[3], frozenset(), live)
    assert (len(memory), evictions()) == (2, before + 1)


def test_what_redis_evicts_is_measured(pair: Pair) -> None:
    """Redis's memory, limit and evictions, as Redis reports them."""
    pair.shared.measure()
    told = pair.redis.info()
    assert REGISTRY.get_sample_value("vault_shared_cache_limit_bytes") == told["maxmemory"] > 0
    assert REGISTRY.get_sample_value("vault_shared_cache_bytes") == pytest.approx(told["used_memory"], rel=0.5)
    assert REGISTRY.get_sample_value("vault_shared_cache_evicted_keys") == told["evicted_keys"]
    RedisAccessTokens(
        redis.Redis.from_url(DEAD), Sealer(OneKey()), lambda: datetime.now(UTC), PrometheusTelemetry(), lambda _: None
    ).measure()
    assert REGISTRY.get_sample_value("vault_shared_cache_limit_bytes") == told["maxmemory"]
