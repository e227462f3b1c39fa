"""An authorization server in trouble: certain failures are answered at once, uncertain ones cost one reuse, and the
server is not flooded.
"""

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Any

import pytest

from faults.figures import Figures
from faults.vault_process import VaultProcess
from faults.world import World, outcome

OUTAGE_SECONDS = 10.0
CALLERS = 8
PAUSE_SECONDS = 5.0


@pytest.fixture(scope="module")
def vault(world: World) -> VaultProcess:
    """One process, so that there is one breaker."""
    return world.vault("troubled").start()


@pytest.fixture(autouse=True)
def trusted(world: World, vault: VaultProcess) -> None:
    """A successful refresh comes first: no test inherits another's breaker, nor its plan."""
    world.settings(refreshTokenMaxReuse=1)
    world.plan()
    assert world.settled(vault, world.grant(), "openid") == "ok"


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_left_alone_for_as_long_as_it_says(world: World, vault: VaultProcess, status: int) -> None:
    """Nothing was used, so nothing is unknown: after the pause the same token is sent again, for the first time."""
    granted, other = world.grant(), world.grant()
    world.plan({"status": status, "retryAfter": 2, "times": 1})
    answer = vault.ask(world.bearer, granted.id, scope="openid")
    assert outcome(answer) == "provider_unavailable"
    assert 1 <= int(answer.headers["Retry-After"]) <= 3
    assert not world.books(granted).intent
    assert outcome(vault.ask(world.bearer, granted.id, scope="openid")) == "provider_unavailable"
    assert world.requests() == 1, "the server is not asked for this grant meanwhile"
    assert outcome(vault.ask(world.bearer, other.id, scope="openid")) == "ok", "one grant's pause is no other grant's"
    assert world.settled(vault, granted, "openid") == "ok"
    assert world.requests() == 3
    assert world.books(granted).reuses == 0


UNCERTAIN: dict[str, tuple[dict[str, Any], int]] = {
    "500": ({"status": 500}, 0),
    "garbage": ({"garbage": True}, 1),
    "half an answer": ({"half": True}, 1),
    "rotates and hangs up": ({"drop": True}, 1),
    "slower than anybody waits": ({"hold": 13}, 1),
}


@pytest.mark.parametrize("fault", UNCERTAIN)
def test_an_answer_that_says_nothing_costs_one_reuse_at_most(
    world: World, vault: VaultProcess, figures: Figures, fault: str
) -> None:
    """The old token is sent a second time, after the first request has certainly ended."""
    trouble, reuses = UNCERTAIN[fault]
    if "hold" in trouble and not figures.long:
        pytest.skip("takes 13 s: part of the long form (FAULTS=long)")
    granted = world.grant()
    world.plan({**trouble, "times": 1})
    assert outcome(vault.ask(world.bearer, granted.id, scope="openid")) == "provider_unavailable"
    again = vault.ask(world.bearer, granted.id, scope="openid")
    assert outcome(again) == "provider_unavailable"
    assert int(again.headers["Retry-After"]) <= 15
    assert (world.requests(), world.books(granted).intent) == (1, True)
    world.let_time_pass(granted)
    assert world.settled(vault, granted, "openid") == "ok"
    books = world.books(granted)
    assert (books.status, books.ended, books.reuses) == ("active", "", reuses)
    assert books.balanced


def test_after_invalid_grant_nothing_more_is_sent(world: World, vault: VaultProcess, figures: Figures) -> None:
    """P7: neither by this process nor by one that never saw the refusal."""
    granted = world.grant()
    newcomer = world.vault("newcomer").start()
    world.plan()
    world.stack.control("PUT", "/users/alice", {"enabled": False})
    try:
        assert outcome(vault.ask(world.bearer, granted.id, scope="openid")) == "reauthorization_required"
    finally:
        world.stack.control("PUT", "/users/alice", {"enabled": True})
    for process in (vault, newcomer):
        for scope in ("openid", "profile", "email") * 4:
            assert outcome(process.ask(world.bearer, granted.id, scope=scope)) == "reauthorization_required"
    further = world.requests() - 1
    figures.keep("P7", "calls of the authorization server after invalid_grant", "0", further)
    assert further == 0


@pytest.mark.parametrize("status", [500, 503])
def test_during_an_outage_one_probe_at_a_time_is_sent(
    world: World, vault: VaultProcess, figures: Figures, status: int
) -> None:
    """P7: eight callers with a grant each keep asking. Cached tokens are still served."""
    if status == 503 and not figures.long:
        pytest.skip("the same with another status: part of the long form (FAULTS=long)")
    cached, *grants = [world.grant() for _ in range(CALLERS + 1)]
    assert world.settled(vault, cached, "openid") == "ok"
    world.plan({"status": status})
    for granted in grants:
        assert outcome(vault.ask(world.bearer, granted.id, scope="openid")) == "provider_unavailable"
    assert world.requests() <= 3, "the provider is paused"
    world.plan({"status": status})
    ends = time.monotonic() + OUTAGE_SECONDS
    with ThreadPoolExecutor(CALLERS) as callers:
        asked = Counter(chain.from_iterable(callers.map(asking(world, vault, cached.id, ends), grants)))
    probes = world.requests()
    rate = probes * PAUSE_SECONDS / OUTAGE_SECONDS
    figures.keep("P7", f"probes in 5 s of an outage ({status}), one process", "≤ 1", rate)
    refused = asked.total() - asked["ok"]
    figures.keep("P8", f"unexpired tokens refused of {asked.total()} asked for in an outage ({status})", "0", refused)
    assert probes <= OUTAGE_SECONDS / PAUSE_SECONDS
    assert set(asked) == {"ok"}


def asking(world: World, vault: VaultProcess, cached: str, ends: float) -> Callable[[Any], list[str]]:
    """A caller that keeps asking for a token that is not there, and for one that is; what came of the latter."""

    def ask(granted: Any) -> list[str]:
        outcomes = []
        while time.monotonic() < ends:
            assert outcome(vault.ask(world.bearer, granted.id, scope="openid")) == "provider_unavailable"
            outcomes.append(outcome(vault.ask(world.bearer, cached, scope="openid")))
            time.sleep(0.05)  # a caller's own pace; the vault says 5 seconds
        return outcomes

    return ask
