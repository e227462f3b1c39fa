"""Lets owners list, check, rename and revoke their grants."""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from uuid import UUID

from vault_service.application.errors import (
    PROVIDER_UNAVAILABLE,
    GrantNotFoundError,
    GrantUnusableError,
    ServiceNotAllowedError,
)
from vault_service.application.ports.manage import AuditLines, GrantChecks, GrantFilter, OwnedGrants
from vault_service.application.ports.runtime import Clock
from vault_service.application.refresh import Refresher
from vault_service.application.token_request import TokenRequest
from vault_service.domain.audit import Entry, Event, Line
from vault_service.domain.grant import Grant, Subject
from vault_service.domain.grant_page import GrantPosition
from vault_service.domain.usability import Requester


class ManageGrants:
    """The owner's view. Another person's grant looks exactly like one that does not exist."""

    def __init__(
        self,
        grants: OwnedGrants,
        checks: GrantChecks,
        audit: AuditLines,
        refresher: Refresher,
        clock: Clock,
        wake_outbox: Callable[[], None],
    ) -> None:
        """wake_outbox: called after a revocation was stored, so that it is sent without delay."""
        self._grants = grants
        self._checks = checks
        self._audit = audit
        self._refresher = refresher
        self._clock = clock
        self._wake_outbox = wake_outbox

    def of_owner(
        self, owner: Subject, wanted: GrantFilter, after: GrantPosition | None, limit: int
    ) -> tuple[Sequence[Grant], GrantPosition | None]:
        """A page of the owner's grants, live ones first, and where the next page begins; None behind the last.

        limit: of the page.
        """
        found = self._grants.of_owner(owner, wanted, after, limit + 1)
        page = found[:limit]
        return page, GrantPosition.of(page[-1]) if len(found) > limit else None

    def find(self, grant_id: UUID, owner: Subject, service: str | None = None) -> Grant:
        """One grant; for a service only one that it may use. Raises GrantNotFoundError."""
        return self._grants.find(grant_id, owner, service)

    def rename(self, grant_id: UUID, owner: Subject, name: str, client: str, request_id: str) -> Grant:
        """Give a grant another name; the grant with it. Raises GrantNotFoundError."""
        entry = Entry(Event.GRANT_RENAMED, grant_id, owner, client, request_id, self._clock.now())
        if not self._grants.rename(grant_id, owner, name, entry):
            raise GrantNotFoundError
        return self._grants.find(grant_id, owner)

    def audit(self, grant_id: UUID, owner: Subject, before: int, limit: int) -> Sequence[Line]:
        """The audit of a grant, newest line first; it outlives the grant. Raises GrantNotFoundError."""
        lines = self._audit.of_grant(grant_id, owner, before, limit)
        if not lines:
            self._grants.find(grant_id, owner)
        return lines

    def whole_audit(self, grant_id: UUID, owner: Subject) -> Iterator[Line]:
        """The whole audit of a grant, oldest line first. Raises GrantNotFoundError before the first line."""
        lines = self._audit.all_of_grant(grant_id, owner)
        first = next(lines, None)
        if first is None:
            self._grants.find(grant_id, owner)
            return iter(())
        return chain([first], lines)

    def check(self, grant_id: UUID, owner: Subject, client: str, request_id: str) -> Grant:
        """Refresh now, to see whether a grant works, or works again; the grant as it is afterwards.

        Raises GrantNotFoundError, ConsentPendingError, GrantUnusableError (no token is kept), CheckedTooOftenError,
        ProviderUnavailableError, StorageUnavailableError.
        """
        grant = self._checks.claim_check(grant_id, owner)
        request = TokenRequest(
            grant_id=grant_id,
            requester=Requester(client, is_owner=True, owner=owner),
            scopes=frozenset(),
            min_valid=0.0,
            request_id=request_id,
        )
        outcome = PROVIDER_UNAVAILABLE
        try:
            self._refresher.check(request, grant.provider)
            outcome = "ok"
        except GrantUnusableError as error:
            outcome = error.reason.value
        finally:
            now = self._clock.now()
            self._audit.append(Entry(Event.GRANT_CHECKED, grant_id, owner, client, request_id, now, outcome))
        return self._grants.find(grant_id, owner)

    def revoke(self, grant_id: UUID, owner: Subject, client: str, request_id: str, service: str | None = None) -> None:
        """Revoke the grant: here at once, at the authorization server through the outbox.

        service: one that ends a grant which only it may use. Raises GrantNotFoundError, ServiceNotAllowedError.
        """
        if service is not None and self._grants.find(grant_id, owner, service).limits.services != {service}:
            raise ServiceNotAllowedError
        entry = Entry(Event.GRANT_REVOKED, grant_id, owner, client, request_id, self._clock.now())
        self._grants.revoke(grant_id, owner, entry)
        self._wake_outbox()
