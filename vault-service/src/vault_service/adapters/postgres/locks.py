"""The lock of a refresh: a session-level advisory lock in PostgreSQL, on connections of its own.

It is held during the request to the authorization server, without a transaction, and it ends with its holder's
connection: it can neither expire during a slow answer nor be released by another process.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from uuid import UUID

import psycopg

from service_kit.postgres.database import Database
from vault_service.application.errors import ProviderUnavailableError

LOCK_TIMEOUT_SECONDS = 15.0
"""No caller waits longer for the holder, which may be frozen: its request to the server has ended by then."""


class AdvisoryLocks:
    """`application.ports.runtime.Locks`. database: a pool with this lock time-out and a connection for each thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def hold(self, grant_id: UUID) -> Iterator[None]:
        """Wait for the lock and hold it during the block."""
        with self._locked(b"select pg_advisory_lock(%s)", grant_id) as (connection, _):
            try:
                yield
            finally:
                _release(connection, grant_id)

    @contextmanager
    def try_hold(self, grant_id: UUID) -> Iterator[bool]:
        """Hold the lock during the block if it is free."""
        with self._locked(b"select pg_try_advisory_lock(%s)", grant_id) as (connection, held):
            try:
                yield bool(held)
            finally:
                if held:
                    _release(connection, grant_id)

    @contextmanager
    def _locked(self, query: bytes, grant_id: UUID) -> Iterator[tuple[psycopg.Connection, object]]:
        """A connection on which the query was run, and its result. A dead connection is replaced once."""
        scope, connection, answer = self._database.retried(lambda: self._run(query, grant_id))
        with scope:
            yield connection, answer

    def _run(self, query: bytes, grant_id: UUID) -> tuple[ExitStack, psycopg.Connection, object]:
        with ExitStack() as scope:
            connection = scope.enter_context(self._database.connection())
            try:
                row = connection.execute(query, [_number(grant_id)]).fetchone()
            except psycopg.errors.LockNotAvailable as error:
                raise ProviderUnavailableError(1.0) from error
            return scope.pop_all(), connection, row and row[0]


def _release(connection: psycopg.Connection, grant_id: UUID) -> None:
    try:
        connection.execute(b"select pg_advisory_unlock(%s)", [_number(grant_id)])
    except psycopg.Error:
        connection.close()  # the lock ends with the session


def _number(grant_id: UUID) -> int:
    """The lock's 64-bit number. Two grants with the same number would wait for each other, nothing worse."""
    return int.from_bytes(grant_id.bytes[:8], "big", signed=True)
