"""What `application.manage` needs: the owner's view of grants and of the audit."""

from collections.abc import Iterator, Sequence
from typing import Protocol
from uuid import UUID

from vault_service.application.ports.refresh import StoredGrant
from vault_service.application.ports.runtime import AuditWriter
from vault_service.domain.audit import Entry, Line
from vault_service.domain.grant import Grant, Subject


class OwnedGrants(Protocol):
    """The grants of one owner."""

    def of_owner(
        self, owner: Subject, task_id: str | None = None, ids: Sequence[UUID] | None = None
    ) -> Sequence[Grant]:
        """The owner's grants, newest first. task_id: only those requested for this task; ids: only these."""
        ...

    def find(self, grant_id: UUID, owner: Subject) -> Grant:
        """One grant of that owner. Raises GrantNotFoundError."""
        ...

    def revoke(self, grant_id: UUID, owner: Subject, entry: Entry) -> None:
        """Revoke the grant and put its token into the outbox. Idempotent. Raises GrantNotFoundError."""
        ...


class GrantChecks(Protocol):
    """Limits how often an owner has a grant checked."""

    def claim_check(self, grant_id: UUID, owner: Subject) -> StoredGrant:
        """The grant, once a minute at most. Raises CheckedTooOftenError, and the errors of `Refreshes.checkable`."""
        ...


class AuditLines(AuditWriter, Protocol):
    """The audit, as owners read it."""

    def of_grant(self, grant_id: UUID, owner: Subject, before: int, limit: int) -> Sequence[Line]:
        """The lines of an owner's grant below a number, newest first."""
        ...

    def all_of_grant(self, grant_id: UUID, owner: Subject) -> Iterator[Line]:
        """Every line of an owner's grant, oldest first, read page by page."""
        ...
