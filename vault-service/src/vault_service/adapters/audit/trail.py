"""Reads the audit for its verification: `application.verify_audit.AuditTrail`."""

from collections.abc import Iterator, Sequence
from typing import Any

import psycopg

from service_kit.postgres import queries
from vault_service.adapters.audit.checkpoints import checkpoint_of, multirange, place_of
from vault_service.adapters.audit.log import later_fields
from vault_service.application.verify_audit import StoredLine
from vault_service.domain.audit import Entry, Event
from vault_service.domain.checkpoints import Checkpoint, Pruning
from vault_service.domain.grant import Subject
from vault_service.domain.number_set import Ranges

_QUERIES = queries.load(__package__, "trail.sql")
PAGE_ROWS = 5000


class PostgresAuditTrail:
    """Reads over one connection, of any role that may read the audit; page by page, so that its memory is bounded."""

    def __init__(self, connection: psycopg.Connection) -> None:
        """connection: in a `repeatable read` transaction where others write meanwhile."""
        self._connection = connection

    def prunings(self) -> Sequence[Pruning]:
        """All notes of prunings."""
        rows = self._connection.execute(_QUERIES["prunings"]).fetchall()
        return [Pruning(through, pruned_at, key_id, bytes(mac)) for through, pruned_at, key_id, mac in rows]

    def checkpoints(self) -> Iterator[Checkpoint]:
        """All checkpoints, in the order of their numbers."""
        return map(checkpoint_of, self._pages("checkpoints", {}))

    def lines_of(self, covered: Ranges) -> Sequence[StoredLine]:
        """The lines in these ranges, in order."""
        return [_line(row) for row in self._connection.execute(_QUERIES["lines_of"], {"ids": multirange(covered)})]

    def lines_after(self, last: Checkpoint) -> Iterator[StoredLine]:
        """The lines that no checkpoint covers yet."""
        return map(_line, self._pages("lines_after", {"high": last.high, "missing": list(last.missing)}))

    def last_number(self) -> int:
        """The last number that the sequence has given out; it is read outside of the snapshot, so it is late enough."""
        row = self._connection.execute(_QUERIES["last_number"]).fetchone()
        return int(row[0]) if row else 0

    def numbers_up_to(self, high: int) -> Iterator[int]:
        """The numbers of all lines up to this one, ascending."""
        return (number for (number,) in self._pages("numbers_up_to", {"high": high}))

    def _pages(self, query: str, where: dict[str, Any]) -> Iterator[Sequence[Any]]:
        """The rows of a query, page by page. The query continues after the number in its first column."""
        position = {"after": None, "limit": PAGE_ROWS}
        while rows := self._connection.execute(_QUERIES[query], {**where, **position}).fetchall():
            yield from rows
            position["after"] = rows[-1][0]


def _line(row: Sequence[Any]) -> StoredLine:
    number, at, event, grant_id, issuer, subject, actor, request_id, outcome, *later = row[:14]
    *place, key_id, mac = row[14:]
    via_id, via_name, task_id, attempt, _ = later
    try:
        if (via_id is None) != (via_name is None):
            raise ValueError("half a ticket")
        if (task_id is None) != (attempt is None) or (via_id is None and task_id is not None):
            raise ValueError("half of what a ticket was made for")
        if len({each is None for each in place}) > 1:
            raise ValueError("half a place")
        owner = Subject(issuer, subject)
        entry = Entry(Event(event), grant_id, owner, actor, request_id, at, outcome, *later_fields(*later))
    except ValueError:
        entry = None
    return StoredLine(number, entry, key_id, bytes(mac), place_of(*place))
