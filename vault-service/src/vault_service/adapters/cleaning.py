"""Removing what is of no use any more: answered consent requests, sent revocations, grants that ended long ago."""

from vault_service.adapters import queries
from vault_service.adapters.database import Database

_QUERIES = queries.load("cleaning.sql")


class Cleaning:
    """Done now and then. Several replicas may do it at once: what one has removed the others do not find."""

    def __init__(self, database: Database, days: int) -> None:
        """days: how long a grant that is over can still be looked at by its owner."""
        self._database = database
        self._days = days

    def clean(self) -> dict[str, int]:
        """Remove what is due; how many rows of each table. Raises StorageUnavailableError."""
        with self._database.connection() as connection:
            return {
                table: connection.execute(query, {"days": self._days}).rowcount for table, query in _QUERIES.items()
            }
