"""P5: many callers in several processes, one grant, many expiries: one refresh for each, and no token used twice."""

import time

import pytest
from stack import eventually

from faults.figures import Figures
from faults.load import under_load
from faults.vault_process import VaultProcess
from faults.world import World

CALLERS = 64
SLOW_SECONDS = 12


@pytest.fixture(scope="module")
def vaults(world: World) -> list[VaultProcess]:
    """Four processes: two replicas with two workers each."""
    pair = [world.vault(f"crowd-{number}", workers=2) for number in (1, 2)]
    for vault in pair:
        vault.launch()
    for vault in pair:
        vault.wait_ready()
    return pair


@pytest.fixture(autouse=True)
def short_lives(world: World) -> None:
    """Access tokens that are of use for a second, and a server that forgives nothing."""
    world.settings(refreshTokenMaxReuse=0, accessTokenLifespan=2)
    world.plan()


def test_every_expiry_costs_one_refresh(world: World, vaults: list[VaultProcess], figures: Figures) -> None:
    """Calls of the server are generations, and all callers are served."""
    granted = world.grant()
    expiries = 200 if figures.long else 5
    with under_load(world, vaults, [granted], callers=CALLERS) as tally:
        eventually(lambda: world.books(granted).generation > expiries, "so many refreshes", 60 + 3 * expiries)
    books, called = world.books(granted), world.requests()
    figures.keep(
        "P5", f"calls of the server less generations, {books.generation - 1} expiries", "0", called - books.refreshes
    )
    figures.keep("P5", f"reuses, {tally.asked} requests by {CALLERS} callers", "0", books.reuses)
    assert set(tally.outcomes) <= {"ok", "provider_unavailable"}
    assert tally.outcomes["ok"] > 0.99 * tally.asked
    assert called == books.refreshes == books.generation - 1
    assert (books.reuses, books.ended) == (0, "")


def test_a_server_that_takes_12_seconds_is_asked_once(
    world: World, vaults: list[VaultProcess], figures: Figures
) -> None:
    """Callers without a place to wait get 503 with Retry-After. Callers for whom a cached token is enough get it."""
    granted, cached = world.grant(), world.grant()
    world.settings(accessTokenLifespan=300)
    assert world.settled(vaults[0], cached, "openid") == "ok"
    world.plan({"hold": SLOW_SECONDS, "times": 1})
    started = time.monotonic()
    with under_load(world, vaults, [granted], callers=CALLERS, pause=0.5) as tally:
        eventually(lambda: world.requests() == 1, "the server is asked")
        served = [world.settled(vault, cached, "openid") for vault in vaults for _ in range(5)]
        waited = time.monotonic() - started
        eventually(lambda: world.books(granted).generation == 2, "the answer has come", 2 * SLOW_SECONDS)
    books, called = world.books(granted), world.requests()
    figures.keep("P5", f"calls of a server that takes {SLOW_SECONDS} s to answer", "1", called)
    assert served == ["ok"] * 10
    assert waited < SLOW_SECONDS, "a cached token waited for another's refresh"
    assert set(tally.outcomes) <= {"ok", "provider_unavailable"}
    assert (called, books.refreshes, books.generation, books.reuses) == (1, 1, 2, 0)
