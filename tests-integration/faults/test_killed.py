"""kill -9 of a vault at every step of a refresh: no grant is lost while the server allows one reuse."""

from dataclasses import dataclass

import pytest
from stack import eventually

from faults.steps import BEGUN, LOST_WRITE, SENT, STEPS, at_every_step
from faults.world import Books, World, outcome


@dataclass(frozen=True)
class Aftermath:
    """A grant after a kill. first: the immediate answer to its next caller; later: the answer after waiting."""

    first: str
    later: str
    books: Books


def kill_at_every_step(world: World, name: str, *, reuse: int) -> dict[str, Aftermath]:
    """Kill one vault that stands at every step; another takes its place."""
    world.settings(refreshTokenMaxReuse=reuse)
    successor = world.vault(f"{name}-successor")
    successor.launch()
    victim = world.vault(f"{name}-victim").start()
    successor.wait_ready()
    with at_every_step(world, victim) as scene:
        victim.kill()
        for held in scene.held.values():
            assert held.answer.exception(timeout=10), "nobody can have been answered"
        # A write that has left may still be lost, or be done for the dead.
        for backend in scene.held[LOST_WRITE].backends:
            world.one("select pg_terminate_backend(%s)", backend)
        scene.release()
        eventually(scene.served, "the server has done what it was asked for")
        grants = {step: held.granted for step, held in scene.held.items()}
    first = {step: outcome(successor.ask(world.bearer, held.id, scope="profile")) for step, held in grants.items()}
    world.let_time_pass(*grants.values())

    return {
        step: Aftermath(first[step], world.settled(successor, granted, "email"), world.books(granted))
        for step, granted in grants.items()
    }


@pytest.fixture(scope="module")
def one_reuse(world: World) -> dict[str, Aftermath]:
    """The kill, with the one reuse that the vault asks for."""
    return kill_at_every_step(world, "killed", reuse=1)


@pytest.fixture(scope="module")
def no_reuse(world: World) -> dict[str, Aftermath]:
    """The kill, at a server that allows no reuse."""
    return kill_at_every_step(world, "killed-strictly", reuse=0)


@pytest.mark.parametrize("step", STEPS)
def test_a_grant_survives_the_kill(one_reuse: dict[str, Aftermath], step: str) -> None:
    """The grant gives a token again: at once when nothing was sent or all was stored, else by one replay of the old
    token.
    """
    after = one_reuse[step]
    assert after.later == "ok"
    assert after.first == ("provider_unavailable" if step in BEGUN else "ok")
    assert after.books.ended == ""
    assert after.books.balanced
    assert after.books.reuses == (step in SENT)


@pytest.mark.parametrize("step", STEPS)
def test_without_reuse_only_what_was_sent_and_not_stored_is_lost(no_reuse: dict[str, Aftermath], step: str) -> None:
    """The very reason for the precondition. What is lost is named as such, and the server is not asked again."""
    after = no_reuse[step]
    if step in SENT:
        assert (after.later, after.books.status, after.books.ended) == (
            "reauthorization_required",
            "failed",
            "detached",
        )
    else:
        assert (after.later, after.books.status, after.books.ended) == ("ok", "active", "")
        assert after.books.balanced


def test_the_dead_leave_no_lock_behind(world: World, one_reuse: dict[str, Aftermath]) -> None:
    """Nothing waits for a process that is gone."""
    locks = "select count(*) from pg_locks where locktype = 'advisory'"
    eventually(lambda: world.one(locks) == (0,), "only the living hold one, for a moment: to write a checkpoint")
