"""Which tests pytest-xdist keeps on one worker, and so on one stack: those of a file that share a fixture of a module.

All others go to whichever worker is free. (xdist's own `loadgroup` sees no groups with pytest 9.)
"""

from functools import cache
from pathlib import Path

from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).parents[1]
SHARED = 'scope="module"'


class StackScheduling(LoadScopeScheduling):  # type: ignore[misc] # xdist has no types
    """A file with shared fixtures is one unit of work, of other files each test."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return file if shares_fixtures(file) else nodeid


@cache
def shares_fixtures(file: str) -> bool:
    """True for a file with a module's fixture, its own or its folder's."""
    path = ROOT / file
    places = (path, path.with_name("conftest.py"))
    return any(SHARED in each.read_text(encoding="utf-8") for each in places if each.exists())
