"""Removing what is of no use any more: answered consent requests, sent revocations, grants that ended long ago."""

from time import monotonic

from vault_service.adapters import queries
from vault_service.adapters.database import Database

_QUERIES = queries.load("cleaning.sql")

EVERY_SECONDS = 3600.0


class Cleaning:
    """An hourly job. Several replicas may do it at once: what one has removed the others do not find."""

    def __init__(self, database: Database, days: int) -> None:
        """days: how long a grant that is over can still be looked at by its owner."""
        self._database = database
        self._days = days
        self._next = float("-inf")

    def clean(self) -> dict[str, int] | None:
        """Remove what is due: rows of each table; None before the hour is over. Raises StorageUnavailableError."""
        if monotonic() < self._next:
            return None
        self._next = monotonic() + EVERY_SECONDS
        with self._database.connection() as connection:
            return {
                table: connection.execute(query, {"days": self._days}).rowcount for table, query in _QUERIES.items()
            }
