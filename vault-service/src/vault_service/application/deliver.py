"""Delivers revocations: sends the tokens in the outbox to their authorization servers (RFC 7009).

Whichever process takes a token first sends it. It is sent again, with growing delays, only while the server is in
trouble, is silent, or refuses the vault's client; and no more after `domain.revocation.LAST_ATTEMPT` attempts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from vault_service.application.ports.ending import DueRevocation, Revocations
from vault_service.application.ports.provider import Provider
from vault_service.application.ports.runtime import Clock
from vault_service.application.provider_errors import (
    GrantRefusedError,
    ProviderError,
    RevocationNotOfferedError,
    RevocationRefusedError,
)
from vault_service.domain.audit import Entry, Event
from vault_service.domain.revocation import LAST_ATTEMPT, RevocationOutcome, delay_after


@dataclass(frozen=True, slots=True)
class RevocationAttempt:
    """The outcome of one attempt. attempts: made so far, for this token."""

    grant_id: UUID
    outcome: RevocationOutcome
    attempts: int


class DeliverRevocations:
    """A background job. Several replicas may run it at once: each takes other tokens."""

    def __init__(self, outbox: Revocations, providers: Mapping[str, Provider], clock: Clock) -> None:
        self._outbox = outbox
        self._providers = providers
        self._clock = clock

    def deliver_one(self) -> RevocationAttempt | None:
        """Send one token that is due; None when there is none. Raises StorageUnavailableError."""
        due = self._outbox.take_due()
        if due is None:
            return None
        outcome = self._send(due)
        if outcome is RevocationOutcome.POSTPONED and due.attempts >= LAST_ATTEMPT:
            outcome = RevocationOutcome.GIVEN_UP
        if outcome is RevocationOutcome.POSTPONED:
            self._outbox.postpone(due, delay_after(due.attempts))
        else:
            now = self._clock.now()
            entry = Entry(Event.REVOCATION_SENT, due.grant_id, due.owner, "vault", due.id.hex, now, outcome.value)
            self._outbox.finish(due, outcome, entry)
        return RevocationAttempt(due.grant_id, outcome, due.attempts)

    def _send(self, due: DueRevocation) -> RevocationOutcome:  # noqa: PLR0911 - one for each outcome
        provider = self._providers.get(due.provider)
        if provider is None:
            return RevocationOutcome.POSTPONED
        if due.token is None:
            return RevocationOutcome.UNREADABLE
        try:
            provider.revoke(due.token)
        except GrantRefusedError:
            return RevocationOutcome.UNKNOWN
        except RevocationNotOfferedError:
            return RevocationOutcome.NOT_OFFERED
        except RevocationRefusedError:
            return RevocationOutcome.REFUSED
        except ProviderError:
            return RevocationOutcome.POSTPONED
        return RevocationOutcome.REVOKED
