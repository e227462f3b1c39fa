"""Schema migrations: numbered SQL files, each applied once, in order, in a transaction of its own.

`NNNN_name.pre.sql` runs before the new code is rolled out and must work with the old code too; `.post.sql` runs after
it.
"""

from collections.abc import Callable, Mapping
from importlib.resources import files

import psycopg

from service_kit.postgres.database import Database, demand_direct, session

WAIT_SECONDS = 60.0
"""Seconds that a migration waits for another migration, and for a lock on a table that is in use."""


class SchemaMismatchError(Exception):
    """This version of the code cannot work with the database's schema."""


class Migrations:
    """The migrations of one service."""

    def __init__(
        self, package: str, name: str, *, command: str, libraries: Mapping[str, Callable[[], bytes]] | None = None
    ) -> None:
        """package: where the SQL files are; name: the database's, at most 8 characters; command: what operators run.

        libraries: schemas of libraries, by the name of the migration after which they are applied.
        """
        self._package = package
        self._name = name
        self._command = command
        self._libraries = libraries or {}

    def apply(self, url: str, *, pre_only: bool = False) -> list[str]:
        """Apply the missing migrations as the schema's owner; returns the names of the applied files.

        pre_only: apply only files that the previous version of the code can work with. Raises SchemaMismatchError if
        the database has a newer version, and psycopg.Error.
        """
        parameters = session(f"{self._name}-migrate", statement_timeout=None, lock_timeout=WAIT_SECONDS)
        with psycopg.connect(url, **parameters) as connection:
            demand_direct(connection)
            # Replicas that start together migrate one after the other.
            connection.execute("select pg_advisory_lock(%s)", [int.from_bytes(self._name.encode())])
            connection.execute(
                "create table if not exists schema_migrations"
                " (name text primary key, applied_at timestamptz not null default now())"
            )
            rows = connection.execute("select name from schema_migrations").fetchall()
            pending = due({name for (name,) in rows}, self.available(), pre_only=pre_only)
            for name in pending:
                with connection.transaction():
                    connection.execute((files(self._package) / name).read_bytes())
                    if name in self._libraries:
                        connection.execute(self._libraries[name]())
                    connection.execute("insert into schema_migrations (name) values (%s)", [name])
            return pending

    def available(self) -> set[str]:
        """The names of all migrations that this version of the code knows."""
        return {entry.name for entry in files(self._package).iterdir() if entry.name.endswith(".sql")}

    def check(self, database: Database) -> None:
        """Return if this version of the code can work with the database's schema.

        The schema may lack `.post.sql` files, and may have `.pre.sql` files of a newer version. Raises
        SchemaMismatchError, PoolerError, or the database's `unavailable` error.
        """
        database.demand_direct()
        try:
            applied = {name for (name,) in database.all(b"select name from schema_migrations", {})}
        except (psycopg.errors.UndefinedTable, psycopg.errors.InsufficientPrivilege):
            applied = set()
        if missing := [name for name in self.available() - applied if name.endswith(".pre.sql")]:
            raise SchemaMismatchError(f"the database lacks {', '.join(sorted(missing))}: run `{self._command}`")
        if newer := [name for name in applied - self.available() if name.endswith(".post.sql")]:
            raise SchemaMismatchError(f"the database is of a newer version: it has {', '.join(sorted(newer))}")


def due(applied: set[str], known: set[str], *, pre_only: bool) -> list[str]:
    """The files to apply, in order. Raises SchemaMismatchError.

    There are none if the database has `.pre.sql` files of a newer version: after a rollback it has all that this
    version needs.
    """
    newer = applied - known
    if finished := sorted(name for name in newer if name.endswith(".post.sql")):
        raise SchemaMismatchError(f"the database is of a newer version: it has {', '.join(finished)}")
    return [] if newer else sorted(name for name in known - applied if name.endswith(".pre.sql") or not pre_only)
