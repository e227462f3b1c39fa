"""Tickets in PostgreSQL: `application.ports.tickets.Tickets`. Their uses are recorded by `uses`."""

import hmac
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from service_kit.postgres import queries
from service_kit.postgres.database import Database, Row
from service_kit.process import logs
from vault_service.adapters.audit.log import AuditLog, work_of
from vault_service.adapters.grants.grant_rows import owned
from vault_service.application.errors import TooManyTicketsError
from vault_service.domain.audit import Entry
from vault_service.domain.grant import Subject
from vault_service.domain.ticket import Ticket

_QUERIES = queries.load(__package__, "tickets.sql")
_SECRET_HASH = 16
"""The column of `find` and `usable_of` behind the ticket's own."""

log = logs.get(__name__)


class PostgresTickets:
    """Tickets, each with the hash of its secret."""

    def __init__(self, database: Database, audit: AuditLog) -> None:
        self._database = database
        self._audit = audit

    def add(self, ticket: Ticket, secret_hash: bytes, most: int, entry: Entry) -> None:
        """Store a ticket, unless the grant has as many as it may have."""
        row = {
            "id": ticket.id,
            "grant_id": ticket.grant_id,
            "secret_hash": secret_hash,
            "name": ticket.name,
            "scopes": sorted(ticket.scopes),
            "maker": ticket.maker,
            "made_by_owner": ticket.made_by_owner,
            "max_uses": ticket.max_uses,
            "task_id": ticket.work.task_id if ticket.work else None,
            "attempt": ticket.work.attempt if ticket.work else None,
            "expires_at": ticket.expires_at,
            **self._signed(ticket, secret_hash),
        }
        with self._database.transaction() as connection:
            connection.execute(_QUERIES["lock_grant"], row)
            counted = connection.execute(_QUERIES["count_usable"], row).fetchone()
            if counted is None or counted[0] >= most:
                raise TooManyTicketsError
            connection.execute(_QUERIES["add"], row)
            self._audit.append_within(connection, entry)

    def find(self, ticket_id: UUID) -> Ticket | None:
        """The ticket with this id."""
        return self._one(ticket_id, None)

    def presented(self, ticket_id: UUID, secret_hash: bytes) -> Ticket | None:
        """The ticket with this id and secret."""
        return self._one(ticket_id, secret_hash)

    def usable_of(self, grant_id: UUID, owner: Subject) -> Sequence[Ticket]:
        """The usable tickets of an owner's grant."""
        rows = self._database.all(_QUERIES["usable_of"], owned(owner, grant_id=grant_id))
        return [ticket for row in rows if (ticket := self._authentic(row))]

    def extend(self, ticket_id: UUID, expires_at: datetime, entry: Entry) -> bool:
        """Move the end of a usable ticket."""
        row = self._database.one(_QUERIES["find"], {"id": ticket_id, "secret_hash": None})
        ticket = None if row is None else self._authentic(row)
        if row is None or ticket is None:
            return False
        extended = replace(ticket, expires_at=expires_at)
        change = {"id": ticket_id, "expires_at": expires_at, **self._signed(extended, bytes(row[_SECRET_HASH]))}
        return self._audit.append_if(_QUERIES["extend"], change, entry)

    def end(self, ticket_id: UUID, entry: Entry) -> bool:
        """End a ticket."""
        return self._audit.append_if(_QUERIES["end"], {"id": ticket_id}, entry)

    def _one(self, ticket_id: UUID, secret_hash: bytes | None) -> Ticket | None:
        row = self._database.one(_QUERIES["find"], {"id": ticket_id, "secret_hash": secret_hash})
        return None if row is None else self._authentic(row)

    def _signed(self, ticket: Ticket, secret_hash: bytes) -> dict[str, Any]:
        key_id, key = self._audit.key()
        return {"mac_key": key_id, "mac": ticket.mac(key, secret_hash)}

    def _authentic(self, row: Row) -> Ticket | None:
        """The ticket of a row, or None when the row was not written by the vault."""
        ticket = _ticket(row)
        secret_hash, key_id, mac, is_of_older_version = row[_SECRET_HASH:]
        if is_of_older_version:
            return ticket
        key = self._audit.key_of(key_id) if key_id is not None else None
        if key is not None and hmac.compare_digest(ticket.mac(key, bytes(secret_hash)), bytes(mac or b"")):
            return ticket
        log.warning("ticket.changed_by_others", ticket=str(ticket.id))
        return None


def _ticket(row: Row) -> Ticket:
    """A ticket from a row of `find` or `usable_of`."""
    ticket_id, grant_id, issuer, subject, name, scopes, maker, made_by_owner = row[:8]
    created_at, expires_at, max_uses, uses, last_used_at, ended_at, *work = row[8:_SECRET_HASH]
    return Ticket(
        id=ticket_id,
        grant_id=grant_id,
        owner=Subject(issuer, subject),
        name=name,
        scopes=frozenset(scopes),
        maker=maker,
        made_by_owner=made_by_owner,
        created_at=created_at,
        expires_at=expires_at,
        max_uses=max_uses,
        uses=uses,
        last_used_at=last_used_at,
        ended_at=ended_at,
        work=work_of(*work),
    )
