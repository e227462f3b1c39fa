"""A world in which things break: the stack with the development authorization server, and vaults to be killed."""

from collections.abc import Iterator

import pytest
from api import command_line_token
from person import Person
from stack import Stack

from faults.world import World, long_lived


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
