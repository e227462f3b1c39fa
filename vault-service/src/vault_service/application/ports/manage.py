"""Ports of `application.manage`: the owner's view of grants and of the audit."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from vault_service.application.ports.refresh import StoredGrant
from vault_service.application.ports.runtime import AuditWriter
from vault_service.domain.audit import Entry, Line
from vault_service.domain.grant import Grant, Subject
from vault_service.domain.grant_page import GrantPosition


@dataclass(frozen=True, slots=True)
class GrantFilter:
    """Which of an owner's grants: of a task, with one of these ids, that a service may use, with a name. None: all."""

    task_id: str | None = None
    ids: Sequence[UUID] | None = None
    service: str | None = None
    name: str | None = None


class OwnedGrants(Protocol):
    """The grants of one owner."""

    def of_owner(self, owner: Subject, wanted: GrantFilter, after: GrantPosition | None, limit: int) -> Sequence[Grant]:
        """A page of the owner's grants: live ones first, in each rank the newest. after: None for the first page."""
        ...

    def find(self, grant_id: UUID, owner: Subject, service: str | None = None) -> Grant:
        """One grant of that owner, which the service may use, if one is given. Raises GrantNotFoundError."""
        ...

    def rename(self, grant_id: UUID, owner: Subject, name: str, entry: Entry) -> bool:
        """Give the grant another name; False when the owner has no such grant."""
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
