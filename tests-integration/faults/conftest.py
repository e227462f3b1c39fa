"""A world in which things break: the stack with the development authorization server, and vaults to be killed."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

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


@pytest.fixture(scope="module")
def shifted_clock(stack: Stack) -> str:
    """A library that shifts the clock of a process that preloads it, readable for every part of the stack."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("needs a C compiler, for a library that shifts a process's clock")
    library = stack.state_dir / "shifted_clock.so"
    source = Path(__file__).with_name("shifted_clock.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"], check=True)
    return str(library)
