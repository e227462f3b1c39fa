"""One name for one thing: no two public classes of the product have the same name."""

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OWN = {".venv", "node_modules", ".cache", "artifacts"}


def test_no_two_public_classes_share_a_name() -> None:
    """In the sources of all packages; what begins with an underscore is its module's own affair."""
    places: defaultdict[str, list[str]] = defaultdict(list)
    for path in ROOT.rglob("src/**/*.py"):
        if OWN & set(path.relative_to(ROOT).parts):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(str(path.relative_to(ROOT)))
    assert len(places) > 100
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
