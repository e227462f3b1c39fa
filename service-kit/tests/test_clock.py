"""A service's clock is its database's, and reading it waits for the database seldom or never."""

from datetime import UTC, datetime, timedelta

import pytest

from service_kit.postgres.clock import DatabaseClock
from service_kit.postgres.database import Database


class UnavailableError(Exception):
    """The database does not answer."""


class Offset(Database):
    """A database whose clock is ahead. asked: how often it was queried."""

    def __init__(self, ahead: timedelta) -> None:
        self.unavailable = UnavailableError
        self.ahead = ahead
        self.asked = 0
        self.is_up = True

    def one(self, query: bytes, parameters: object) -> tuple[float]:
        """Its time."""
        self.asked += 1
        if not self.is_up:
            raise UnavailableError
        return ((datetime.now(UTC) + self.ahead).timestamp(),)


def is_ahead(clock: DatabaseClock, of_this_machine: timedelta) -> bool:
    """True if the clock is ahead by that."""
    return abs(clock.now() - datetime.now(UTC) - of_this_machine) < timedelta(seconds=1)


@pytest.mark.postgres
def test_the_time_is_the_databases(postgres_url: str) -> None:
    """`now` agrees with a real database."""
    database = Database(postgres_url, name="test", size=1, unavailable=UnavailableError)
    try:
        assert is_ahead(DatabaseClock(database), timedelta())
    finally:
        database.close()


def test_it_is_asked_once_and_in_the_background() -> None:
    """`now` queries the first time only; `read` sets the clock again."""
    database = Offset(timedelta(minutes=5))
    clock = DatabaseClock(database)
    for _ in range(3):
        assert is_ahead(clock, timedelta(minutes=5))
    assert database.asked == 1
    database.ahead = timedelta(minutes=-5)
    clock.read()
    assert is_ahead(clock, timedelta(minutes=-5))
    assert database.asked == 2


def test_it_is_read_again_when_that_is_due() -> None:
    """Not before."""
    database = Offset(timedelta(minutes=5))
    seldom, often = DatabaseClock(database, every=3600.0), DatabaseClock(database, every=0.0)
    for clock in (seldom, often):
        clock.seconds()
    database.ahead = timedelta(minutes=-5)
    assert is_ahead(seldom, timedelta(minutes=5))
    assert is_ahead(often, timedelta(minutes=-5))


@pytest.mark.parametrize("every", [0.0, 3600.0])
def test_without_the_database_the_time_goes_on(every: float) -> None:
    """It raises only when the time was never read."""
    database = Offset(timedelta(minutes=5))
    clock = DatabaseClock(database, every)
    database.is_up = False
    with pytest.raises(UnavailableError):
        clock.now()
    database.is_up = True
    before = clock.now()
    database.is_up = False
    with pytest.raises(UnavailableError):
        clock.read()
    assert before < clock.now() < before + timedelta(seconds=5)
