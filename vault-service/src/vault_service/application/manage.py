"""What owners do with their grants: look at them, and end them."""

from collections.abc import Callable, Sequence
from uuid import UUID

from vault_service.application.ports import Audit, Clock, Grants
from vault_service.domain.audit import Entry, Event, Line
from vault_service.domain.grant import Grant, Subject


class ManageGrants:
    """The owner's view. Another person's grant looks exactly like one that does not exist."""

    def __init__(self, grants: Grants, audit: Audit, clock: Clock, wake_outbox: Callable[[], None]) -> None:
        """wake_outbox: called after a revocation was stored, so that it is sent without delay."""
        self._grants = grants
        self._audit = audit
        self._clock = clock
        self._wake_outbox = wake_outbox

    def of_owner(self, owner: Subject, task_id: str | None) -> Sequence[Grant]:
        """The owner's grants, newest first; with a task id, those that were asked for that task."""
        return self._grants.of_owner(owner, task_id)

    def find(self, grant_id: UUID, owner: Subject) -> Grant:
        """One grant. Raises GrantNotFoundError."""
        return self._grants.find(grant_id, owner)

    def audit(self, grant_id: UUID, owner: Subject, before: int, limit: int) -> Sequence[Line]:
        """What has happened to a grant, newest first; it outlives the grant. Raises GrantNotFoundError."""
        lines = self._audit.of_grant(grant_id, owner, before, limit)
        if not lines:
            self._grants.find(grant_id, owner)
        return lines

    def revoke(self, grant_id: UUID, owner: Subject, client: str, request_id: str) -> None:
        """End the grant: here at once, at the authorization server through the outbox. Raises GrantNotFoundError."""
        entry = Entry(Event.GRANT_REVOKED, grant_id, owner, client, request_id, self._clock.now())
        self._grants.revoke(grant_id, owner, entry)
        self._wake_outbox()
