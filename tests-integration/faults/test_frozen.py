"""SIGSTOP of a vault at every step of a refresh: others wait for it or take over, and when it wakes it does no harm."""

from concurrent.futures import Future, ThreadPoolExecutor

import pytest
import requests
from stack import eventually

from faults.figures import Figures
from faults.steps import ARRIVED_WRITE, SENT, SLOW, STEPS, at_every_step
from faults.world import Books, Granted, World, outcome

Outcomes = dict[str, tuple[str, str, Books]]


@pytest.fixture(scope="module")
def waited_for(world: World) -> Outcomes:
    """A vault freezes with a refresh at every step, another is asked for the same, the first thaws.

    What the callers of both got, and the books. The server allows no reuse.
    """
    world.settings(refreshTokenMaxReuse=0)
    rival = world.vault("frozen-rival")
    rival.launch()
    victim = world.vault("frozen").start()
    rival.wait_ready()
    with at_every_step(world, victim) as scene:
        victim.freeze()
        others: dict[str, Future[requests.Response]] = {
            step: scene.callers.submit(rival.ask, world.bearer, held.granted.id, scope="openid")
            for step, held in scene.held.items()
        }
        eventually(scene.served, "the server has done what it was asked for")
        assert world.requests() == 1, "nobody else has asked the server"
        victim.thaw()
        scene.release()
        return {
            step: (outcome(held.answer.result()), outcome(others[step].result()), world.books(held.granted))
            for step, held in scene.held.items()
        }


@pytest.mark.parametrize("step", STEPS)
def test_others_wait_for_a_vault_that_freezes_for_a_while(waited_for: Outcomes, step: str) -> None:
    """One refresh serves them all."""
    own, others, books = waited_for[step]
    assert (own, others) == ("ok", "ok")
    assert (books.status, books.ended, books.refreshes, books.reuses) == ("active", "", 1, 0)
    assert books.balanced


@pytest.fixture(scope="module")
def taken_over(world: World) -> Outcomes:
    """A vault freezes and loses its connections with its locks. Another takes over, then the first continues.

    Yields the token of the second's caller, the answer to a later caller of the first, and the books. One reuse is
    allowed.
    """
    world.settings(refreshTokenMaxReuse=1)
    rival = world.vault("takeover")
    rival.launch()
    victim = world.vault("zombie").start()
    rival.wait_ready()
    with at_every_step(world, victim) as scene:
        victim.freeze()
        eventually(scene.served, "the server has done what it was asked for")
        scene.release(ARRIVED_WRITE)
        arrived = scene.held[ARRIVED_WRITE].granted
        eventually(lambda: world.books(arrived).generation == 2, "its outcome is stored")
        world.one("select count(pg_terminate_backend(pid)) from pg_stat_activity where usename = 'vault'")
        scene.release()
        grants: dict[str, Granted] = {step: held.granted for step, held in scene.held.items()}
        world.let_time_pass(*grants.values())
        taken = {step: world.settled(rival, granted, "profile") for step, granted in grants.items()}
        victim.thaw()
        for held in scene.held.values():
            assert held.answer.result().status_code in {200, 503}
    return {
        step: (taken[step], world.settled(victim, granted, "email"), world.books(granted))
        for step, granted in grants.items()
    }


@pytest.mark.parametrize("step", STEPS)
def test_a_vault_that_wakes_up_too_late_changes_nothing(taken_over: Outcomes, step: str) -> None:
    """The first vault's outcome is of an old generation. The grant keeps the outcome that the other has stored."""
    others, own, books = taken_over[step]
    assert (others, own) == ("ok", "ok")
    assert (books.status, books.ended, books.reuses) == ("active", "", int(step in SENT))
    assert books.balanced


def test_a_vault_that_stays_frozen_holds_up_others_for_15_seconds_at_most(world: World, figures: Figures) -> None:
    """All places to wait are taken by callers of the grant that it has locked; then they are sent away."""
    if not figures.long:
        pytest.skip("takes 15 s: part of the long form (FAULTS=long)")
    world.settings(refreshTokenMaxReuse=1)
    rival = world.vault("held-up", threads=4)
    rival.launch()
    victim = world.vault("ice").start()
    rival.wait_ready()
    locked, other = world.grant(), world.grant()
    world.plan({"delay": SLOW, "times": 1})
    with ThreadPoolExecutor() as callers:
        asked = callers.submit(victim.ask, world.bearer, locked.id, scope="openid")
        eventually(lambda: world.requests() == 1, "the server is asked")
        victim.freeze()
        waiting = [callers.submit(rival.ask, world.bearer, locked.id, scope="openid") for _ in range(4)]
        assert world.settled(rival, other, "openid", seconds=25) == "ok"
        assert {outcome(answer.result()) for answer in waiting} == {"provider_unavailable"}
        victim.thaw()
        assert outcome(asked.result()) == "ok"  # the answer had come, and nobody has used the token since
    assert world.settled(rival, locked, "profile") == "ok"
    books = world.books(locked)
    assert (books.reuses, books.ended, books.balanced) == (0, "", True)
