"""Removing what is of no use any more: answered consent requests, sent revocations, grants that ended long ago."""

from service_kit.postgres import queries
from service_kit.postgres.database import Database

_QUERIES = queries.load(__package__, "cleaning.sql")


class Cleaning:
    """Done now and then. Several replicas may do it at once: what one has removed the others do not find."""

    def __init__(self, database: Database, days: int) -> None:
        """days: how long a grant that is over can still be looked at by its owner."""
        self._database = database
        self._days = days

    def clean(self) -> dict[str, int]:
        """Remove what is due; how many rows of each table. Raises StorageUnavailableError."""
        return {table: self._remove(query) for table, query in _QUERIES.items()}

    def _remove(self, query: bytes) -> int:
        with self._database.transaction() as connection:
            connection.execute(b"set local statement_timeout = 0")  # nobody waits for this one
            return connection.execute(query, {"days": self._days}).rowcount
