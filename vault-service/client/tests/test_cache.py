"""The cache: what is served, when it is renewed, and that one caller fetches for all."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timezone

import pytest
from scripted_answers import ACCESS, OWN, Answers, token

from token_vault_client import (
    PROCESS_CACHE,
    Bearer,
    ClientCredentials,
    FreshAccessToken,
    GrantUnusable,
    TokenCache,
    TokenVaultClient,
    VaultUnavailable,
)
from token_vault_client.aio import AsyncTokenVaultClient
from token_vault_client.cache import Demand, Fetched
from token_vault_client.flow import Flow, Join


@dataclass
class CacheWorld:
    """A clock that the test moves, and a cache by that clock whose renewals are not spread."""

    time: float = 1000.0
    life: float = 300.0
    fetches: list[bool] = field(default_factory=list)
    fails: Exception | None = None

    def __post_init__(self) -> None:
        self.cache = TokenCache(lambda: self.time, lambda: 0.5)

    def fetch(self, urgent: bool) -> Flow[Fetched]:
        self.fetches.append(urgent)
        yield from ()
        if self.fails:
            raise self.fails
        value = FreshAccessToken(f"token {len(self.fetches)}", datetime.now(timezone.utc), frozenset())
        return Fetched(value, self.time, self.time + self.life)

    def ask(self, **demand: float | str) -> str:
        flow = self.cache.obtain("key", self.fetch, Demand(**demand))
        with pytest.raises(StopIteration) as stop:
            next(flow)
        return stop.value.value.value


@pytest.fixture
def world() -> CacheWorld:
    return CacheWorld()


def test_a_token_is_served_until_two_thirds_of_its_life_are_over_and_then_renewed(world):
    assert world.ask() == "token 1"
    world.time += 199
    assert world.ask() == "token 1"
    world.time += 2
    assert world.ask() == "token 2"
    assert world.fetches == [True, False]


def test_a_vault_that_is_unavailable_does_not_take_a_token_that_is_still_good(world):
    world.ask()
    world.time += 250
    world.fails = VaultUnavailable("provider_unavailable", "later", 7.0)
    assert world.ask() == "token 1"
    assert world.ask() == "token 1"
    assert len(world.fetches) == 2  # not asked again before its Retry-After
    world.time += 8
    world.ask()
    assert len(world.fetches) == 3
    world.time += 40  # ten seconds before its end it is not given any more
    with pytest.raises(VaultUnavailable):
        world.ask()


def test_a_grant_that_is_over_takes_the_token_with_it(world):
    world.ask()
    world.time += 250
    world.fails = GrantUnusable("token_revoked", "over")
    with pytest.raises(GrantUnusable):
        world.ask()
    world.fails = None
    assert world.ask() == "token 3"


def test_who_needs_more_life_gets_a_new_token(world):
    world.ask()
    world.time += 100
    assert world.ask(min_valid=200) == "token 1"
    assert world.ask(min_valid=201) == "token 2"
    world.time += 100
    assert world.ask(prefer_valid=201) == "token 3"


def test_a_token_that_was_refused_is_not_served_again(world):
    world.ask()
    assert world.ask(refused="token 1") == "token 2"
    assert world.ask(refused="token 1") == "token 2"
    assert world.ask() == "token 2"


def test_short_lives_are_used_too(world):
    world.life = 5.0
    assert [world.ask(), world.ask()] == ["token 1", "token 1"]
    world.time += 4.5
    assert world.ask() == "token 2"


def test_a_follower_takes_over_from_a_leader_that_never_ends(world):
    leader = world.cache.obtain("key", lambda _: (yield Join(Future(), 1.0)))
    next(leader)
    follower = world.cache.obtain("key", world.fetch)
    assert isinstance(next(follower), Join)
    with pytest.raises(StopIteration) as stop:
        follower.send(None)  # the wait has ended, the leader has not
    assert stop.value.value.value == "token 1"


def test_a_leader_that_is_cancelled_leaves_the_work_to_a_follower(world):
    leader = world.cache.obtain("key", lambda _: (yield Join(Future(), 1.0)))
    next(leader)
    follower = world.cache.obtain("key", world.fetch)
    next(follower)
    leader.close()
    with pytest.raises(StopIteration) as stop:
        follower.send(None)
    assert stop.value.value.value == "token 1"


def test_followers_share_the_leaders_failure_when_the_vault_is_unavailable(world):
    gate: Future[None] = Future()

    def fetch(_urgent: bool) -> Flow[Fetched]:
        yield Join(gate, 1.0)
        raise VaultUnavailable("vault_unavailable", "no")

    leader, follower = world.cache.obtain("key", fetch), world.cache.obtain("key", world.fetch)
    next(leader)
    next(follower)
    for flow in (leader, follower):
        with pytest.raises(VaultUnavailable):
            flow.send(None)
    assert world.fetches == []


def test_the_cache_does_not_grow_without_end(world, monkeypatch):
    monkeypatch.setattr("token_vault_client.cache.MAX_ENTRIES", 10)
    for number in range(100):
        flow = world.cache.obtain(number, world.fetch)
        with pytest.raises(StopIteration):
            next(flow)
    assert len(world.cache._entries) <= 10


# both clients, over HTTP


@pytest.fixture
def process_cache() -> Iterator[TokenCache]:
    yield PROCESS_CACHE
    PROCESS_CACHE.clear()


def test_one_fetch_serves_all_threads_and_clients_of_a_process(answers: Answers, service, process_cache):
    answers.says(ACCESS, 200, token())
    answers.delay = 0.05
    clients = [TokenVaultClient(answers.url, service) for _ in range(4)]
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda n: clients[n % 4].access_token("id-1", "alice").value, range(64)))
    for client in clients:
        client.close()
    assert set(found) == {"secret"}
    assert (len(answers.to(ACCESS)), len(answers.to(OWN))) == (1, 1)


def test_one_fetch_serves_threads_and_an_event_loop(answers: Answers, service, process_cache):
    answers.says(ACCESS, 200, token())
    answers.delay = 0.1

    async def many() -> set[str]:
        async with AsyncTokenVaultClient(answers.url, service) as vault:
            tokens = await asyncio.gather(*[vault.access_token("id-1", "alice") for _ in range(32)])
        return {found.value for found in tokens}

    with TokenVaultClient(answers.url, service) as vault, ThreadPoolExecutor(4) as pool:
        blocking = [pool.submit(vault.access_token, "id-1", "alice") for _ in range(4)]
        assert asyncio.run(many()) == {"secret"}
        assert {found.result().value for found in blocking} == {"secret"}
    assert (len(answers.to(ACCESS)), len(answers.to(OWN))) == (1, 1)


def test_a_cancelled_coroutine_leaves_the_work_to_the_others(answers: Answers, service):
    answers.says(ACCESS, 200, token())
    answers.delay = 0.2

    async def main() -> str:
        async with AsyncTokenVaultClient(answers.url, service, cache=TokenCache()) as vault:
            leader = asyncio.create_task(vault.access_token("id-1", "alice"))
            await asyncio.sleep(0.05)
            follower = asyncio.create_task(vault.access_token("id-1", "alice"))
            await asyncio.sleep(0.05)
            leader.cancel()
            return (await asyncio.wait_for(follower, 10)).value

    assert asyncio.run(main()) == "secret"


def test_credentials_grants_owners_and_scopes_are_kept_apart(answers: Answers):
    answers.decides(ACCESS, lambda asked: (200, token(f"{asked.authorization} {sorted(asked.query.items())}"), {}))
    cache = TokenCache()
    seen = []
    for credentials in (Bearer("a"), Bearer("b"), ClientCredentials(f"{answers.url}/token", "service", "s")):
        with TokenVaultClient(answers.url, credentials, cache=cache) as vault:
            seen += [vault.access_token("id-1").value, vault.access_token("id-2").value]
            seen += [vault.access_token("id-1", "bob").value, vault.access_token("id-1", scopes=["x"]).value]
    assert len(set(seen)) == len(seen) == 12


def test_without_a_cache_every_call_asks_the_vault(answers: Answers, make_caller):
    answers.says(ACCESS, 200, token())
    call = make_caller(cache=None)
    for _ in range(3):
        call("access_token", "id-1", "alice")
    assert (len(answers.to(ACCESS)), len(answers.to(OWN))) == (3, 1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_the_child_of_a_fork_is_not_stuck_by_what_the_parents_threads_were_doing(answers: Answers):
    """The parent forks while a thread holds a flight; the child must not wait for a thread that it does not have."""
    answers.says(ACCESS, 200, token())
    program = """
import os, sys, threading, time
from token_vault_client import Bearer, TokenVaultClient
vault = TokenVaultClient(sys.argv[1], Bearer("b"))
thread = threading.Thread(target=vault.access_token, args=("id-1",))
thread.start()
time.sleep(0.3)
child = os.fork()
if child == 0:
    os._exit(0 if vault.access_token("id-1").value == "secret" else 1)
thread.join()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    answers.delay = 1.0
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program, answers.url], timeout=30, check=False)
    assert done.returncode == 0
    assert len(answers.to(ACCESS)) == 2
