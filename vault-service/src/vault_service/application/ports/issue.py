"""Ports of `application.issue`, beside `ports.refresh`."""

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Protocol
from uuid import UUID

from vault_service.application.errors import VaultServiceError
from vault_service.domain.audit import Entry
from vault_service.domain.grant import Subject
from vault_service.domain.usability import Requester


class TicketRefusals(Protocol):
    """Finds the reason why a ticket gives no access tokens."""

    def refusal(self, ticket_id: UUID) -> VaultServiceError | None:
        """TicketRefusedError, or None when the ticket may be used now. Raises StorageUnavailableError."""
        ...


class GrantOwners(Protocol):
    """Whose a grant is."""

    def owner_of(self, grant_id: UUID) -> Subject | None:
        """The owner, or None when there is no such grant. Raises StorageUnavailableError."""
        ...


class UseRecorder(Protocol):
    """Records uses of grants. A use is on disk before its access token leaves the vault."""

    def record(self, requester: Requester, entry: Entry) -> bool:
        """In one statement: check the grant, count the use and record it; False when the grant may not be used.

        Raises StorageUnavailableError: no token may leave then.
        """
        ...

    def record_soon(self, uses: Sequence[tuple[Requester, Entry]]) -> Future[Sequence[bool]]:
        """The same for several uses, without waiting: the future has the outcome of each, or raises for all of them.

        False can also mean that the number of the grant's uses is limited; `record` tells the two apart.
        """
        ...
