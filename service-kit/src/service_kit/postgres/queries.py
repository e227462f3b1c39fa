"""Named SQL queries: a file of a package has them, each below a line `-- name: NAME`."""

import re
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


def load(package: str, file_name: str) -> dict[str, bytes]:
    """The queries of one file of a package, by name, as bytes for psycopg."""
    text = (files(package) / file_name).read_text(encoding="utf-8")
    _, *parts = _NAME.split(text)
    return {name: query.strip().encode() for name, query in zip(parts[::2], parts[1::2], strict=True)}
