"""Records uses of grants by the hot path's one statement, which checks the grants and writes the audit lines.

Concurrent uses go into one statement and one commit. The statement stays prepared on a connection of its own and is
run without psycopg's cursor, which would cost more than the rest of a request. A grant with limited uses is counted by
another statement, so that parallel callers cannot exceed the limit.
"""

from collections.abc import Sequence
from concurrent.futures import Future
from typing import NamedTuple

import msgspec
import psycopg
from psycopg import pq

from service_kit.postgres import queries
from service_kit.postgres.database import BY_INDEX, Database, session
from service_kit.process.grouped import Grouped
from vault_service.adapters.audit.log import AuditLog
from vault_service.application.errors import StorageUnavailableError
from vault_service.domain.audit import AuditPlace, Entry
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
    writer_id: str
    writer_seq: int
    writer_mark: int
    via_id: str | None = None
    via_name: str | None = None
    task_id: str | None = None
    attempt: int | None = None


class Intended(NamedTuple):
    """A use that is to be recorded, and the place of its line."""

    use: Use
    place: AuditPlace
    requester: Requester
    entry: Entry


def use_of(audit: AuditLog, requester: Requester, entry: Entry, place: AuditPlace) -> Use:
    """The use of a grant as the statements read it. place: of its line."""
    row = audit.row(entry, place)
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
        writer_id=place.writer.hex,
        writer_seq=place.number,
        writer_mark=place.mark,
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
        self._group: Grouped[Intended, bool] = Grouped(self._write, "group-commit")
        self._connection: psycopg.Connection | None = None
        self._closed = False

    def record(self, requester: Requester, entry: Entry) -> bool:
        """True if the requester may use the grant now; then the use is recorded and counted.

        entry: its actor is the requester's client, its `via` the requester's. Raises StorageUnavailableError: no token
        may leave then.
        """
        (is_recorded,) = self._group.submit([self._intended(requester, entry)]).result()
        if is_recorded:
            return True
        query = _QUERIES["issue" if entry.via is None else "issue_by_ticket"]
        return self._audit.record(query, {"is_owner": requester.is_owner}, entry)

    def record_soon(self, uses: Sequence[tuple[Requester, Entry]]) -> Future[Sequence[bool]]:
        """The same for several uses, without waiting; uses of limited grants are False and not recorded.

        The future raises StorageUnavailableError.
        """
        return self._group.submit([self._intended(requester, entry) for requester, entry in uses])

    def close(self) -> None:
        """Close the connection permanently."""
        self._closed = True
        self._drop()

    def _intended(self, requester: Requester, entry: Entry) -> Intended:
        place = self._audit.writer.take()
        return Intended(use_of(self._audit, requester, entry, place), place, requester, entry)

    def _write(self, uses: Sequence[Intended]) -> list[bool]:
        """For each use, True if it was recorded; uses of limited grants never are."""
        try:
            return self._written(uses)
        except psycopg.OperationalError as error:
            raise StorageUnavailableError from error

    def _written(self, uses: Sequence[Intended]) -> list[bool]:
        """A dead connection is replaced once; the lines are those of another writer then."""
        was_connected = self._connection is not None
        try:
            return self._settled(uses)
        except psycopg.OperationalError:
            self._drop()
            if not was_connected:
                raise
            return self._settled([self._intended(intended.requester, intended.entry) for intended in uses])

    def _settled(self, uses: Sequence[Intended]) -> list[bool]:
        """Write the uses, and settle the places of their lines."""
        settle = self._audit.writer.settle
        recorded: list[bool] | None = None
        try:
            batch = msgspec.json.encode([intended.use for intended in uses])
            macs = self._execute(batch, self._connection or self._connect())
            recorded = [intended.use.mac in macs for intended in uses]
        except psycopg.OperationalError:
            raise
        except psycopg.Error:  # a fault in one use must not affect the others
            recorded = [False] * len(uses)
        finally:
            for number, intended in enumerate(uses):
                settle(intended.place, is_recorded=recorded[number] if recorded else None)
        return recorded

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
