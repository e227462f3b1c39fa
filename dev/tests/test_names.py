"""One name for one thing: no two public classes of the product have the same name."""

import ast
import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OTHERS = {".venv", ".git", ".cache", "node_modules", "artifacts"}


def sources() -> Iterator[Path]:
    """The Python sources of all packages, without the tens of thousands of files that were installed."""
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in OTHERS]
        if "src" in Path(folder).relative_to(ROOT).parts:
            yield from (Path(folder, name) for name in files if name.endswith(".py"))


def test_no_two_public_classes_share_a_name() -> None:
    """In the sources of all packages; what begins with an underscore is its module's own affair."""
    places: defaultdict[str, list[str]] = defaultdict(list)
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(str(path.relative_to(ROOT)))
    assert len(places) > 100
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
