"""The access of attempts: a ticket of the vault for each, made at its beginning, kept alive, and ended with it.

Only the ticket's maker talks to the vault with the service's own credentials. Whatever runs an attempt holds its
ticket, which gives access tokens of one grant and nothing else.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from uuid import UUID

from task_service.application.errors import TicketExpiredError, TokenRefusedError
from task_service.application.ports.vault import AttemptTicket, OwnerToken, TicketVault
from task_service.domain.attempt import Attempt, AttemptKey

TICKET_SECONDS = 60
"""How long a ticket lives after it was made or extended: that of a dead worker ends by then, whatever happens."""
EXTEND_SECONDS = 15.0
"""How often the tickets of running attempts are extended."""
END_SECONDS = 0.25
"""How often tickets of ended attempts are ended."""


class AttemptAccess:
    """The tickets of a worker's attempts. Safe to share between threads; `extend` and `end` are called by one each."""

    def __init__(self, vault: TicketVault, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._vault = vault
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._tickets: dict[AttemptKey, AttemptTicket] = {}
        self._ending: deque[tuple[UUID, float]] = deque()

    def open(self, attempt: Attempt) -> AttemptTicket:
        """The attempt's ticket, made when there is none. Raises TokenRefusedError, VaultUnavailableError."""
        with self._lock:
            known = self._tickets.get(attempt.key)
        if known is not None:
            return known
        made = self._vault.open(attempt, TICKET_SECONDS)
        with self._lock:
            self._tickets[attempt.key] = made
        return made

    def token(self, attempt: Attempt) -> tuple[OwnerToken, UUID]:
        """A fresh access token, and the id of the ticket by which it came.

        A ticket that has expired, as it does while a worker is frozen, is replaced once. Raises TokenRefusedError,
        VaultUnavailableError.
        """
        ticket = self.open(attempt)
        try:
            return self._vault.access_token(ticket), ticket.id
        except TicketExpiredError:
            with self._lock:
                self._tickets.pop(attempt.key, None)
        ticket = self.open(attempt)
        try:
            return self._vault.access_token(ticket), ticket.id
        except TicketExpiredError as error:
            raise TokenRefusedError from error

    def close(self, key: AttemptKey) -> None:
        """The attempt has ended in this worker: so does its ticket, within END_SECONDS."""
        with self._lock:
            ticket = self._tickets.pop(key, None)
        if ticket is not None:
            self.end_soon(ticket.id)

    def end_soon(self, ticket_id: UUID) -> None:
        """End a ticket within END_SECONDS, or as soon as the vault answers; it ends by itself after TICKET_SECONDS."""
        with self._lock:
            self._ending.append((ticket_id, self._monotonic() + TICKET_SECONDS))

    def extend(self) -> None:
        """Extend the tickets of running attempts. Raises VaultUnavailableError."""
        with self._lock:
            tickets = list(self._tickets.values())
        for ticket in tickets:
            self._vault.extend(ticket.id, TICKET_SECONDS)

    def end(self) -> None:
        """End the tickets of ended attempts. Raises VaultUnavailableError; the rest is kept for the next time then."""
        while self._ending:
            ticket_id, expired_at = self._ending[0]
            if self._monotonic() < expired_at:
                self._vault.end(ticket_id)
            self._ending.popleft()
