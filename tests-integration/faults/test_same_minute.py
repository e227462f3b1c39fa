"""S1: tokens that were obtained together are renewed one after another, and cached tokens are served beside.

Two cores do not make 10,000 grants in the time of a test. There are `GRANTS`, whose tokens are renewed within a sixth
of their life; the simulation of docs/scaling.md has 10,000.
"""

import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from api import MANAGER
from stack import TIMEOUT, eventually

from faults.figures import Figures
from faults.load import under_load
from faults.vault_process import ACCESS_TOKEN, VaultProcess
from faults.world import Granted, World, outcome

GRANTS = 300
LIFE = 96
"""Seconds, so that renewal begins with 32 to 48 left: before 30 are left, when callers wait."""
SHORT_LIFE = 2
LONG_LIFE = 3600
USED_EVERY = 1.0
QUIET_SECONDS = 10.0
ASKED_EVERY = 0.02
SETTERS = 8


@pytest.fixture
def vault(world: World) -> VaultProcess:
    """One vault of two processes."""
    world.settings(refreshTokenMaxReuse=0)
    world.plan()
    return world.vault("same-minute", workers=2).start()


def test_tokens_that_end_together_are_renewed_one_after_another(
    world: World, vault: VaultProcess, figures: Figures
) -> None:
    """Each token is renewed in time, at its own moment, and no caller is refused."""
    if not figures.long:
        pytest.skip("takes three minutes; `make faults` runs it")
    world.settings(accessTokenLifespan=LONG_LIFE)
    cached = world.grant()
    assert outcome(vault.ask(world.bearer, cached.id)) == "ok"
    quiet = _p99(_latencies(world, vault, cached, QUIET_SECONDS))
    world.settings(accessTokenLifespan=SHORT_LIFE)
    herd = _herd(world, GRANTS)
    world.settings(accessTokenLifespan=LIFE)
    with ThreadPoolExecutor(SETTERS) as pool:
        first = [outcome(answer) for answer in pool.map(lambda each: vault.ask(world.bearer, each.id), herd)]
    begun = time.monotonic()
    before = world.requests()
    callers = max(len(herd) // 25, 4)
    with under_load(world, [vault], herd, callers=callers, pause=USED_EVERY * callers / len(herd)) as tally:
        beside = _latencies(world, vault, cached, 0.7 * LIFE - (time.monotonic() - begun))
        eventually(lambda: world.requests() - before >= 0.95 * len(herd), "nearly all are renewed", 3 * LIFE)
    figures.keep("S1", f"p99 of cached tokens, {len(herd)} renewals beside ÷ quiet", "≤ 2", _p99(beside) / quiet)
    figures.keep("S1", f"tokens refused of {tally.asked} beside", "0", tally.asked - tally.outcomes["ok"])
    assert set(first) == {"ok"}
    assert set(tally.outcomes) == {"ok"}
    seconds = _renewals_by_second(world, herd, 0.5 * LIFE)
    figures.keep("S1", f"most of {len(herd)} renewals in one second, share", "≤ 0.5", max(seconds) / sum(seconds))
    assert max(seconds) <= 0.5 * sum(seconds)
    assert tally.unrecorded(world) == 0


def _herd(world: World, number: int) -> list[Granted]:
    """So many grants of Alice; their sessions at the server are not looked up."""
    headers = {"Authorization": f"Bearer {world.bearer}"}
    vault, gateway = world.stack["VAULT_URL"], world.stack.gateway
    herd = []
    for _ in range(number):
        asked = requests.post(f"{vault}{MANAGER}/offline-consent", json={}, headers=headers, timeout=TIMEOUT).json()
        callback = world.person.grant(asked["consentUrl"], stop_at=gateway).replace(gateway, vault, 1)
        requests.get(callback, timeout=TIMEOUT, allow_redirects=False)
        herd.append(Granted(asked["persistentTokenId"], ""))
    return herd


def _latencies(world: World, vault: VaultProcess, granted: Granted, seconds: float) -> list[float]:
    """Seconds that each request for a cached token took, one after another."""
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {world.bearer}"
    found, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        asked = time.perf_counter()
        answer = session.get(vault.url + ACCESS_TOKEN, params={"id": granted.id}, timeout=TIMEOUT)
        found.append(time.perf_counter() - asked)
        assert answer.ok, answer.text
        time.sleep(ASKED_EVERY)
    return found


def _p99(latencies: Sequence[float]) -> float:
    return sorted(latencies)[int(0.99 * len(latencies))]


def _renewals_by_second(world: World, herd: Sequence[Granted], least_age: float) -> list[int]:
    """Renewals in each second, of tokens that were that old at least."""
    with world.connect() as connection:
        rows = connection.execute(
            "select extract(epoch from at), at - min(at) over (partition by grant_id) from audit"
            " where event = 'grant.refreshed' and grant_id = any(%s::uuid[])",
            [[each.id for each in herd]],
        ).fetchall()
    return list(Counter(int(at) for at, age in rows if age.total_seconds() >= least_age).values()) or [len(herd)]
