"""Keeps grants alive that nobody uses, and announces the ends that will come all the same."""

from service_kit.postgres import queries
from service_kit.postgres.database import Database

_QUERIES = queries.load(__package__, "keep_alive.sql")

MOST_AT_ONCE = 1000
"""Grants of one round. A round is once a minute, so that a million grants of 30 days take 39 of them."""


class KeepAlive:
    """A background job. Several replicas may run it at once: a grant is scheduled once.

    It schedules only. `application.check_siblings` sends the refreshes, one after the other; none counts as a use.
    """

    def __init__(self, database: Database, notice: int) -> None:
        """notice: seconds before its end in which a grant is announced as `grant.expiring`."""
        self._database = database
        self._notice = notice

    def schedule(self) -> int:
        """Make the grants due that may die of idleness; their number. Raises StorageUnavailableError."""
        return self._run("schedule", most=MOST_AT_ONCE)

    def announce(self) -> int:
        """Announce the ends within the notice; their number. Raises StorageUnavailableError."""
        return self._run("announce", notice=self._notice)

    def _run(self, query: str, **parameters: int) -> int:
        with self._database.transaction() as connection:
            return connection.execute(_QUERIES[query], parameters).rowcount
