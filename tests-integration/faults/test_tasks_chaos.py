"""T1: workers are killed and frozen while they make attempts, and what they need is taken away: no task is lost.

Within 15 s of each strike no worker that has been silent since has an attempt in hand: others make them. The next
strike comes when every task that the last one hit has ended, so that no task comes near the cap of crashes.
"""

import random
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from stack import eventually

from faults.figures import Figures
from faults.task_books import TRANSITIONS, TaskLoad
from faults.task_worker import ShiftedPostgres, TaskWorker
from faults.world import World

WORKERS = 3
HOUR = 3600
BACK_SECONDS = 15.0
HEARTBEAT_SECONDS = 4.0
"""A worker that lives shows a heartbeat within that time."""


@dataclass(frozen=True, slots=True)
class TaskChaosSize:
    """The size of the test. kills: beside those with another clock; freezes: of all kills, how many come with a freeze.

    shifts: of PostgreSQL's clock, in seconds; step: seconds of each of a task's ten steps; away: seconds of the vault's
    outage, at each shift.
    """

    tasks: int
    kills: int
    freezes: int
    shifts: tuple[int, ...]
    step: float
    away: float


SHORT = TaskChaosSize(tasks=24, kills=0, freezes=1, shifts=(HOUR,), step=0.1, away=0)
LONG = TaskChaosSize(tasks=1_000, kills=28, freezes=20, shifts=(HOUR, -HOUR), step=0.3, away=60)


@dataclass
class Chaos:
    """The faults of workers, and the seconds until others had taken their attempts over."""

    tasks: TaskLoad
    workers: list[TaskWorker]
    longest: float = 0.0

    def strike(self, freezes: bool, meanwhile: Callable[[], None] = lambda: None) -> None:
        """kill -9 one worker, freeze another until others make its attempts, and start the first again."""
        eventually(self.tasks.are_made, "attempts are made", 60)
        beats = self.tasks.heartbeats()
        began = time.monotonic()
        killed, frozen = random.sample(self.workers, 2)
        killed.kill()
        if freezes:
            frozen.signal(signal.SIGSTOP)
        try:
            meanwhile()
            killed.start()
            self._wait_for_others(beats, began)
        finally:
            frozen.signal(signal.SIGCONT)

    def recover(self) -> None:
        """Wait until every task that a strike has hit has ended."""
        eventually(self.tasks.have_recovered, "the tasks that were hit have ended", 120)

    def _wait_for_others(self, beats: dict[int, str], began: float) -> None:
        """Until workers that have been silent since have no attempt in hand."""
        time.sleep(max(0.0, began + HEARTBEAT_SECONDS - time.monotonic()))

        def is_taken_over() -> bool:
            silent = {worker for worker, beat in self.tasks.heartbeats().items() if beats.get(worker) == beat}
            return not self.tasks.in_hand() & {*silent, None}

        eventually(is_taken_over, "others make the attempts of dead and frozen workers", 60)
        self.longest = max(self.longest, time.monotonic() - began)


@pytest.fixture
def chaos(world: World, shifted_clock: str, figures: Figures) -> Iterator[Chaos]:
    """Three workers, two of them with clocks that are an hour off; the stack's own is dead."""
    step = str((LONG if figures.long else SHORT).step)
    world.stack.kill("worker")
    preloaded = {"LD_PRELOAD": shifted_clock, "TASK_DEMO_STEP_SECONDS": step}
    workers = [
        TaskWorker(world.stack, f"chaos-worker-{number}", {**preloaded, "CLOCK_SHIFT": str((number - 1) * HOUR)})
        for number in range(WORKERS)
    ]
    for worker in workers:
        worker.start()
    yield Chaos(TaskLoad(world, [world.grant().id for _ in range(4)]), workers)
    for worker in workers:
        worker.end()


@pytest.fixture
def postgres(world: World, shifted_clock: str) -> Iterator[ShiftedPostgres]:
    """The stack's PostgreSQL; afterwards it has the machine's clock again."""
    server = ShiftedPostgres(world.stack, shifted_clock)
    yield server
    server.end()
    world.stack.start()


def test_no_task_is_lost_or_done_twice(postgres: ShiftedPostgres, chaos: Chaos, world: World, figures: Figures) -> None:
    """Kills, freezes, a locked row, the vault away, PostgreSQL killed and back with a clock an hour off."""
    size, tasks = LONG if figures.long else SHORT, chaos.tasks
    kills = size.kills + len(size.shifts)
    with tasks.watched():
        for number in range(size.kills):
            tasks.add(size.tasks // kills)
            chaos.strike(freezes=number < size.freezes - len(size.shifts))
            chaos.recover()
        for shift in size.shifts:
            tasks.add(size.tasks // kills)
            postgres.start(shift)
            eventually(tasks.is_back, "PostgreSQL is back")
            eventually(tasks.are_made, "attempts are made")
            began = time.monotonic()
            with tasks.one_locked():
                chaos.strike(freezes=True, meanwhile=lambda: world.stack.kill("vault"))
            time.sleep(max(0.0, began + size.away - time.monotonic()))
            postgres.end()  # the vault refuses every token while its database's clock is off
            world.stack.start()
            chaos.recover()
        eventually(tasks.have_ended, "every task has ended", 300)
        books = tasks.books()
    figures.keep("T1", f"lost of {len(tasks.ids)} tasks", "0", books.lost)
    figures.keep("T1", "failed", "0", books.given_up)
    figures.keep("T1", "done twice, or more often than the ledger says", "0", books.twice + books.unsaid)
    what = f"seconds until attempts were taken over, the longest of {kills} kill -9 with {size.freezes} freezes"
    figures.keep("T1", what, "15", round(chaos.longest, 1))
    figures.keep("T1", "attempts that others had to make again", "> 0", books.crashed)
    assert (books.lost, books.given_up, books.twice, books.open, books.unsaid) == (0, 0, 0, 0, 0), tasks.ends()
    assert books.crashed > 0
    assert books.transitions <= TRANSITIONS
    assert chaos.longest <= BACK_SECONDS
