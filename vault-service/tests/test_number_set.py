"""Sets of numbers that are kept as ranges do what sets of numbers do."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from vault_service.domain.number_set import NumberSet, as_text, ranges

NUMBERS = st.integers(0, 40)
SPANS = st.lists(st.tuples(NUMBERS, st.integers(0, 6)).map(lambda pair: (pair[0], pair[0] + pair[1])), max_size=20)


def members(held: NumberSet) -> set[int]:
    """All numbers."""
    return {number for first, last in held for number in range(first, last + 1)}


@given(SPANS)
def test_it_holds_what_was_added_in_the_fewest_ranges(spans: list[tuple[int, int]]) -> None:
    """In any order; `add` tells whether all of it was new."""
    held, model = NumberSet(), set[int]()
    for first, last in spans:
        added = set(range(first, last + 1))
        assert held.add(first, last) == model.isdisjoint(added)
        model |= added
    assert members(held) == model
    kept = list(held)
    assert all(before[1] + 1 < after[0] for before, after in pairwise(kept))
    assert all((number in held) == (number in model) for number in range(-1, 50))
    assert list(NumberSet(spans)) == kept


@given(SPANS, NUMBERS, NUMBERS)
def test_gaps_are_the_numbers_between_that_it_lacks(spans: list[tuple[int, int]], first: int, last: int) -> None:
    """Of an empty stretch there are none."""
    held = NumberSet(spans)
    missing = {number for low, high in held.gaps(first, last) for number in range(low, high + 1)}
    assert missing == set(range(first, last + 1)) - members(held)
    assert all(low <= high for low, high in held.gaps(first, last))


def test_a_number_alone_is_a_range_and_reads_as_one() -> None:
    """For people."""
    held = NumberSet()
    assert [held.add(30), held.add(30)] == [True, False]
    assert ranges([7, 30, 5, 6, 9, 8]) == ((5, 9), (30, 30))
    assert as_text(ranges([7, 30, 5, 6, 9, 8])) == "5 to 9, 30"
    assert ranges([]) == ()
