"""A world in which things break: the stack with the development authorization server, and vaults to be killed."""

import os
from collections.abc import Iterator

import pytest
from api import Api, command_line_token
from faults.world import World, long_lived
from person import Person
from stack import Stack

LONG = os.environ.get("FAULTS") == "long"
"""Whether the figures are measured at their full size; else a short form that shows the same."""


@pytest.fixture(scope="module")
def world(stack: Stack, alice_person: Person) -> Iterator[World]:
    """The stack with Alice in it; whatever was broken is whole again afterwards."""
    if not stack.is_dev:
        pytest.skip("needs the switches of the development authorization server")
    bearer = long_lived(stack, command_line_token(stack, "alice"))
    broken = World(stack, Api(stack, bearer), alice_person, bearer)
    yield broken
    for process in broken.processes:
        process.stop()
    stack.start()
    stack.control("DELETE", "")
