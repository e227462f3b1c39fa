"""S1: 10,000 grants whose tokens expire in the same minute are renewed one after another, and cached tokens are served
beside.

Nobody waits until the tokens are half as old as they may get: they are shared with that age.
"""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from api import Api
from stack import eventually

from faults.bulk_grants import bulk_grants
from faults.figures import Figures
from faults.load import SteadyLoad, steady_load
from faults.vault_process import VaultProcess
from faults.world import HOUR, Granted, World, outcome

GRANTS = 10_000
LIFE = 900.0
"""Seconds. Renewal begins with a third to a half of them left, so that 67 tokens are due in a second."""
MINUTE = 60.0
USES = 500.0
"""Uses a second of all grants together: each is used every 20 s, in turn."""
PROBES = 50.0
"""Uses a second of the grant whose token stays cached."""
AHEAD_SECONDS = GRANTS / USES + 40.0
"""From sharing the tokens until the first of them is due: for each to be used once, and for the quiet measurement."""
CALLERS = 8


@pytest.fixture
def vault(world: World, figures: Figures) -> VaultProcess:
    """One vault of two processes, which remember every token."""
    if not figures.long:
        pytest.skip("takes seven minutes; `make faults` runs it")
    world.settings(refreshTokenMaxReuse=0)
    world.plan()
    return world.vault("same-minute", workers=2, environ={"VAULT_REMEMBERED_TOKENS": str(2 * GRANTS)}).start()


def test_grants_that_are_made_in_bulk_are_the_vaults_own(world: World) -> None:
    """Their shared tokens are served, and their refresh tokens are used, each in its own row."""
    world.plan()
    world.settings(accessTokenLifespan=300)
    with bulk_grants(world) as bulk:
        shared, unshared = bulk.add(2)
        bulk.share([shared], lambda: bulk.now() + 290)
    owner = Api(world.stack, world.bearer)
    for grant, is_first, rotations in ((shared, True, 0), (unshared, False, 1)):
        asked = [owner.access_token(grant.granted.id) for _ in range(2)]
        assert [outcome(answer) for answer in asked] == ["ok"] * 2
        assert [answer.json()["accessToken"] == grant.first.token.value for answer in asked] == [is_first] * 2
        books = world.books(grant.granted)
        assert (books.status, books.generation, books.refreshes) == ("active", 1 + rotations, rotations)


def test_tokens_that_expire_in_the_same_minute_are_renewed_one_after_another(
    world: World, vault: VaultProcess, figures: Figures
) -> None:
    """Each token is renewed once, in time, at its own moment, and no caller is refused."""
    world.settings(accessTokenLifespan=HOUR)
    cached = world.grant()
    assert outcome(vault.ask(world.bearer, cached.id)) == "ok"
    world.settings(accessTokenLifespan=int(LIFE))
    chance = random.Random(GRANTS)
    with bulk_grants(world) as bulk:
        herd = bulk.add(GRANTS)
        granted = [grant.granted for grant in herd]
        first_due = bulk.now() + AHEAD_SECONDS
        bulk.share(herd, lambda: first_due + LIFE / 2 + chance.uniform(0, MINUTE))
        before = world.requests()
        with _in_use(world, vault, granted, cached) as (used, probe):
            used.wait(GRANTS / USES)  # each process takes its tokens from Redis
            probe.forget()
            used.wait(first_due - bulk.now())
            quiet = probe.p99()
            assert world.requests() == before
            probe.forget()
            used.wait(MINUTE + LIFE / 6)
            eventually(lambda: world.requests() - before >= GRANTS, "all are renewed", 3 * GRANTS / USES)
            beside = probe.p99()
    figures.keep("S1", f"p99 of cached tokens, {GRANTS} renewals beside ÷ quiet", "≤ 2", beside / quiet)
    figures.keep("S1", "p99 of cached tokens beside, ms", "none", 1000 * beside)
    refused = used.asked - used.outcomes["ok"]
    figures.keep("S1", f"tokens refused of {used.asked} beside", "0", refused)
    assert refused == 0
    assert set(probe.outcomes) == {"ok"}
    assert world.requests() - before == GRANTS  # and none of them twice
    assert world.issued(*granted) == used.asked
    _judge_renewals(world, granted, figures)


def _judge_renewals(world: World, herd: Sequence[Granted], figures: Figures) -> None:
    """Without a jitter, nine tenths would be renewed within a minute."""
    times = world.one(
        "select array_agg(extract(epoch from at)::float8 order by at) from audit"
        " where event = 'grant.refreshed' and grant_id = any(%s::uuid[])",
        [grant.id for grant in herd],
    )[0]
    assert len(times) == len(herd)
    middle = times[int(0.95 * len(times))] - times[int(0.05 * len(times))]
    most = max(Counter(map(int, times)).values())
    due = len(herd) / (LIFE / 6)
    figures.keep("S1", "seconds in which nine tenths of the renewals were made", f"≥ {LIFE / 8:.0f}", middle)
    figures.keep("S1", "most renewals in one second", f"≤ {2 * due:.0f}", most)
    assert middle >= LIFE / 8


@contextmanager
def _in_use(
    world: World, vault: VaultProcess, herd: Sequence[Granted], cached: Granted
) -> Iterator[tuple[SteadyLoad, SteadyLoad]]:
    """The herd's uses, and those of the token that stays cached."""
    ids = [grant.id for grant in herd]
    with (
        steady_load(vault, world.bearer, ids, rate=USES, callers=CALLERS) as used,
        steady_load(vault, world.bearer, [cached.id], rate=PROBES, callers=2) as probe,
    ):
        yield used, probe
