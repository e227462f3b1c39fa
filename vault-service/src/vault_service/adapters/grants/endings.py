"""Ends grants: their token is removed from the row and goes into the outbox of revocations."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import psycopg

from service_kit.postgres import queries
from service_kit.postgres.database import Database, Row
from vault_service.adapters.audit.log import AuditLog
from vault_service.adapters.encryption.sealing import Sealer
from vault_service.adapters.grants.grant_tokens import GrantTokens
from vault_service.adapters.grants.outbox import Discarded, Outbox
from vault_service.application.ports.ending import EntryOf
from vault_service.domain.audit import Entry
from vault_service.domain.grant import Status, Subject
from vault_service.domain.grant_terms import terms_of

_QUERIES = queries.load(__package__, "endings.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedGrant:
    """A grant whose row is locked by the transaction.

    sealed: its refresh token, or None when it has none; terms: their digest.
    """

    id: UUID
    owner: Subject
    provider: str
    generation: int
    sealed: bytes | None
    terms: bytes

    @classmethod
    def of_row(cls, row: Row) -> "LockedGrant":
        """From a row of `next_ended`, `next_forgotten` or `for_update`, which end with the grant's terms."""
        grant_id, issuer, subject, generation, sealed, *columns = row
        owner, provider = Subject(issuer, subject), columns[0]
        terms = terms_of(owner, columns).digest()
        return cls(id=grant_id, owner=owner, provider=provider, generation=generation, sealed=sealed, terms=terms)


class Endings:
    """Ends one grant within the caller's transaction."""

    def __init__(self, sealer: Sealer, audit: AuditLog, outbox: Outbox) -> None:
        self._tokens = GrantTokens(sealer)
        self._audit = audit
        self._outbox = outbox

    def end(self, connection: psycopg.Connection, grant: LockedGrant, status: Status, entry: Entry) -> None:
        """Give the grant its last status, and record it.

        The outcome recorded is that of `entry`; `session_shared` when the token is not revoked because another grant
        lives on its session; or `unreadable` when the token cannot be opened.
        """
        outcome = self._discard(connection, grant) or entry.outcome
        connection.execute(_QUERIES["end"], {"id": grant.id, "status": status.value})
        self._audit.append_within(connection, replace(entry, outcome=outcome))

    def _discard(self, connection: psycopg.Connection, grant: LockedGrant) -> str | None:
        """Put the token into the outbox; why it is not there, or None."""
        if grant.sealed is None:
            return None
        token = self._tokens.open_if_readable(grant.sealed, grant.id, grant.owner, grant.generation, grant.terms)
        if token is None:
            return "unreadable"
        is_added = self._outbox.add(connection, Discarded(grant.id, grant.owner, grant.provider, token))
        return None if is_added else "session_shared"


class PostgresExpiringGrants:
    """`application.ports.ending.ExpiringGrants`."""

    def __init__(self, database: Database, endings: Endings) -> None:
        self._database = database
        self._endings = endings

    def expire_ended(self, entry_of: EntryOf) -> bool:
        """Expire one grant whose time or uses are up."""
        return self._expire_next("next_ended", {}, entry_of)

    def expire_forgotten(self, days: int, entry_of: EntryOf) -> bool:
        """Expire one grant that failed and was forgotten."""
        return self._expire_next("next_forgotten", {"days": days}, entry_of)

    def _expire_next(self, query: str, parameters: Mapping[str, Any], entry_of: EntryOf) -> bool:
        with self._database.transaction() as connection:
            row = connection.execute(_QUERIES[query], parameters).fetchone()
            if row is None:
                return False
            grant = LockedGrant.of_row(row)
            self._endings.end(connection, grant, Status.EXPIRED, entry_of(grant.id, grant.owner))
            return True
