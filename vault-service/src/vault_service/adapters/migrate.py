"""Applies the numbered SQL files of `vault_service.migrations`, each once, in order, in a transaction of its own.

`NNNN_name.pre.sql` runs before the new code is rolled out and must suit the old code too; `.post.sql` runs after it.
"""

from importlib.resources import files

import psycopg

from vault_service.adapters.database import Database

LOCK_NUMBER = 0x7661756C74  # "vault": two replicas that start together migrate one after the other


class SchemaMismatchError(Exception):
    """The database's schema is not one that this version of the code can work with."""


def migrate(url: str, *, pre_only: bool = False) -> list[str]:
    """Bring the database up to date as its owner; the names of the files that were applied.

    pre_only: leave out what the version before this one could not live with. Raises SchemaMismatchError when the
    database is of a newer version, psycopg.Error.
    """
    with psycopg.connect(url, autocommit=True, application_name="vault-migrate") as connection:
        connection.execute("select pg_advisory_lock(%s)", [LOCK_NUMBER])
        connection.execute(
            "create table if not exists schema_migrations"
            " (name text primary key, applied_at timestamptz not null default now())"
        )
        rows = connection.execute("select name from schema_migrations").fetchall()
        pending = due({name for (name,) in rows}, available(), pre_only=pre_only)
        for name in pending:
            with connection.transaction():
                connection.execute((files("vault_service.migrations") / name).read_bytes())
                connection.execute("insert into schema_migrations (name) values (%s)", [name])
        return pending


def due(applied: set[str], known: set[str], *, pre_only: bool) -> list[str]:
    """Which files to apply, in their order. Raises SchemaMismatchError.

    None, when a newer version has begun to prepare: whoever undoes that roll-out finds all that this version needs.
    """
    newer = applied - known
    if finished := sorted(name for name in newer if name.endswith(".post.sql")):
        raise SchemaMismatchError(f"the database is of a newer version: it has {', '.join(finished)}")
    return [] if newer else sorted(name for name in known - applied if name.endswith(".pre.sql") or not pre_only)


def available() -> set[str]:
    """The names of all migrations that this version of the code knows."""
    return {entry.name for entry in files("vault_service.migrations").iterdir() if entry.name.endswith(".sql")}


def check(database: Database) -> None:
    """Whether this version of the code can work with the database as it is.

    It may lack what comes after the roll-out, and have what a newer version prepares; nothing else. Raises
    SchemaMismatchError, StorageUnavailableError.
    """
    try:
        applied = {name for (name,) in database.all(b"select name from schema_migrations", {})}
    except (psycopg.errors.UndefinedTable, psycopg.errors.InsufficientPrivilege):
        applied = set()
    if missing := [name for name in available() - applied if name.endswith(".pre.sql")]:
        raise SchemaMismatchError(f"the database lacks {', '.join(sorted(missing))}: run `vault-service migrate`")
    if newer := [name for name in applied - available() if name.endswith(".post.sql")]:
        raise SchemaMismatchError(f"the database is of a newer version: it has {', '.join(sorted(newer))}")
