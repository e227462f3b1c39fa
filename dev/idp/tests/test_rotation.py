"""The rule of rotation and reuse, by itself."""

import pytest

from dev_idp.realm import Lifetimes
from dev_idp.rotation import TokenUse, refusal

OVERUSED = "Maximum allowed refresh token reuse exceeded"


def rules(*, rotate: bool = True, max_reuse: int = 1) -> Lifetimes:
    return Lifetimes(300, 1800, 36000, 2592000, rotate, max_reuse)


@pytest.mark.parametrize(
    ("max_reuse", "uses", "expected"),
    [(0, 0, None), (0, 1, OVERUSED), (1, 1, None), (1, 2, OVERUSED), (3, 3, None), (3, 4, OVERUSED)],
)
def test_a_token_may_be_used_once_and_as_often_again_as_allowed(max_reuse, uses, expected):
    assert refusal(rules(max_reuse=max_reuse), TokenUse(uses, generation=4, newest_used=4)) == expected


def test_a_token_is_stale_once_its_child_was_used():
    assert refusal(rules(), TokenUse(uses=1, generation=3, newest_used=4)) == "Stale token"


def test_without_rotation_nothing_is_refused():
    assert refusal(rules(rotate=False), TokenUse(uses=99, generation=0, newest_used=9)) is None
