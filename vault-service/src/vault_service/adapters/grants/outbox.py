"""The outbox of revocations: tokens that are over here and still have to be revoked at the authorization server.

A token is put in within the transaction that ends its grant, and sent by whichever process takes it first, until the
server has taken it or says that it knows it no more. Between attempts it waits longer and longer, an hour at most.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID, uuid4

import psycopg

from service_kit.postgres import queries
from service_kit.postgres.database import Database
from vault_service.adapters.audit.log import AuditLog
from vault_service.adapters.encryption.sealing import Sealer
from vault_service.application.errors import SealBrokenError
from vault_service.application.ports import Clock, Provider
from vault_service.application.provider_errors import GrantRefusedError, ProviderError, RevocationNotOfferedError
from vault_service.domain import seal_context
from vault_service.domain.audit import Entry, Event
from vault_service.domain.grant import RefreshToken, Subject
from vault_service.domain.seal_context import SealContext

_QUERIES = queries.load(__package__, "revocations.sql")
LONGEST_WAIT_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of one attempt: `revoked`, `unknown` (to the server), `not_offered` (there), `unreadable` (here) or
    `postponed`.
    """

    grant_id: UUID
    owner: Subject
    outcome: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Discarded:
    """A token that is of no use here any more. session: the authorization server's, when the grant does not say."""

    grant_id: UUID
    owner: Subject
    provider: str
    token: RefreshToken
    session: str | None = None


class Outbox:
    """Adds tokens, and sends those that are due."""

    def __init__(
        self, database: Database, sealer: Sealer, audit: AuditLog, providers: Mapping[str, Provider], clock: Clock
    ) -> None:
        self._database = database
        self._audit = audit
        self._clock = clock
        self._sealer = sealer
        self._providers = providers

    def add(self, connection: psycopg.Connection, discarded: Discarded) -> bool:
        """Put a token in, within the caller's transaction; False when its session has to live on for another grant."""
        revocation_id = uuid4()
        sealed = self._sealer.seal(
            discarded.token.value.encode(), seal_context.revocation_token(revocation_id, discarded.owner)
        )
        row = connection.execute(
            _QUERIES["add"],
            {
                "id": revocation_id,
                "grant_id": discarded.grant_id,
                "issuer": discarded.owner.issuer,
                "subject": discarded.owner.sub,
                "provider": discarded.provider,
                "provider_session": discarded.session,
                "refresh_token": sealed,
            },
        ).fetchone()
        return row is not None

    def deliver_one(self) -> Delivery | None:
        """Send one token that is due; None when there is none. Raises StorageUnavailableError."""
        row = self._database.one(_QUERIES["take_due"], {})
        if row is None:
            return None
        revocation_id, grant_id, issuer, subject, provider, sealed, attempts = row
        owner = Subject(issuer, subject)
        outcome = self._send(provider, sealed, seal_context.revocation_token(revocation_id, owner))
        if outcome == "postponed":
            seconds = min(2.0 ** min(attempts, 12), LONGEST_WAIT_SECONDS)
            self._database.one(_QUERIES["postpone"], {"id": revocation_id, "seconds": seconds})
        else:
            with self._database.transaction() as connection:
                connection.execute(_QUERIES["done"], {"id": revocation_id, "outcome": outcome})
                now = self._clock.now()
                entry = Entry(Event.REVOCATION_SENT, grant_id, owner, "vault", revocation_id.hex, now, outcome)
                self._audit.append_within(connection, entry)
        return Delivery(grant_id, owner, outcome, attempts)

    def backlog(self) -> tuple[int, float]:
        """How many tokens wait to be revoked, and for how many seconds the oldest has."""
        row = self._database.one(_QUERIES["backlog"], {})
        return (0, 0.0) if row is None else (row[0], row[1])

    def _send(self, provider: str, sealed: bytes, context: SealContext) -> str:
        try:
            self._providers[provider].revoke(RefreshToken(self._sealer.open(sealed, context).decode()))
        except SealBrokenError:
            return "unreadable"
        except GrantRefusedError:
            return "unknown"
        except RevocationNotOfferedError as error:
            return error.outcome
        except (ProviderError, KeyError):
            return "postponed"
        return "revoked"
