"""The result of one measurement."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


class BenchError(Exception):
    """The figures would be meaningless; the message gives the reason."""


@dataclass(frozen=True, slots=True)
class LoadOutcome:
    """rate: answers a second; p50, p99: milliseconds; count: number of answers, all of them 200.

    processor: microseconds of processor time for each answer, by part of the stack.
    """

    rate: float
    p50: float
    p99: float
    count: int
    processor: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, latencies: Sequence[float], seconds: float) -> "LoadOutcome":
        """The outcome of the latencies (seconds) of all answers within some seconds.

        Raises BenchError if there is none.
        """
        if not latencies:
            raise BenchError("nothing was answered: measure for longer")
        ordered = sorted(latencies)
        return cls(len(ordered) / seconds, 1000 * quantile(ordered, 0.5), 1000 * quantile(ordered, 0.99), len(ordered))


def quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that is not below that share of them (nearest rank)."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
