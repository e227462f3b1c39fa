"""The vault's clock is the database's, and reading it does not wait for the database."""

from datetime import UTC, datetime, timedelta

import pytest

from service_kit.postgres.database import Database
from vault_service.adapters.postgres.clock import DatabaseClock
from vault_service.adapters.postgres.database import vault_database
from vault_service.application.errors import StorageUnavailableError


class Offset(Database):
    """A database whose clock is ahead. asked: how often it was queried."""

    def __init__(self, ahead: timedelta) -> None:
        self.ahead = ahead
        self.asked = 0
        self.is_up = True

    def one(self, query: bytes, parameters: object) -> tuple[float]:
        """The database's time."""
        self.asked += 1
        if not self.is_up:
            raise StorageUnavailableError
        return ((datetime.now(UTC) + self.ahead).timestamp(),)


def test_the_time_is_the_databases(database_url: str) -> None:
    """`now` agrees with a real database."""
    database = vault_database(database_url, name="test", size=1)
    try:
        assert abs(DatabaseClock(database).now() - datetime.now(UTC)) < timedelta(seconds=1)
    finally:
        database.close()


def test_it_is_asked_once_and_in_the_background() -> None:
    """`now` queries the first time only; `read` sets the clock again."""
    database = Offset(timedelta(minutes=5))
    clock = DatabaseClock(database)
    for _ in range(3):
        assert abs(clock.now() - datetime.now(UTC) - timedelta(minutes=5)) < timedelta(seconds=1)
    assert database.asked == 1
    database.ahead = timedelta(minutes=-5)
    clock.read()
    assert abs(clock.now() - datetime.now(UTC) + timedelta(minutes=5)) < timedelta(seconds=1)
    assert database.asked == 2


def test_without_the_database_the_time_goes_on() -> None:
    """The clock raises only when the time was never read."""
    database = Offset(timedelta(minutes=5))
    clock = DatabaseClock(database)
    database.is_up = False
    with pytest.raises(StorageUnavailableError):
        clock.now()
    database.is_up = True
    before = clock.now()
    database.is_up = False
    with pytest.raises(StorageUnavailableError):
        clock.read()
    assert before < clock.now() < before + timedelta(seconds=5)
