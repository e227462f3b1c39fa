"""Records uses of grants by the hot path's one statement, which checks the grants and writes the audit lines.

Concurrent uses go into one statement and one commit. The statement stays prepared on a connection of its own and is
run without psycopg's cursor, which would cost more than the rest of a request. A grant with limited uses is counted by
another statement, so that parallel callers cannot exceed the limit.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any

import msgspec
import psycopg
from psycopg import pq

from service_kit.postgres import queries
from service_kit.postgres.database import BY_INDEX, Database, session
from service_kit.process.grouped import Grouped
from vault_service.adapters.audit.log import AuditLog
from vault_service.application.errors import StorageUnavailableError
from vault_service.domain.audit import Entry
from vault_service.domain.usability import Requester

_QUERIES = queries.load(__package__, "uses.sql")
_STATEMENT = b"issue_many"
_BINARY = 1


class Use(msgspec.Struct, frozen=True, omit_defaults=True):
    """One use as the statement reads it; the fields are columns of `audit`, the MAC in hexadecimal."""

    at: str
    grant_id: str
    issuer: str
    subject: str
    actor: str
    request_id: str
    key_id: int
    mac: str
    is_owner: bool
    via_id: str | None = None
    via_name: str | None = None
    task_id: str | None = None
    attempt: int | None = None


def _use(requester: Requester, entry: Entry, row: Mapping[str, Any]) -> Use:
    return Use(
        at=entry.at.isoformat(),
        grant_id=str(entry.grant_id),
        issuer=entry.owner.issuer,
        subject=entry.owner.sub,
        actor=entry.actor,
        request_id=entry.request_id,
        key_id=row["key_id"],
        mac=row["mac"].hex(),
        is_owner=requester.is_owner,
        via_id=str(entry.via.ticket_id) if entry.via else None,
        via_name=entry.via.name if entry.via else None,
        task_id=row["task_id"],
        attempt=row["attempt"],
    )


class Uses:
    """Records uses of grants, durably, before a token leaves."""

    def __init__(self, url: str, database: Database, audit: AuditLog) -> None:
        """url: of the same database, for a connection that only the writer of a batch uses."""
        self._url = url
        self._database = database
        self._audit = audit
        self._group: Grouped[Use, bool] = Grouped(self._write, "group-commit")
        self._connection: psycopg.Connection | None = None
        self._closed = False

    def record(self, requester: Requester, entry: Entry) -> bool:
        """True if the requester may use the grant now; then the use is recorded and counted.

        entry: its actor is the requester's client, its `via` the requester's. Raises StorageUnavailableError: no token
        may leave then.
        """
        row = self._audit.row(entry)
        (is_recorded,) = self._group.submit([_use(requester, entry, row)]).result()
        if is_recorded:
            return True
        query = _QUERIES["issue" if entry.via is None else "issue_by_ticket"]
        return self._database.one(query, {**row, "is_owner": requester.is_owner}) is not None

    def record_soon(self, uses: Sequence[tuple[Requester, Entry]]) -> Future[Sequence[bool]]:
        """The same for several uses, without waiting; uses of limited grants are False and not recorded.

        The future raises StorageUnavailableError.
        """
        return self._group.submit([_use(requester, entry, self._audit.row(entry)) for requester, entry in uses])

    def close(self) -> None:
        """Close the connection permanently."""
        self._closed = True
        self._drop()

    def _write(self, uses: Sequence[Use]) -> list[bool]:
        """For each use, True if it was recorded; uses of limited grants never are."""
        batch = msgspec.json.encode(uses)
        try:
            written = self._written(batch)
        except psycopg.OperationalError as error:
            raise StorageUnavailableError from error
        except psycopg.Error:  # a fault in one use must not affect the others
            return [False] * len(uses)
        return [use.mac in written for use in uses]

    def _written(self, batch: bytes) -> set[str]:
        """The MACs of the recorded uses; a dead connection is replaced once."""
        if self._connection is None:
            return self._execute(batch, self._connect())
        try:
            return self._execute(batch, self._connection)
        except psycopg.OperationalError:
            return self._execute(batch, self._connect())

    def _execute(self, batch: bytes, connection: psycopg.Connection) -> set[str]:
        result = connection.pgconn.exec_prepared(_STATEMENT, [batch], None, _BINARY)
        if result.status != pq.ExecStatus.TUPLES_OK:
            if connection.pgconn.status != pq.ConnStatus.OK:
                raise psycopg.OperationalError(result.error_message.decode(errors="replace"))
            raise psycopg.errors.error_from_result(result)
        return {(result.get_value(row, 0) or b"").hex() for row in range(result.ntuples)}

    def _connect(self) -> psycopg.Connection:
        """A new connection with the statement prepared. Raises psycopg.OperationalError."""
        self._drop()
        if self._closed:
            raise psycopg.OperationalError("closed")
        connection = psycopg.connect(self._url, **session("vault-uses", BY_INDEX))
        result = connection.pgconn.prepare(_STATEMENT, _QUERIES["issue_many"])
        if result.status != pq.ExecStatus.COMMAND_OK:
            raise psycopg.errors.error_from_result(result)
        self._connection = connection
        return connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
