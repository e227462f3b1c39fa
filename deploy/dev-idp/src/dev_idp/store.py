"""State that outlives a restart, in one SQLite file that only its owner can read."""

import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any


def now() -> int:
    """Seconds since the epoch."""
    return int(time.time())


class Store:
    """SQLite in WAL mode, a connection for each thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        self._connection().executescript((files(__package__) / "schema.sql").read_text())

    def run(self, statement: str, *values: Any) -> int:
        """Execute one statement; how many rows it changed."""
        return self._connection().execute(statement, values).rowcount

    def one(self, query: str, *values: Any) -> sqlite3.Row | None:
        """The first row, or None."""
        row: sqlite3.Row | None = self._connection().execute(query, values).fetchone()
        return row

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, and nobody else writes in between."""
        connection = self._connection()
        connection.execute("begin immediate")
        try:
            yield
        except BaseException:
            connection.execute("rollback")
            raise
        connection.execute("commit")

    def remembered(self, name: str, make: Callable[[], Any]) -> Any:
        """A JSON value that is made once and kept."""
        row = self.one("select value from meta where name = ?", name)
        if row is None:
            self.run("insert or ignore into meta values (?, ?)", name, json.dumps(make()))
            row = self.one("select value from meta where name = ?", name)
        return json.loads(row["value"]) if row else None

    def remember(self, name: str, value: Any) -> None:
        """Replace a remembered value."""
        self.run("insert or replace into meta values (?, ?)", name, json.dumps(value))

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = sqlite3.connect(self._path, isolation_level=None, timeout=10)
            connection.row_factory = sqlite3.Row
            connection.executescript("pragma journal_mode=wal; pragma synchronous=normal; pragma foreign_keys=on")
        return connection
