"""A world in which things break: the stack with the development authorization server, and vaults to be killed."""

import os
from collections.abc import Iterator

import pytest
from api import command_line_token
from person import Person
from stack import ARTIFACTS, Stack

from faults.figures import Figures
from faults.world import World, long_lived

FIGURES = pytest.StashKey[Figures]()


def pytest_configure(config: pytest.Config) -> None:
    """FAULTS=long measures the figures at their full size; else a short form shows the same."""
    config.stash[FIGURES] = Figures(long=os.environ.get("FAULTS") == "long")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the figures and keep them."""
    figures = config.stash[FIGURES]
    if figures.kept:
        figures.write(ARTIFACTS / "faults.json")
        terminalreporter.section("figures under faults")
        for line in figures.table():
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def figures(pytestconfig: pytest.Config) -> Figures:
    """Where a test puts what it has measured."""
    return pytestconfig.stash[FIGURES]


@pytest.fixture(scope="module")
def world(stack: Stack, alice_person: Person) -> Iterator[World]:
    """The stack with Alice in it; whatever was broken is whole again afterwards."""
    if not stack.is_dev:
        pytest.skip("needs the switches of the development authorization server")
    broken = World(stack, alice_person, long_lived(stack, command_line_token(stack, "alice")))
    yield broken
    for process in broken.processes:
        process.end()
    stack.start()
    stack.control("DELETE", "")
