"""The rule of freshness, and single flight."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from vault_service.application.single_flight import SingleFlight
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
    """Serve, serve and renew below a third, wait below max(30 s, 10 %) or what the caller needs."""
    assert judge(left, lifetime, min_valid, jitter) is expected


def test_what_can_be_attained() -> None:
    """A token never lives longer than it was given."""
    assert attainable(300, 300)
    assert not attainable(301, 300)


def test_one_call_at_a_time_and_all_get_its_outcome() -> None:
    """The others wait and share."""
    flights: SingleFlight[int] = SingleFlight()
    started, release = threading.Event(), threading.Event()
    calls = []

    def work() -> int:
        calls.append(1)
        started.set()
        release.wait()
        return 7

    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(flights.do, "key", work)
        started.wait()
        assert flights.under_way("key")
        others = [pool.submit(flights.do, "key", work) for _ in range(5)]
        other_key = pool.submit(flights.do, "other", lambda: 8)
        assert other_key.result() == 8
        release.set()
        assert {first.result(), *(other.result() for other in others)} == {7}
    assert not flights.under_way("key")


def test_an_error_is_shared_and_then_forgotten() -> None:
    """The next caller tries again."""
    flights: SingleFlight[int] = SingleFlight()

    def fail() -> int:
        raise ValueError("once")

    with pytest.raises(ValueError, match="once"):
        flights.do("key", fail)
    assert flights.do("key", lambda: 1) == 1
