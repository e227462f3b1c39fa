"""Simulates a day of refreshes and writes docs/figures/scaling.json: `make simulation`, about a minute.

All grants start within one minute, and each is used every few seconds. A use renews its token when the vault's own rule
(`vault_service.domain.freshness`) says so. Refreshes take no time here: the simulation shows when they are wanted, not
what a server makes of them.
"""

import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from vault_service.domain.freshness import JITTER, RENEW_BELOW, Freshness, jitter_of, judge

FILE = Path(__file__).parent / "figures" / "scaling.json"
GRANTS = 10_000
SIMULATED = 500
"""Each stands for GRANTS / SIMULATED others."""
LIFETIME = 300.0
USED_EVERY = 1.0
START_WITHIN = 60.0
DAY = 86_400.0
BIN = 10.0
PERIOD = 900.0

Jitter = Callable[[float, random.Random], float]
RULES: dict[str, Jitter] = {
    "without jitter": lambda _expires_at, _chance: 0.0,
    "drawn anew at each use": lambda _expires_at, chance: chance.random(),
    "by token (the vault's rule)": lambda expires_at, _chance: jitter_of(expires_at),
}


def refreshes(jitter: Jitter, grants: int, seconds: float, chance: random.Random) -> list[float]:
    """The times at which the grants are refreshed, in seconds from the start."""
    found = []
    for _ in range(grants):
        use = chance.uniform(0, START_WITHIN)
        expires_at = use + LIFETIME
        while use < seconds:
            left = expires_at - use
            if left >= LIFETIME * (RENEW_BELOW + JITTER) + USED_EVERY:  # no rule renews yet
                use += (left - LIFETIME * (RENEW_BELOW + JITTER)) // USED_EVERY * USED_EVERY
                continue
            if judge(left, LIFETIME, 0.0, jitter(expires_at, chance)) is not Freshness.SERVE:
                found.append(use)
                expires_at = use + LIFETIME + chance.uniform(0, 0.005)  # the time that the request took
            use += USED_EVERY
    return found


def peaks(times: list[float], seconds: float, weight: float) -> list[float]:
    """The most refreshes a second within `BIN` seconds, for each `PERIOD`. weight: grants for which one stands."""
    bins = Counter(int(time // BIN) for time in times)
    each = int(PERIOD // BIN)
    return [
        round(max(bins[number] for number in range(start, start + each)) * weight / BIN, 1)
        for start in range(0, int(seconds // BIN), each)
    ]


def simulated(grants: int = SIMULATED, seconds: float = DAY) -> dict[str, object]:
    """The document. It is the same each time."""
    weight = GRANTS / grants
    rules = {}
    for name, jitter in RULES.items():
        times = refreshes(jitter, grants, seconds, random.Random(15))  # noqa: S311 - a simulation, not a secret
        rules[name] = {
            "mean": round(len(times) * weight / seconds, 1),
            "peaks": peaks(times, seconds, weight),
        }
    return {
        "grants": GRANTS,
        "simulated": grants,
        "lifetime": LIFETIME,
        "used_every": USED_EVERY,
        "start_within": START_WITHIN,
        "period": PERIOD,
        "bin": BIN,
        "rules": rules,
    }


if __name__ == "__main__":
    FILE.write_text(json.dumps(simulated(), indent=1) + "\n", encoding="utf-8")
