"""State that survives a restart: one SQLite file that only its owner can read.

`queries.sql` has the statements, each with a name; callers use names, never SQL.
"""

import json
import os
import re
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

_SCHEMA_VERSION = 3  # increment it with any change of schema.sql
_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


class Store:
    """One connection and one lock: the server is one process, and SQLite has one writer anyway."""

    def __init__(self, path: Path) -> None:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        self._lock = threading.RLock()
        self._queries = _named_queries()
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
        self._connection.row_factory = sqlite3.Row
        self._connection.executescript("pragma journal_mode=wal; pragma synchronous=normal; pragma foreign_keys=on")
        self._drop_other_schema()
        self._connection.executescript((files(__package__) / "schema.sql").read_text(encoding="utf-8"))

    def run(self, query: str, **values: Any) -> int:
        """Execute a statement; returns the number of changed rows."""
        with self._lock:
            return self._connection.execute(self._queries[query], values).rowcount

    def one(self, query: str, **values: Any) -> sqlite3.Row | None:
        """The first row, or None."""
        with self._lock:
            row: sqlite3.Row | None = self._connection.execute(self._queries[query], values).fetchone()
        return row

    def all(self, query: str, **values: Any) -> list[sqlite3.Row]:
        """Every row."""
        with self._lock:
            return self._connection.execute(self._queries[query], values).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """An exclusive transaction: no other reads or writes meanwhile."""
        with self._lock:
            self._connection.execute("begin immediate")
            try:
                yield
            except BaseException:
                self._connection.execute("rollback")
                raise
            self._connection.execute("commit")

    def remembered(self, name: str, make: Callable[[], Any]) -> Any:
        """A JSON value that is created once and stored."""
        with self._lock:
            row = self.one("value", name=name)
            if row is not None:
                return json.loads(row["value"])
            value = make()
            self.remember(name, value)
            return value

    def remember(self, name: str, value: Any) -> None:
        """Replace a stored value."""
        self.run("keep_value", name=name, value=json.dumps(value))

    def sweep(self, now: int, keep: int) -> None:
        """Delete rows that ended more than `keep` seconds ago."""
        for query in ("sweep_codes", "sweep_devices", "sweep_logins", "sweep_grants"):
            self.run(query, long_ago=now - keep)
        self.run("sweep_revoked_access_tokens", now=now)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def _drop_other_schema(self) -> None:
        """Delete the state of another version of this server; it is not worth a migration."""
        (version,) = self._connection.execute("pragma user_version").fetchone()
        if version != _SCHEMA_VERSION:
            self._connection.execute("pragma foreign_keys=off")
            for table in _tables(self._connection):
                self._connection.execute(f'drop table "{table}"')
            self._connection.execute("pragma foreign_keys=on")
            self._connection.execute(f"pragma user_version={_SCHEMA_VERSION}")


def _tables(connection: sqlite3.Connection) -> list[str]:
    names = connection.execute("select name from sqlite_master where type = 'table' and name not like 'sqlite_%'")
    return [row["name"] for row in names]


def _named_queries() -> Mapping[str, str]:
    parts = _NAME.split((files(__package__) / "queries.sql").read_text(encoding="utf-8"))
    return dict(zip(parts[1::2], parts[2::2], strict=True))
