"""The time by the database's clock."""

from datetime import UTC, datetime
from time import monotonic

from service_kit.postgres.database import Database


class DatabaseClock:
    """The database's clock, continued by this machine's monotonic clock: `now` does not wait for the database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._offset: float | None = None

    def now(self) -> datetime:
        """The time, in UTC. Raises StorageUnavailableError only when it was never read."""
        offset = self.read() if self._offset is None else self._offset
        return datetime.fromtimestamp(monotonic() + offset, UTC)

    def read(self) -> float:
        """Read the database's clock again; the seconds by which it is ahead of the monotonic clock.

        Raises StorageUnavailableError; the time continues as before.
        """
        before = monotonic()
        row = self._database.one(b"select extract(epoch from clock_timestamp())::float8", {})
        assert row is not None  # noqa: S101 - the statement always has one row
        self._offset = offset = float(row[0]) - (before + monotonic()) / 2
        return offset
