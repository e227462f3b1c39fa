"""Ports of `application.tickets`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from vault_service.domain.audit import Entry
from vault_service.domain.grant import Subject
from vault_service.domain.ticket import Ticket


class Tickets(Protocol):
    """Tickets. A change and its audit line are one transaction. All raise StorageUnavailableError."""

    def add(self, ticket: Ticket, secret_hash: bytes, most: int, entry: Entry) -> None:
        """Store a ticket. most: how many of a grant may be usable at once. Raises TooManyTicketsError."""
        ...

    def find(self, ticket_id: UUID) -> Ticket | None:
        """The ticket with this id, usable or not."""
        ...

    def presented(self, ticket_id: UUID, secret_hash: bytes) -> Ticket | None:
        """The ticket with this id and secret, usable or not."""
        ...

    def usable_of(self, grant_id: UUID, owner: Subject) -> Sequence[Ticket]:
        """The usable tickets of an owner's grant, the newest first."""
        ...

    def extend(self, ticket_id: UUID, expires_at: datetime, entry: Entry) -> bool:
        """Move the end of a usable ticket; False when it is not usable."""
        ...

    def end(self, ticket_id: UUID, entry: Entry) -> bool:
        """End a ticket; False when it was ended before."""
        ...
