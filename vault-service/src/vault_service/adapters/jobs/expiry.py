"""Ending grants that are over: their tokens are of no use here any more, and go at the authorization server too.

Nothing depends on when it is done: a grant that is over gives no token, whatever its row says.
"""

from uuid import uuid4

from service_kit.postgres import queries
from service_kit.postgres.database import Database
from vault_service.adapters.audit.log import AuditLog
from vault_service.adapters.encryption.sealing import Sealer
from vault_service.adapters.grants.outbox import Discarded, Outbox
from vault_service.application.errors import SealBrokenError
from vault_service.application.ports import Clock
from vault_service.domain import seal_context
from vault_service.domain.audit import Entry, Event
from vault_service.domain.grant import RefreshToken, Subject

_QUERIES = queries.load(__package__, "expiry.sql")


class Expiry:
    """Done now and then. Several replicas may do it at once: each takes other rows."""

    def __init__(
        self, database: Database, sealer: Sealer, audit: AuditLog, outbox: Outbox, clock: Clock, days: int
    ) -> None:
        """days: after which a grant that has failed, and that nobody has asked for since, is over."""
        self._database = database
        self._sealer = sealer
        self._audit = audit
        self._outbox = outbox
        self._clock = clock
        self._days = days

    def end_over(self) -> int:
        """End all grants whose time or uses are up; how many. Raises StorageUnavailableError."""
        return self._end_all("over")

    def end_forgotten(self) -> int:
        """End all grants that failed so long ago; how many. Raises StorageUnavailableError."""
        return self._end_all("forgotten")

    def _end_all(self, query: str) -> int:
        ended = 0
        while self._end_one(query):
            ended += 1
        return ended

    def _end_one(self, query: str) -> bool:
        with self._database.transaction() as connection:
            row = connection.execute(_QUERIES[query], {"days": self._days}).fetchone()
            if row is None:
                return False
            grant_id, issuer, subject, provider, generation, sealed = row
            owner = Subject(issuer, subject)
            outcome = "ok"
            try:
                token = RefreshToken(
                    self._sealer.open(sealed, seal_context.grant_token(grant_id, owner, generation)).decode()
                )
                if not self._outbox.add(connection, Discarded(grant_id, owner, provider, token)):
                    outcome = "session_shared"
            except SealBrokenError:
                outcome = "unreadable"
            connection.execute(_QUERIES["expire"], {"id": grant_id})
            now = self._clock.now()
            entry = Entry(Event.GRANT_EXPIRED, grant_id, owner, "vault", uuid4().hex, now, outcome)
            self._audit.append_within(connection, entry)
            return True
