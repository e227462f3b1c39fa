"""Finds the places where a package's sources write a problem code."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from service_kit.http import problems
from service_kit.http.openapi import Api
from service_kit.http.problems import ProblemTable, ProblemType, types_of

KIT_TYPES = {value for value in vars(problems).values() if isinstance(value, ProblemType)}
_PAGE = Path(__file__).parents[2] / "docs" / "api.md"
_SQL_WORD = re.compile(r"'(\w+)'")


def table_types(table: ProblemTable) -> set[ProblemType]:
    """The problem types of a table."""
    return {kind for error in table for kind in types_of(error, table)}


def declared_codes(api: Api) -> set[str]:
    """The codes that an API's document lists, all operations together."""
    responses: list[dict[str, Any]] = [
        response
        for item in api.document()["paths"].values()
        for operation in item.values()
        for response in operation["responses"].values()
    ]
    bodies = [response.get("content", {}).get(problems.CONTENT_TYPE) for response in responses]
    return {code for body in bodies if body for code in body["schema"]["allOf"][1]["properties"]["code"]["enum"]}


def documented_codes() -> set[str]:
    """The words in docs/api.md that may be codes."""
    return set(re.findall(r"`([a-z_]+)`", _PAGE.read_text(encoding="utf-8").partition("## Codes")[2]))


def written(codes: set[str], *packages: ModuleType) -> dict[str, list[str]]:
    """For each code, the files of the packages that have it as a string of its own, in Python or SQL."""
    found: dict[str, list[str]] = {code: [] for code in codes}
    for package in packages:
        folder = Path(package.__path__[0])
        for file in sorted(folder.rglob("*")):
            for word in _words(file):
                if word in found:
                    found[word].append(str(file.relative_to(folder.parent)))
    return found


def _words(file: Path) -> Iterator[str]:
    if file.suffix == ".py":
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value
    elif file.suffix == ".sql":
        yield from _SQL_WORD.findall(file.read_text(encoding="utf-8"))
