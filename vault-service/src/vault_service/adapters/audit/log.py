"""The audit in PostgreSQL. Lines are added and never changed; each carries a MAC of all its fields.

Each line has a place among those of its process (`domain.writer`), which is settled when its fate is known.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

import psycopg

from service_kit.postgres import queries
from service_kit.postgres.database import Database, Row, is_connection_lost, when_ended
from vault_service.adapters.encryption.keyring import Keyring
from vault_service.application.errors import StorageUnavailableError
from vault_service.domain.audit import AuditedWork, AuditPlace, Entry, Event, Line, Via, mac
from vault_service.domain.grant import Subject
from vault_service.domain.writer import Writer

_QUERIES = queries.load(__package__, "audit.sql")
PAGE_LINES = 1000
T = TypeVar("T")


class AuditLog:
    """Writes and reads lines, each authenticated by HMAC-SHA-256 under an audit key."""

    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._database = database
        self._keyring = keyring
        self.writer = Writer()

    def append(self, entry: Entry) -> None:
        """Add a line by itself. Raises StorageUnavailableError."""
        with self._database.transaction() as connection:
            self.append_within(connection, entry)

    def append_within(self, connection: psycopg.Connection, entry: Entry) -> None:
        """Add a line within the caller's transaction, which `Database.transaction` has begun."""
        place = self.writer.take()
        when_ended(connection, lambda is_committed: self.writer.settle(place, is_recorded=is_committed))
        connection.execute(_QUERIES["append"], self.row(entry, place))

    def append_if(self, statement: bytes, parameters: Mapping[str, Any], entry: Entry) -> bool:
        """Run a statement; when it returns a row, add the line in the same transaction. True when it did."""
        with self._database.transaction() as connection:
            has_row = connection.execute(statement, parameters).fetchone() is not None
            if has_row:
                self.append_within(connection, entry)
        return has_row

    def record(self, statement: bytes, parameters: Mapping[str, Any], entry: Entry) -> bool:
        """Run a statement that adds the line itself, if it adds one; True when it did, by returning a row.

        The statement is run a second time when its connection breaks. If the first run did record its line, that line
        belongs to another writer. Raises StorageUnavailableError.
        """
        return self._retried(lambda: self._record(statement, parameters, entry, None)) is not None

    def record_with_use(
        self, statement: bytes, parameters: Mapping[str, Any], entry: Entry, use: Callable[[AuditPlace], str]
    ) -> bool | None:
        """The same for a statement that may add the line of a use, too: it returns whether it did; None without a row.

        use: the use in the place of its line, as the statement's parameter `uses`.
        """
        return self._retried(lambda: self._record(statement, parameters, entry, use))

    def _record(
        self, statement: bytes, parameters: Mapping[str, Any], entry: Entry, use: Callable[[AuditPlace], str] | None
    ) -> bool | None:
        place, place_of_use = self.writer.take(), self.writer.take() if use else None
        are_recorded: tuple[bool | None, bool | None] = (None, None)
        try:
            uses = {"uses": use(place_of_use)} if use and place_of_use else {}
            row = self._database.once(statement, {**parameters, **uses, **self.row(entry, place)})
            are_recorded = row is not None, row is not None and bool(row[0])
        except psycopg.Error:  # an answer of the server; a dead connection is another error
            are_recorded = False, False
            raise
        finally:
            self.writer.settle(place, is_recorded=are_recorded[0])
            if place_of_use is not None:
                self.writer.settle(place_of_use, is_recorded=are_recorded[1])
        return None if row is None else bool(row[0])

    def _retried(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except StorageUnavailableError as error:
            if not is_connection_lost(error.__cause__):
                raise
            return work()

    def key(self) -> tuple[int, bytes]:
        """Id and bytes of the key with which rows of other tables are authenticated, too."""
        return self._keyring.active("audit")

    def key_of(self, key_id: int) -> bytes | None:
        """The key with that id, or None."""
        return self._keyring.audit_key(key_id)

    def of_grant(self, grant_id: UUID, owner: Subject, before: int, limit: int) -> Sequence[Line]:
        """The lines of an owner's grant below a number, newest first."""
        where = {"before": before, "limit": limit}
        return [_line(row) for row in self._database.all(_QUERIES["of_grant"], _of(grant_id, owner, where))]

    def all_of_grant(self, grant_id: UUID, owner: Subject) -> Iterator[Line]:
        """Every line of an owner's grant, oldest first, read page by page."""
        after = 0
        where = _of(grant_id, owner, {"limit": PAGE_LINES})
        while rows := self._database.all(_QUERIES["of_grant_after"], {**where, "after": after}):
            yield from map(_line, rows)
            after = rows[-1][0]

    def row(self, entry: Entry, place: AuditPlace) -> dict[str, Any]:
        """The line as parameters of a statement. place: taken from `writer`."""
        key_id, key = self._keyring.active("audit")
        work = entry.via.work if entry.via else None
        return {
            "at": entry.at,
            "event": entry.event.value,
            "grant_id": entry.grant_id,
            "issuer": entry.owner.issuer,
            "subject": entry.owner.sub,
            "actor": entry.actor,
            "request_id": entry.request_id,
            "outcome": entry.outcome,
            "via_id": entry.via.ticket_id if entry.via else None,
            "via_name": entry.via.name if entry.via else None,
            "task_id": work.task_id if work else None,
            "attempt": work.attempt if work else None,
            "reason": entry.reason,
            "writer_id": place.writer,
            "writer_seq": place.number,
            "writer_mark": place.mark,
            "key_id": key_id,
            "mac": mac(key, entry, place),
        }


def _of(grant_id: UUID, owner: Subject, more: Mapping[str, Any]) -> dict[str, Any]:
    return {"grant_id": grant_id, "issuer": owner.issuer, "subject": owner.sub, **more}


def later_fields(
    via_id: UUID | None, via_name: str | None, task_id: str | None, attempt: int | None, reason: str | None
) -> tuple[Via | None, str | None]:
    """The fields of a line that came later, from their columns."""
    if via_id is None or via_name is None:
        return None, reason
    return Via(via_id, via_name, work_of(task_id, attempt)), reason


def work_of(task_id: str | None, attempt: int | None) -> AuditedWork | None:
    """The work that a ticket was made for, from its columns."""
    return None if task_id is None or attempt is None else AuditedWork(task_id, attempt)


def _line(row: Row) -> Line:
    number, at, event, actor, request_id, outcome, *later = row
    return Line(number, at, Event(event), actor, request_id, outcome, *later_fields(*later))
