"""PostgreSQL killed with a refresh at every step: what it does not take goes to the spool, and nothing is lost."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import psycopg
import pytest
from stack import eventually

from faults.figures import Figures
from faults.steps import ARRIVED_WRITE, ASKED, LOST_WRITE, SLOW, STEPS, at_every_step
from faults.world import Books, World

SPOOLED = frozenset({*ASKED, LOST_WRITE, ARRIVED_WRITE})
"""Where the server has rotated the token and PostgreSQL has not heard of it."""


@dataclass(frozen=True)
class Outage:
    """The observations.

    spooled: the steps whose grants were on the spool during the outage. seconds: until all gave tokens. diskless: the
    outcome for the grant of a vault that had no disk either.
    """

    spooled: frozenset[str]
    seconds: float
    answers: dict[str, str]
    books: dict[str, Books]
    diskless: tuple[str, Books]


@pytest.fixture(scope="module")
def outage(world: World, figures: Figures) -> Outage:
    """PostgreSQL is killed, the answers arrive, and it comes back. The server allows no reuse."""
    world.settings(refreshTokenMaxReuse=0)
    vault = world.vault("outage").start()
    diskless = world.vault("diskless", environ={"VAULT_SPOOL_DIR": "/dev/null/spool"}).start()
    unlucky = world.grant()
    with at_every_step(world, vault) as scene:
        world.plan({"hold": SLOW, "times": 1})
        answer = scene.callers.submit(diskless.ask, world.bearer, unlucky.id, scope="openid")
        eventually(lambda: world.server_refreshes(unlucky) == 1, "the server has rotated the token")
        grants = {step: held.granted for step, held in scene.held.items()}
        steps = {held.granted.id: step for step, held in scene.held.items()}
        world.stack.kill("postgres")
        for held in scene.held.values():
            assert held.answer.result().status_code == 503
        assert answer.result().status_code == 503
        spooled = frozenset(steps[path.stem] for path in vault.spool.iterdir())
        with ThreadPoolExecutor() as starter:
            starting = starter.submit(world.stack.start)
            eventually(lambda: is_back(world), "PostgreSQL is back")
            back = time.monotonic()
            answers = {step: world.settled(vault, granted, "profile") for step, granted in grants.items()}
            seconds = time.monotonic() - back
            starting.result()
    world.settings(refreshTokenMaxReuse=1)
    world.let_time_pass(unlucky)
    made_up_for = world.settled(diskless, unlucky, "profile"), world.books(unlucky)
    figures.keep("P8", "seconds to recover after PostgreSQL was killed", "≤ 5", round(seconds, 1))
    books = {step: world.books(granted) for step, granted in grants.items()}
    return Outage(spooled, seconds, answers, books, made_up_for)


def is_back(world: World) -> bool:
    """True when PostgreSQL accepts connections."""
    try:
        world.connect().close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.mark.parametrize("step", STEPS)
def test_a_grant_survives_it(outage: Outage, step: str) -> None:
    """Without any reuse."""
    assert outage.answers[step] == "ok"
    assert (step in outage.spooled) == (step in SPOOLED)
    books = outage.books[step]
    assert (books.status, books.ended, books.reuses) == ("active", "", 0)
    assert books.balanced


def test_without_a_disk_one_reuse_makes_up_for_it(outage: Outage) -> None:
    """PostgreSQL away and the spool not writable: the old token is sent again."""
    answer, books = outage.diskless
    assert answer == "ok"
    assert (books.status, books.ended, books.reuses) == ("active", "", 1)
    assert books.balanced
