"""Deletes rows that are no longer needed: old consent requests, sent revocations, grants that ended long ago."""

from service_kit.postgres import queries
from service_kit.postgres.database import Database

_QUERIES = queries.load(__package__, "cleaning.sql")


class Cleaning:
    """A background job. Several replicas may run it at once: each deletes what is still there."""

    def __init__(self, database: Database, days: int) -> None:
        """days: for which the owner can still look at a grant that has ended."""
        self._database = database
        self._days = days

    def clean(self) -> dict[str, int]:
        """Delete what is due; the number of rows by table. Raises StorageUnavailableError."""
        return {table: self._remove(query) for table, query in _QUERIES.items()}

    def _remove(self, query: bytes) -> int:
        with self._database.transaction() as connection:
            connection.execute(b"set local statement_timeout = 0")  # no caller waits for this statement
            return connection.execute(query, {"days": self._days}).rowcount
