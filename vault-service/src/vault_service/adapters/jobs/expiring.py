"""Announces the ends of grants that will come although the vault keeps unused grants alive."""

from service_kit.postgres import queries
from service_kit.postgres.database import Database

_QUERIES = queries.load(__package__, "expiring.sql")


class AnnounceEnds:
    """A background job. Several replicas may run it at once: an end is announced once."""

    def __init__(self, database: Database, notice: int) -> None:
        """notice: seconds before its end in which a grant is announced as `grant.expiring`."""
        self._database = database
        self._notice = notice

    def announce(self) -> int:
        """Announce the ends within the notice; their number. Raises StorageUnavailableError."""
        with self._database.transaction() as connection:
            connection.execute(b"set local statement_timeout = 0")  # no caller waits for this statement
            return connection.execute(_QUERIES["announce"], {"notice": self._notice}).rowcount
