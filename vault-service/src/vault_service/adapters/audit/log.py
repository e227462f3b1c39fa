"""The audit in PostgreSQL: lines are added, never changed; each carries a MAC of everything that it says."""

import hashlib
import hmac
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import psycopg

from service_kit.postgres import queries
from service_kit.postgres.database import Database, Row
from vault_service.adapters.encryption.framing import joined
from vault_service.adapters.encryption.keyring import Keyring
from vault_service.domain.audit import Entry, Event, Line
from vault_service.domain.grant import Subject

_QUERIES = queries.load(__package__, "audit.sql")
PAGE_LINES = 1000


class AuditLog:
    """Writes lines, authenticated by HMAC-SHA-256 under an audit key."""

    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._database = database
        self._keyring = keyring

    def append(self, entry: Entry) -> None:
        """Add a line by itself. Raises StorageUnavailableError."""
        with self._database.connection() as connection:
            self.append_within(connection, entry)

    def append_within(self, connection: psycopg.Connection, entry: Entry) -> None:
        """Add a line within the caller's transaction."""
        connection.execute(_QUERIES["append"], self.row(entry))

    def of_grant(self, grant_id: UUID, owner: Subject, before: int, limit: int) -> Sequence[Line]:
        """The lines of an owner's grant below a number, newest first."""
        rows = self._database.all(
            _QUERIES["of_grant"],
            {
                "grant_id": grant_id,
                "issuer": owner.issuer,
                "subject": owner.sub,
                "before": before,
                "limit": limit,
            },
        )
        return [_line(row) for row in rows]

    def all_of_grant(self, grant_id: UUID, owner: Subject) -> Iterator[Line]:
        """Every line of an owner's grant, oldest first, read page by page."""
        where = {"grant_id": grant_id, "issuer": owner.issuer, "subject": owner.sub, "limit": PAGE_LINES}
        after = 0
        while rows := self._database.all(_QUERIES["of_grant_after"], {**where, "after": after}):
            yield from map(_line, rows)
            after = rows[-1][0]

    def row(self, entry: Entry) -> dict[str, Any]:
        """The line as parameters of a statement."""
        key_id, key = self._keyring.active("audit")
        return {
            "at": entry.at,
            "event": entry.event.value,
            "grant_id": entry.grant_id,
            "issuer": entry.owner.issuer,
            "subject": entry.owner.sub,
            "actor": entry.actor,
            "request_id": entry.request_id,
            "outcome": entry.outcome,
            "key_id": key_id,
            "mac": _mac(key, entry),
        }

    def is_authentic(self, entry: Entry, key_id: int, mac: bytes) -> bool:
        """Whether a line says what was written."""
        return hmac.compare_digest(_mac(self._keyring.key("audit", key_id), entry), mac)


def _line(row: Row) -> Line:
    number, at, event, *words = row
    return Line(number, at, Event(event), *words)


def _mac(key: bytes, entry: Entry) -> bytes:
    """Times are taken as microseconds since the epoch, as PostgreSQL keeps them."""
    content = joined(
        entry.event.value,
        entry.grant_id.hex,
        entry.owner.issuer,
        entry.owner.sub,
        entry.actor,
        entry.request_id,
        str(round(entry.at.timestamp() * 1_000_000)),
        entry.outcome,
    )
    return hmac.digest(key, content, hashlib.sha256)
