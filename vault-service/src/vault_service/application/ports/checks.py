"""Ports of `application.check_due`."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from vault_service.domain.grant import Subject


@dataclass(frozen=True, slots=True)
class DueCheck:
    """A grant to be checked at its authorization server."""

    grant_id: UUID
    owner: Subject
    provider: str


class DueChecks(Protocol):
    """Grants that are due for one reason. Each call of `take` takes one that no other process has."""

    def take(self) -> DueCheck | None:
        """Lease one that is due for a minute; None when there is none. Raises StorageUnavailableError."""
        ...

    def postpone(self, grant_id: UUID, seconds: float) -> None:
        """The grant's server is unavailable: the grant is due again after so many seconds at the earliest."""
        ...

    def finish(self, grant_id: UUID, *, is_alive: bool) -> None:
        """The grant was checked. is_alive: True when the refresh has succeeded."""
        ...
