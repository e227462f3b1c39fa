"""The rule of freshness."""

import pytest

from vault_service.domain.freshness import Freshness, attainable, judge


@pytest.mark.parametrize(
    ("left", "lifetime", "min_valid", "jitter", "expected"),
    [
        (300, 300, 0, 0, Freshness.SERVE),
        (101, 300, 0, 0, Freshness.SERVE),
        (99, 300, 0, 0, Freshness.SERVE_AND_RENEW),
        (120, 300, 0, 1, Freshness.SERVE_AND_RENEW),
        (29, 300, 0, 0, Freshness.WAIT),
        (200, 300, 250, 0, Freshness.WAIT),
        (-1, 300, 0, 0, Freshness.WAIT),
        (300, 3600, 0, 0, Freshness.WAIT),
        (5, 10, 0, 0, Freshness.SERVE),
        (4.9, 10, 0, 0, Freshness.WAIT),
    ],
)
def test_the_rule(left: float, lifetime: float, min_valid: float, jitter: float, expected: Freshness) -> None:
    """Serve; serve and renew below a third; wait below max(30 s, 10 %) or what the caller requests."""
    assert judge(left, lifetime, min_valid, jitter) is expected


def test_attainable_lifetimes() -> None:
    """A token never lives longer than its lifetime."""
    assert attainable(300, 300)
    assert not attainable(301, 300)
