"""A set of numbers that is kept as ranges: its size grows with its gaps, not with its members."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator

Ranges = tuple[tuple[int, int], ...]
"""Numbers as inclusive ranges, ascending."""


class NumberSet:
    """Grows only. Members that come in order cost the least."""

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self._ranges: list[tuple[int, int]] = []
        for first, last in ranges:
            self.add(first, last)

    def add(self, first: int, last: int | None = None) -> bool:
        """Add a number, or all from `first` to `last`. False when one of them was there before."""
        last = first if last is None else last
        start = bisect_right(self._ranges, (first,)) if self._ranges else 0
        if start and self._ranges[start - 1][1] >= first - 1:
            start -= 1
        end, low, high, is_new = start, first, last, True
        while end < len(self._ranges) and self._ranges[end][0] <= last + 1:
            known = self._ranges[end]
            is_new = is_new and (known[1] < first or known[0] > last)
            low, high, end = min(low, known[0]), max(high, known[1]), end + 1
        self._ranges[start:end] = [(low, high)]
        return is_new

    def __contains__(self, number: int) -> bool:
        place = bisect_right(self._ranges, (number, float("inf")))
        return place > 0 and self._ranges[place - 1][1] >= number

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """The ranges, ascending."""
        return iter(self._ranges)

    def gaps(self, first: int, last: int) -> Ranges:
        """The numbers from `first` to `last` that are not in the set."""
        found, expected = [], first
        for low, high in self._ranges:
            if low > last:
                break
            if low > expected:
                found.append((expected, low - 1))
            expected = max(expected, high + 1)
        return (*found, (expected, last)) if expected <= last else tuple(found)


def ranges(numbers: Iterable[int]) -> Ranges:
    """Numbers as inclusive ranges."""
    return tuple(NumberSet((number, number) for number in numbers))


def as_text(covered: Iterable[tuple[int, int]]) -> str:
    """Ranges as a person reads them: `5 to 9, 30`."""
    return ", ".join(str(first) if first == last else f"{first} to {last}" for first, last in covered)
