"""The rule of freshness."""

import pytest

from vault_service.domain.freshness import JITTER, RENEW_BELOW, Freshness, jitter_of, judge


@pytest.mark.parametrize(
    ("left", "lifetime", "min_valid", "jitter", "expected"),
    [
        (300, 300, 0, 0, Freshness.SERVE),
        (101, 300, 0, 0, Freshness.SERVE),
        (99, 300, 0, 0, Freshness.SERVE_AND_RENEW),
        (149, 300, 0, 1, Freshness.SERVE_AND_RENEW),
        (151, 300, 0, 1, Freshness.SERVE),
        (29, 300, 0, 0, Freshness.WAIT),
        (200, 300, 250, 0, Freshness.WAIT),
        (-1, 300, 0, 0, Freshness.WAIT),
        (300, 3600, 0, 0, Freshness.WAIT),
        (5, 10, 0, 0, Freshness.SERVE),
        (4.9, 10, 0, 0, Freshness.WAIT),
    ],
)
def test_the_rule(left: float, lifetime: float, min_valid: float, jitter: float, expected: Freshness) -> None:
    """A token is served; renewed, too, below a third to a half of its life; waited for below max(30 s, 10 %)."""
    assert judge(left, lifetime, min_valid, jitter) is expected


def test_tokens_that_expire_in_the_same_second_have_different_jitters() -> None:
    """The jitters are spread evenly, and a token keeps its own."""
    tokens = [1_796_000_000 + number * 0.000_997 for number in range(1000)]
    jitters = [jitter_of(expires_at) for expires_at in tokens]
    assert jitters == [jitter_of(expires_at) for expires_at in tokens]
    for tenth in range(10):
        assert 50 < sum(tenth <= jitter * 10 < tenth + 1 for jitter in jitters) < 150


def test_a_token_that_is_to_be_renewed_is_no_longer_taken_from_a_cache() -> None:
    """A refresh takes a cached token with half of its life left; earlier renewals would find their own token."""
    assert RENEW_BELOW + JITTER <= 0.5
