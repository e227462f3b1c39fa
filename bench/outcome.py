"""What one measurement gives."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


class BenchError(Exception):
    """The figures would mean nothing; the message says why."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """rate: answers a second; p50, p99: milliseconds; count: answers, all of them good.

    processor: microseconds of processor time that an answer cost, by the part of the stack that spent it.
    """

    rate: float
    p50: float
    p99: float
    count: int
    processor: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, latencies: Sequence[float], seconds: float) -> "Outcome":
        """From the latencies, in seconds, of all that was answered in so many seconds. Raises BenchError for none."""
        if not latencies:
            raise BenchError("nothing was answered: measure for longer")
        ordered = sorted(latencies)
        return cls(len(ordered) / seconds, 1000 * quantile(ordered, 0.5), 1000 * quantile(ordered, 0.99), len(ordered))


def quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that is not below that share of them (nearest rank)."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
