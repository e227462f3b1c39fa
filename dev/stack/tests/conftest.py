"""Folders and processes for the tests of the stack's parts, which really run."""

import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local_stack.process import Part, Processes


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that an unprivileged user can enter, which pytest's own are not."""
    folder = Path(tempfile.mkdtemp(prefix="offline token vault part-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """A keeper of processes; what it has started is stopped at the end."""
    started: list[str] = []

    class Recording(Processes):
        def start(self, part: Part) -> None:
            started.append(part.name)
            super().start(part)

    keeper = Recording(tmp_path, tmp_path)
    yield keeper
    for name in started:
        keeper.stop(name, signal.SIGKILL)


@pytest.fixture
def sleeper() -> Callable[[str], Part]:
    """Makes a part that runs a line of shell."""

    def make(script: str) -> Part:
        return Part(name="sleeper", command=["/bin/sh", "-c", script], ready=lambda: True, start_seconds=5)

    return make
