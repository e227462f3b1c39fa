"""The outbox of revocations in PostgreSQL: `application.ports.ending.Revocations`.

A token is added within the transaction that ends its grant.
"""

from dataclasses import dataclass
from uuid import UUID, uuid4

import psycopg

from service_kit.postgres import queries
from service_kit.postgres.database import Database
from vault_service.adapters.audit.log import AuditLog
from vault_service.adapters.encryption.sealing import Sealer
from vault_service.application.errors import SealBrokenError
from vault_service.application.ports.ending import DueRevocation
from vault_service.domain import seal_context
from vault_service.domain.audit import Entry
from vault_service.domain.grant import RefreshToken, Subject
from vault_service.domain.revocation import RevocationOutcome
from vault_service.domain.seal_context import SealContext

_QUERIES = queries.load(__package__, "revocations.sql")


@dataclass(frozen=True, slots=True)
class Discarded:
    """A token that the vault no longer uses. session: the authorization server's, when the grant's row has none."""

    grant_id: UUID
    owner: Subject
    provider: str
    token: RefreshToken
    session: str | None = None


class Outbox:
    """Keeps tokens, sealed, until they are revoked at their authorization server."""

    def __init__(self, database: Database, sealer: Sealer, audit: AuditLog) -> None:
        self._database = database
        self._sealer = sealer
        self._audit = audit

    def add(self, connection: psycopg.Connection, discarded: Discarded) -> bool:
        """Add a token within the caller's transaction; False when another grant lives on the token's session."""
        revocation_id = uuid4()
        context = seal_context.revocation_token(revocation_id, discarded.owner, discarded.grant_id, discarded.provider)
        row = {
            "id": revocation_id,
            "grant_id": discarded.grant_id,
            "issuer": discarded.owner.issuer,
            "subject": discarded.owner.sub,
            "provider": discarded.provider,
            "provider_session": discarded.session,
            "refresh_token": self._sealer.seal(discarded.token.value.encode(), context),
        }
        return connection.execute(_QUERIES["add"], row).fetchone() is not None

    def take_due(self) -> DueRevocation | None:
        """Lease one token that is due."""
        row = self._database.one(_QUERIES["take_due"], {})
        if row is None:
            return None
        revocation_id, grant_id, issuer, subject, provider, sealed, attempts = row
        owner = Subject(issuer, subject)
        return DueRevocation(
            id=revocation_id,
            grant_id=grant_id,
            owner=owner,
            provider=provider,
            token=self._opened(sealed, seal_context.revocation_token(revocation_id, owner, grant_id, provider)),
            attempts=attempts,
        )

    def postpone(self, due: DueRevocation, seconds: float) -> None:
        """Make the token due again in so many seconds."""
        self._database.one(_QUERIES["postpone"], {"id": due.id, "seconds": seconds})

    def finish(self, due: DueRevocation, outcome: RevocationOutcome, entry: Entry) -> None:
        """Remove the token and record the outcome."""
        with self._database.transaction() as connection:
            connection.execute(_QUERIES["done"], {"id": due.id, "outcome": outcome.value})
            if outcome is RevocationOutcome.REVOKED:
                connection.execute(_QUERIES["mark_siblings"], {"grant_id": due.grant_id})
            self._audit.append_within(connection, entry)

    def backlog(self) -> tuple[int, float]:
        """The number of tokens that wait to be revoked, and for how many seconds the oldest has waited."""
        row = self._database.one(_QUERIES["backlog"], {})
        return (0, 0.0) if row is None else (row[0], row[1])

    def _opened(self, sealed: bytes, context: SealContext) -> RefreshToken | None:
        try:
            return RefreshToken(self._sealer.open(sealed, context).decode())
        except SealBrokenError:
            return None
