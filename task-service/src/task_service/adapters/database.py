"""PostgreSQL for the adapters: a lazy pool of autocommit connections, and driver errors that stop here."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from task_service.application.errors import StorageUnavailableError

TIMEOUT_SECONDS = 3.0

NOTICE_SILENCE = {"tcp_user_timeout": 6000, "keepalives_idle": 4, "keepalives_interval": 2, "keepalives_count": 2}
"""A network that is cut is noticed within seconds (the first is milliseconds), not when the kernel gives up."""


class Database:
    """A pool that opens on first use."""

    def __init__(self, url: str, *, name: str, size: int) -> None:
        """url: libpq URL; name: shown in pg_stat_activity; size: the most connections."""
        self._pool = ConnectionPool(
            url,
            min_size=1,
            max_size=size,
            open=False,
            timeout=TIMEOUT_SECONDS,
            reconnect_timeout=TIMEOUT_SECONDS,
            check=ConnectionPool.check_connection,
            kwargs={
                "autocommit": True,
                "application_name": name,
                "connect_timeout": int(TIMEOUT_SECONDS),
                **NOTICE_SILENCE,
            },
        )

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection]:
        """A connection in autocommit mode. Raises StorageUnavailableError."""
        try:
            self._pool.open()  # does nothing when it is open
            with self._pool.connection() as connection:
                yield connection
        except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout, PoolClosed) as error:
            raise StorageUnavailableError from error

    @contextmanager
    def transaction(self) -> Iterator[psycopg.Connection]:
        """A connection inside a transaction, committed when the block ends without an error."""
        with self.connection() as connection, connection.transaction():
            yield connection

    def ping(self) -> None:
        """Return when the database answers. Raises StorageUnavailableError."""
        with self.connection() as connection:
            connection.execute("select 1")

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()
