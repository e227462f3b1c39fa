"""A queue that is fair between owners: start-time fair queueing (Goyal, Vin and Cheng, 1996) with runs of equal size.

Each queued run has a tag, and the lowest is taken first. A run gets the later of two: the lowest tag that waits (the
queue's time), and one more than the greatest tag that its owner has waiting. So the runs of one owner are spread over
the queue, one at each tag: another owner's run comes after as many as there are owners, not after all that were queued
before it. The tags begin again when the queue is empty.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass

GREATEST_TAG = 2**31 - 1
"""What the engine can store; runs beyond it share the last place."""


@dataclass(frozen=True, slots=True)
class OwnerLimits:
    """The limits of one owner: tasks, and open ones among them, which are waiting, queued or running.

    Runs of schedules and dependencies are not refused: a task has one at a time, so that `tasks` limits them too.
    Requests at the same moment may each pass.
    """

    tasks: int
    open: int


DEFAULT_LIMITS = OwnerLimits(tasks=1_000_000, open=100_000)


class Priority(enum.StrEnum):
    """A task's place among its owner's own. It takes no place from other owners beyond one at each tag and priority."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"

    @property
    def urgency(self) -> int:
        """The same as a number: 0, 1 or 2."""
        return list(Priority).index(self)

    @classmethod
    def of(cls, urgency: int) -> "Priority":
        """The priority of a number."""
        return list(cls)[urgency]


def tag(queue_time: int, own: Mapping[int, int], urgency: int) -> int:
    """The tag of a run that is queued now.

    queue_time: the lowest tag that waits, 0 in an empty queue; own: the greatest tag that the owner has waiting, by
    urgency. Runs of a lower priority do not hold it up.
    """
    behind_own = [greatest + 1 for of, greatest in own.items() if of >= urgency]
    return min(max([queue_time, *behind_own]), GREATEST_TAG)
