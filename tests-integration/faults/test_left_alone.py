"""Callers who hang up and a vault that is told to stop, at every step of a refresh: what was begun is finished."""

import pytest
import requests
from stack import eventually

from faults.steps import STEPS, at_every_step
from faults.world import Books, World, outcome

PATIENCE = 3.0


@pytest.fixture(scope="module")
def hung_up(world: World) -> dict[str, Books]:
    """The books when all callers have left, and the vault has continued. The server allows no reuse."""
    world.settings(refreshTokenMaxReuse=0)
    vault = world.vault("left").start()
    with at_every_step(world, vault, PATIENCE) as scene:
        for held in scene.held.values():
            assert isinstance(held.answer.exception(), requests.Timeout)
        scene.release()
        eventually(scene.served, "the server has done what it was asked for")
        grants = {step: held.granted for step, held in scene.held.items()}
    eventually(lambda: not any(world.books(granted).intent for granted in grants.values()), "all is stored")
    return {step: world.books(granted) for step, granted in grants.items()}


@pytest.mark.parametrize("step", STEPS)
def test_a_refresh_is_finished_although_its_caller_has_left(hung_up: dict[str, Books], step: str) -> None:
    """The next caller finds it done."""
    books = hung_up[step]
    assert (books.status, books.generation, books.refreshes, books.reuses, books.ended) == ("active", 2, 1, 0, "")


@pytest.fixture(scope="module")
def told_to_stop(world: World) -> dict[str, tuple[str, Books]]:
    """The answers of a vault that was told to stop, and the books. The server allows no reuse."""
    world.settings(refreshTokenMaxReuse=0)
    vault = world.vault("stopped").start()
    with at_every_step(world, vault) as scene:
        vault.terminate()
        scene.release()
        answers = {step: outcome(held.answer.result()) for step, held in scene.held.items()}
        vault.wait()
        return {step: (answers[step], world.books(held.granted)) for step, held in scene.held.items()}


@pytest.mark.parametrize("step", STEPS)
def test_sigterm_drains(told_to_stop: dict[str, tuple[str, Books]], step: str) -> None:
    """Every caller gets his token, and it is stored."""
    answer, books = told_to_stop[step]
    assert answer == "ok"
    assert (books.status, books.generation, books.refreshes, books.reuses, books.ended) == ("active", 2, 1, 0, "")
