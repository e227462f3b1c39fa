"""The lock of a refresh: a session-level advisory lock in PostgreSQL, on connections of its own.

It is held during the request to the authorization server, without a transaction, and it ends with its holder's
connection: it can neither expire during a slow answer nor be released by another process.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TypeVar
from uuid import UUID

import psycopg

from service_kit.postgres.database import Database
from service_kit.postgres.statement import Statement
from vault_service.application.errors import ProviderUnavailableError

T = TypeVar("T")

_LOCK = Statement(b"select pg_advisory_lock(%(lock)s)")
_TRY_LOCK = Statement(b"select pg_try_advisory_lock(%(lock)s)")
_UNLOCK = Statement(b"select pg_advisory_unlock(%(lock)s)")
LOCK_TIMEOUT_SECONDS = 15.0
"""No caller waits longer for the holder, which may be frozen: its request to the server has ended by then."""


class AdvisoryLocks:
    """`application.ports.runtime.Locks`. database: a pool with this lock time-out and a connection for each thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def hold(self, grant_id: UUID) -> Iterator[None]:
        """Wait for the lock and hold it during the block."""
        with self._locked(partial(_first, _LOCK, grant_id)) as (connection, _):
            try:
                yield
            finally:
                _release(connection, grant_id)

    @contextmanager
    def try_hold(self, grant_id: UUID) -> Iterator[bool]:
        """Hold the lock during the block if it is free."""
        with self._locked(partial(_first, _TRY_LOCK, grant_id)) as (connection, held):
            try:
                yield bool(held)
            finally:
                if held:
                    _release(connection, grant_id)

    @contextmanager
    def try_hold_and(
        self, grant_id: UUID, work: Callable[[psycopg.Connection, int], tuple[bool, T]]
    ) -> Iterator[tuple[bool, T]]:
        """The same by a statement that does more than to take the lock.

        work: runs it, with the number of the lock; returns whether the lock is held, and more. It is repeated once on
        another connection when the first one was dead.
        """
        with self._locked(lambda connection: work(connection, _number(grant_id))) as (connection, done):
            try:
                yield done
            finally:
                if done[0]:
                    _release(connection, grant_id)

    @contextmanager
    def _locked(self, work: Callable[[psycopg.Connection], T]) -> Iterator[tuple[psycopg.Connection, T]]:
        """A connection on which the work was done, and its result. A dead connection is replaced once."""
        scope, connection, result = self._database.retried(lambda: self._run(work))
        with scope:
            yield connection, result

    def _run(self, work: Callable[[psycopg.Connection], T]) -> tuple[ExitStack, psycopg.Connection, T]:
        with ExitStack() as scope:
            connection = scope.enter_context(self._database.connection())
            try:
                result = work(connection)
            except psycopg.errors.LockNotAvailable as error:
                connection.close()
                raise ProviderUnavailableError(1.0) from error
            except BaseException:
                connection.close()  # the lock ends with the session: it may have been taken
                raise
            return scope.pop_all(), connection, result


def _first(query: Statement, grant_id: UUID, connection: psycopg.Connection) -> object:
    row = query.one(connection, {"lock": _number(grant_id)})
    return row and row[0]


def _release(connection: psycopg.Connection, grant_id: UUID) -> None:
    try:
        _UNLOCK.one(connection, {"lock": _number(grant_id)})
    except psycopg.Error:
        connection.close()  # the lock ends with the session


def _number(grant_id: UUID) -> int:
    """The lock's 64-bit number. Two grants with the same number would wait for each other, nothing worse."""
    return int.from_bytes(grant_id.bytes[:8], "big", signed=True)
