"""The time by the database's clock.

This is the rule for time in every service: what is compared with a time that another machine has written (`exp`, `iat`
and `nbf` of tokens, ends of grants, tickets and schedules) is judged by the clock of the service's database, on which
all replicas agree. Durations are measured by the monotonic clock. The wall clock of the machine dates log lines only.
"""

import math
from contextlib import suppress
from datetime import UTC, datetime
from time import monotonic

from service_kit.postgres.database import Database


class DatabaseClock:
    """The database's clock, continued by this machine's monotonic clock."""

    def __init__(self, database: Database, every: float = math.inf) -> None:
        """every: seconds after which `now` reads it again; without it only `read` does, and `now` never waits."""
        self._database = database
        self._every = every
        self._due = math.inf
        self._offset: float | None = None

    def now(self) -> datetime:
        """The time, in UTC. Raises the database's `unavailable` error only when it was never read."""
        return datetime.fromtimestamp(self.seconds(), UTC)

    def seconds(self) -> float:
        """The same in seconds since the epoch."""
        if self._offset is None:
            return monotonic() + self.read()
        if monotonic() >= self._due:
            self._due = monotonic() + self._every  # the next caller does not wait for the same answer
            with suppress(self._database.unavailable):
                self.read()
        return monotonic() + self._offset

    def read(self) -> float:
        """Read the database's clock again; the seconds by which it is ahead of the monotonic clock.

        Raises the database's `unavailable` error; the time continues as before.
        """
        before = monotonic()
        row = self._database.one(b"select extract(epoch from clock_timestamp())::float8", {})
        assert row is not None  # noqa: S101 - the statement always has one row
        self._offset = offset = float(row[0]) - (before + monotonic()) / 2
        self._due = monotonic() + self._every
        return offset
