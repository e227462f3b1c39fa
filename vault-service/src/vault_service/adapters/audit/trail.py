"""Reads the audit for its verification: `application.verify_audit.AuditTrail`."""

from collections.abc import Iterator, Sequence
from typing import Any

import psycopg

from service_kit.postgres import queries
from vault_service.adapters.audit.checkpoints import checkpoint_of, multirange
from vault_service.adapters.audit.log import later_fields
from vault_service.application.verify_audit import StoredLine
from vault_service.domain.audit import Entry, Event
from vault_service.domain.checkpoints import Checkpoint, Pruning, Ranges
from vault_service.domain.grant import Subject

_QUERIES = queries.load(__package__, "trail.sql")


class PostgresAuditTrail:
    """Reads over one connection, of any role that may read the audit."""

    def __init__(self, connection: psycopg.Connection) -> None:
        """connection: in a `repeatable read` transaction where others write meanwhile."""
        self._connection = connection

    def prunings(self) -> Sequence[Pruning]:
        """All notes of prunings."""
        rows = self._connection.execute(_QUERIES["prunings"]).fetchall()
        return [Pruning(through, pruned_at, key_id, bytes(mac)) for through, pruned_at, key_id, mac in rows]

    def checkpoints(self) -> Sequence[Checkpoint]:
        """All checkpoints, in the order of their numbers."""
        return [checkpoint_of(row) for row in self._connection.execute(_QUERIES["checkpoints"]).fetchall()]

    def lines_of(self, covered: Ranges) -> Sequence[StoredLine]:
        """The lines in these ranges, in order."""
        return [_line(row) for row in self._connection.execute(_QUERIES["lines_of"], {"ids": multirange(covered)})]

    def lines_after(self, last: Checkpoint) -> Iterator[StoredLine]:
        """The lines that no checkpoint covers yet."""
        where = {"high": last.high, "missing": list(last.missing)}
        return map(_line, self._connection.execute(_QUERIES["lines_after"], where))

    def numbers_up_to(self, high: int) -> Iterator[int]:
        """The numbers of all lines up to this one, ascending."""
        return (number for (number,) in self._connection.execute(_QUERIES["numbers_up_to"], {"high": high}))


def _line(row: Sequence[Any]) -> StoredLine:
    number, at, event, grant_id, issuer, subject, actor, request_id, outcome, *later, key_id, mac = row
    via_id, via_name, task_id, attempt, _ = later
    try:
        if (via_id is None) != (via_name is None):
            raise ValueError("half a ticket")
        if (task_id is None) != (attempt is None) or (via_id is None and task_id is not None):
            raise ValueError("half of what a ticket was made for")
        owner = Subject(issuer, subject)
        entry = Entry(Event(event), grant_id, owner, actor, request_id, at, outcome, *later_fields(*later))
    except ValueError:
        entry = None
    return StoredLine(number, entry, key_id, bytes(mac))
