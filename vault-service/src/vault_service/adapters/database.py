"""PostgreSQL for the adapters: a lazy pool, transactions, and driver errors that stop here.

Nothing connects before the first call. When the server has closed a connection (a restart, a failover), all dead ones
are replaced, and a single statement or the beginning of a transaction is tried once more.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from time import monotonic
from typing import Any, TypeVar

import psycopg
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from vault_service.application.errors import StorageUnavailableError

POOL_TIMEOUT_SECONDS = 3.0
CONNECT_TIMEOUT_SECONDS = 3
NOTICE_SILENCE = {
    "tcp_user_timeout": 6000,  # milliseconds
    "keepalives_idle": 4,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    "options": "-c tcp_keepalives_idle=4 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3",
}
"""A network that is cut is noticed within seconds on both sides: here no caller waits for an answer that cannot come,
there the server lets go of the locks of a replica that is not heard of any more."""

PROMPT = "-c statement_timeout=10s"
"""Session options for those whom callers wait for: neither a lock nor a disk is waited for without end."""

BY_INDEX = "-c enable_seqscan=off"
"""Session options for statements that find their rows by a key: a plan that was made for a small table, and is kept
prepared, must not read the whole of it when it has grown."""

Parameters = Mapping[str, Any]
Row = tuple[Any, ...]
T = TypeVar("T")


def session(name: str, options: str = "") -> dict[str, Any]:
    """psycopg's parameters for an autocommit connection. name: shown in pg_stat_activity; options: for its session."""
    return {
        "autocommit": True,
        "application_name": name,
        "connect_timeout": CONNECT_TIMEOUT_SECONDS,
        **NOTICE_SILENCE,
        "options": f"{NOTICE_SILENCE['options']} {options}",
    }


class NoConnectionError(StorageUnavailableError):
    """The vault's database gives no connection now."""


class Database:
    """A pool of autocommit connections."""

    def __init__(self, url: str, *, name: str, size: int, options: str = "") -> None:
        """url: libpq URL; name: shown in pg_stat_activity; size: the most connections; options: for each session."""
        self._pool = ConnectionPool(
            url,
            min_size=1,
            max_size=size,
            open=False,
            timeout=POOL_TIMEOUT_SECONDS,
            reconnect_timeout=POOL_TIMEOUT_SECONDS,
            kwargs={**session(name, options), "prepare_threshold": 1},
        )

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection]:
        """A connection in autocommit mode. Raises StorageUnavailableError when there is none or it breaks."""
        try:
            self._pool.open()  # does nothing when it is open
            with self._pool.connection() as connection:
                yield connection
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            self._pool.check()  # where one is dead others are: they are replaced now, not one by one
            raise StorageUnavailableError from error
        except (PoolTimeout, PoolClosed) as error:
            raise NoConnectionError from error

    @contextmanager
    def transaction(self) -> Iterator[psycopg.Connection]:
        """A connection inside a transaction, committed when the block ends without an error."""
        scope, connection = self.retried(self._begin)
        with scope:
            yield connection

    def one(self, query: bytes, parameters: Parameters) -> Row | None:
        """The first row of one statement, or None."""
        return self.retried(lambda: self._one(query, parameters))

    def all(self, query: bytes, parameters: Parameters) -> list[Row]:
        """All rows of one statement."""
        return self.retried(lambda: self._all(query, parameters))

    def ping(self) -> None:
        """Return when the database answers. Raises StorageUnavailableError."""
        self.one(b"select 1", {})

    def retried(self, work: Callable[[], T]) -> T:
        """The outcome of work that may be done again when its connection turns out to be dead."""
        try:
            return work()
        except NoConnectionError:
            raise
        except StorageUnavailableError:
            return work()

    def _begin(self) -> tuple[ExitStack, psycopg.Connection]:
        with ExitStack() as scope:
            connection = scope.enter_context(self.connection())
            scope.enter_context(connection.transaction())
            return scope.pop_all(), connection

    def _one(self, query: bytes, parameters: Parameters) -> Row | None:
        with self.connection() as connection:
            return connection.execute(query, parameters).fetchone()

    def _all(self, query: bytes, parameters: Parameters) -> list[Row]:
        with self.connection() as connection:
            return connection.execute(query, parameters).fetchall()


class DatabaseClock:
    """The database's clock, carried on by this machine's monotonic clock: who asks for the time waits for nobody."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._offset: float | None = None

    def now(self) -> datetime:
        """The time, in UTC. Raises StorageUnavailableError only when it was never read."""
        offset = self.read() if self._offset is None else self._offset
        return datetime.fromtimestamp(monotonic() + offset, UTC)

    def read(self) -> float:
        """Read it again, which belongs into the background; seconds by which it is ahead of the monotonic clock.

        Raises StorageUnavailableError: the time is carried on as before.
        """
        before = monotonic()
        row = self._database.one(b"select extract(epoch from clock_timestamp())::float8", {})
        assert row is not None  # noqa: S101 - the statement always has one row
        self._offset = offset = float(row[0]) - (before + monotonic()) / 2
        return offset
