"""When a cached access token is served, and when it is renewed: a pure rule over numbers.

- More than a third of its life left: serve it.
- Less than a third: serve it, and let one caller renew it in the background. The limit has a jitter, so that replicas
  do not renew all at once.
- Less than `max(30 s, 10 %)` of its life, or less than the caller requests: wait for a new one.
"""

import enum

LEEWAY_SECONDS = 30.0
RENEW_BELOW = 1 / 3
USELESS_BELOW = 0.1
JITTER = 0.1


class Freshness(enum.Enum):
    """What to do with a cached access token."""

    SERVE = enum.auto()
    SERVE_AND_RENEW = enum.auto()
    WAIT = enum.auto()


def judge(left: float, lifetime: float, min_valid: float, jitter: float) -> Freshness:
    """What to do with a token. left, lifetime, min_valid: seconds; jitter: from 0 to 1, random for each call."""
    useless = max(min(LEEWAY_SECONDS, lifetime / 2), lifetime * USELESS_BELOW)
    if left < max(useless, min_valid):
        return Freshness.WAIT
    if left < max(lifetime * (RENEW_BELOW + JITTER * jitter), 0.0):
        return Freshness.SERVE_AND_RENEW
    return Freshness.SERVE


def attainable(min_valid: float, lifetime: float) -> bool:
    """True when a token of `lifetime` seconds can have `min_valid` seconds left."""
    return min_valid <= lifetime
