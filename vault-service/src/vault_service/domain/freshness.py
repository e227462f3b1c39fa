"""Decides whether a cached access token is served or renewed: a pure rule over numbers.

- More than a third of its life left: serve it.
- Less than a third, or up to a half by the token's jitter: serve it, and let one caller renew it in the background. The
  jitter spreads the renewals of tokens that were obtained at the same moment.
- Less than `max(30 s, 10 %)` of its life, or less than the caller requests: wait for a new one.
"""

import enum

LEEWAY_SECONDS = 30.0
RENEW_BELOW = 1 / 3
USELESS_BELOW = 0.1
JITTER = 1 / 6
"""Renewal begins before half of a token's life is left: a token with more is taken as it is (`refresh`)."""


class Freshness(enum.Enum):
    """The verdict about a cached access token."""

    SERVE = enum.auto()
    SERVE_AND_RENEW = enum.auto()
    WAIT = enum.auto()


def judge(left: float, lifetime: float, min_valid: float, jitter: float) -> Freshness:
    """Judge a cached token. left, lifetime, min_valid: seconds; jitter: `jitter_of` the token."""
    useless = max(min(LEEWAY_SECONDS, lifetime / 2), lifetime * USELESS_BELOW)
    if left < max(useless, min_valid):
        return Freshness.WAIT
    if left < max(lifetime * (RENEW_BELOW + JITTER * jitter), 0.0):
        return Freshness.SERVE_AND_RENEW
    return Freshness.SERVE


def jitter_of(expires_at: float) -> float:
    """A token's jitter, from 0 to 1: the fraction of the millisecond in which it expires.

    It is the same at every use and on every replica. A jitter drawn anew at each use would be the largest of many, and
    would hardly spread a token that is used often (docs/scaling.md). expires_at: Unix time, with microseconds.
    """
    return expires_at * 1000.0 % 1.0


def attainable(min_valid: float, lifetime: float, age: float) -> bool:
    """False while it is known that the server gives no token with `min_valid` seconds left.

    lifetime: seconds that the last token had when it arrived, which a slow answer shortens; age: seconds since then.
    The knowledge from one token holds for half of its life: until then no other caller needs a new one.
    """
    return min_valid <= lifetime or age >= lifetime / 2
