"""PostgreSQL for a service's adapters: a lazy pool, transactions and time-outs. Driver errors stop here.

Nothing connects before the first call. When the server has closed a connection (a restart, a failover), the pool
replaces all broken ones. A single statement or the beginning of a transaction is then tried a second time.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import psycopg
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from service_kit.postgres.statement import Statement
from service_kit.process.settings import SettingsError

POOL_TIMEOUT_SECONDS = 3.0
CONNECT_TIMEOUT_SECONDS = 3
STATEMENT_TIMEOUT_SECONDS = 10.0
LOCK_TIMEOUT_SECONDS = 5.0
NOTICE_SILENCE = {
    "tcp_user_timeout": 6000,  # milliseconds
    "keepalives_idle": 4,
    "keepalives_interval": 2,
    "keepalives_count": 2,
}
"""libpq's parameters: the client detects a broken network within seconds, so no caller waits for a lost answer."""
SERVER_NOTICES_SILENCE = "-c tcp_keepalives_idle=4 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3"
"""Session options: the server detects it too, and releases the locks of a replica that has disappeared."""

BY_INDEX = "-c enable_seqscan=off"
"""Session options for statements that find their rows by a key: a prepared plan that was made for a small table must
not read the whole table after it has grown."""

Parameters = Mapping[str, Any]
Row = tuple[Any, ...]
T = TypeVar("T")
Tell = Callable[[bool | None], None]

_waiting: WeakKeyDictionary[psycopg.Connection, list[Tell]] = WeakKeyDictionary()


def when_ended(connection: psycopg.Connection, tell: Tell) -> None:
    """Register a callback for the end of the transaction that `Database.transaction` has begun on this connection.

    tell: called with True after the commit, False after a rollback, None when the commit was not answered.
    """
    _waiting.setdefault(connection, []).append(tell)


def session(
    name: str,
    options: str = "",
    *,
    statement_timeout: float | None = STATEMENT_TIMEOUT_SECONDS,
    lock_timeout: float | None = LOCK_TIMEOUT_SECONDS,
) -> dict[str, Any]:
    """psycopg's parameters for an autocommit connection.

    name: shown in pg_stat_activity; options: libpq's `options` for the session; statement_timeout, lock_timeout:
    seconds, None for none.
    """
    limits = {"statement_timeout": statement_timeout, "lock_timeout": lock_timeout}
    settings = [f"-c {limit}={round(seconds * 1000)}ms" for limit, seconds in limits.items() if seconds is not None]
    return {
        "autocommit": True,
        "application_name": name,
        "connect_timeout": CONNECT_TIMEOUT_SECONDS,
        **NOTICE_SILENCE,
        "options": " ".join([SERVER_NOTICES_SILENCE, *settings, options]).rstrip(),
    }


class PoolerError(SettingsError):
    """The database URL leads to a connection pooler such as pgbouncer: give the address of PostgreSQL itself."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


class Database:
    """A pool of autocommit connections."""

    def __init__(
        self,
        url: str,
        *,
        name: str,
        size: int,
        unavailable: type[Exception],
        statement_timeout: float | None = STATEMENT_TIMEOUT_SECONDS,
        lock_timeout: float | None = LOCK_TIMEOUT_SECONDS,
        options: str = "",
    ) -> None:
        """url: libpq URL; size: the maximum of connections; unavailable: the service's error for an unavailable
        database; the others as in `session`.
        """
        self.unavailable = unavailable
        self._url = url
        self._parameters = parameters = session(
            name, options, statement_timeout=statement_timeout, lock_timeout=lock_timeout
        )
        self._pool = ConnectionPool(
            url,
            min_size=1,
            max_size=size,
            open=False,
            timeout=POOL_TIMEOUT_SECONDS,
            reconnect_timeout=POOL_TIMEOUT_SECONDS,
            kwargs={**parameters, "prepare_threshold": 1},
        )

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection]:
        """A connection in autocommit mode. Raises the `unavailable` error if there is none, if it breaks, or if a
        time-out ends a statement.
        """
        try:
            self._pool.open()  # does nothing if it is open
            with self._pool.connection() as connection:
                yield connection
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            if is_connection_lost(error):
                self._pool.check()  # other connections are probably dead too: replace them now, not one by one
            raise self.unavailable from error
        except (PoolTimeout, PoolClosed) as error:
            raise self.unavailable from error

    @contextmanager
    def transaction(self) -> Iterator[psycopg.Connection]:
        """A connection inside a transaction, committed when the block ends without an error."""
        scope, connection = self.retried(self._begin)
        is_committed: bool | None = False
        try:
            with scope:
                yield connection
                is_committed = None  # until the commit is answered
            is_committed = True
        finally:
            for tell in _waiting.pop(connection, ()):
                tell(is_committed)

    def one(self, query: bytes, parameters: Parameters) -> Row | None:
        """The first row of one statement, or None. A `Statement` costs a third of what a text costs."""
        return self.retried(lambda: self._one(query, parameters))

    def once(self, query: bytes, parameters: Parameters) -> Row | None:
        """The same for a statement that must not be repeated when its connection has died."""
        return self._one(query, parameters)

    def all(self, query: bytes, parameters: Parameters) -> list[Row]:
        """All rows of one statement."""
        return self.retried(lambda: self._all(query, parameters))

    def ping(self) -> None:
        """Return if the database answers. Raises the `unavailable` error."""
        self.one(b"select 1", {})

    def demand_direct(self) -> None:
        """Raise PoolerError if the URL leads to a connection pooler, or the `unavailable` error with the true cause.

        A pooler gives one session's statements, settings and locks to another. It is known by the process id that it
        invents for its clients, or by its refusal of session options.
        """
        try:
            with psycopg.connect(self._url, **self._parameters) as connection:
                demand_direct(connection)
        except psycopg.OperationalError as error:
            if "unsupported startup parameter" not in str(error):
                raise self.unavailable(str(error).strip()) from error
            raise PoolerError from error

    def retried(self, work: Callable[[], T]) -> T:
        """The result of work that is safe to repeat; it is repeated once if its connection has died."""
        try:
            return work()
        except self.unavailable as error:
            if not is_connection_lost(error.__cause__):
                raise
            return work()

    def _begin(self) -> tuple[ExitStack, psycopg.Connection]:
        with ExitStack() as scope:
            connection = scope.enter_context(self.connection())
            scope.enter_context(connection.transaction())
            return scope.pop_all(), connection

    def _one(self, query: bytes, parameters: Parameters) -> Row | None:
        with self.connection() as connection:
            if isinstance(query, Statement):
                return query.one(connection, parameters)
            return connection.execute(query, parameters).fetchone()

    def _all(self, query: bytes, parameters: Parameters) -> list[Row]:
        with self.connection() as connection:
            return connection.execute(query, parameters).fetchall()


def demand_direct(connection: psycopg.Connection) -> None:
    """Raise PoolerError if a pooler is behind a connection: the process id is another than the server's own."""
    row = connection.execute("select pg_backend_pid()").fetchone()
    if row is None or row[0] != connection.info.backend_pid:
        raise PoolerError


def is_connection_lost(error: BaseException | None) -> bool:
    """True if a driver's error means that its connection is dead; false if it is an answer of the server.

    A server that shuts down answers with SQLSTATE 57P01 to 57P05 and closes the connection; this counts as dead.
    """
    if isinstance(error, (PoolTimeout, PoolClosed)) or not isinstance(error, psycopg.Error):
        return False
    return error.sqlstate is None or error.sqlstate.startswith(("57P", "08"))
