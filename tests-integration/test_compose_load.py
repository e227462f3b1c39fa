"""The bounds of the tests under load: no container is needed."""

from collections import Counter
from typing import cast

import pytest
from api import Api
from compose_load import Bounds, Load
from compose_stack import ComposeStack
from test_compose_scale import CUT_OFF, DATABASE_AWAY, GATEWAY_AWAY, KEYCLOAK_AWAY, ONE_OF_TWO

ALL = (Bounds(), CUT_OFF, DATABASE_AWAY, GATEWAY_AWAY, KEYCLOAK_AWAY, ONE_OF_TWO)


def load(*, gap: float = 0.1, others: dict[str, int] | None = None) -> Load:
    """A load that has ended, without a stack."""
    return Load(cast("ComposeStack", None), cast("Api", None), [], 0, gap=gap, others=Counter(others or {}))


@pytest.mark.parametrize("bounds", ALL)
def test_nothing_to_notice_is_within_all_bounds(bounds: Bounds) -> None:
    """Else the others of these tests would say nothing."""
    load().assert_within(bounds)


@pytest.mark.parametrize("bounds", ALL)
def test_a_minute_without_a_token_is_within_none(bounds: Bounds) -> None:
    """Whatever has failed: an outage."""
    with pytest.raises(AssertionError, match="without a token"):
        load(gap=60).assert_within(bounds)


@pytest.mark.parametrize("status", ["503", "no answer"])
@pytest.mark.parametrize("bounds", ALL)
def test_a_thousand_requests_that_fail_are_within_none(bounds: Bounds, status: str) -> None:
    """Although some succeed between them."""
    with pytest.raises(AssertionError):
        load(others={status: 1000}).assert_within(bounds)


@pytest.mark.parametrize("bounds", ALL)
def test_any_other_answer_is_within_none(bounds: Bounds) -> None:
    """A fault is told by 503, or by no answer at all."""
    with pytest.raises(AssertionError):
        load(others={"500": 1}).assert_within(bounds)


def test_without_a_fault_no_request_fails() -> None:
    """Not one."""
    for status in ("503", "no answer"):
        with pytest.raises(AssertionError):
            load(others={status: 1}).assert_within(Bounds())
