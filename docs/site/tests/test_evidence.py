"""The tests that a page names as the proof of a line exist."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
NAME = re.compile(r"`(?P<file>[\w./-]*\.(?:py|ts|tsx))?(?:…)?(?:::(?P<test>test_\w+))?`")


@pytest.fixture(scope="module")
def files() -> list[str]:
    """The paths of the repository."""
    told = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True)
    return told.stdout.splitlines()


@pytest.mark.parametrize("page", ["threat-model.md", "operations.md", "faults.md"])
def test_every_test_that_a_page_names_exists(files: list[str], page: str) -> None:
    """A name without a file belongs to the file that was named last."""
    named: list[Path] = []
    missing = []
    for found in NAME.finditer((ROOT / "docs" / page).read_text()):
        if found["file"]:
            ending = "/" + found["file"]
            named = [ROOT / path for path in files if f"/{path}".endswith(ending)]
        is_there = not found["test"] or any(f"def {found['test']}(" in path.read_text() for path in named)
        if not named or not is_there:
            missing.append(found[0])
    assert not [name for name in missing if name != "``"]
