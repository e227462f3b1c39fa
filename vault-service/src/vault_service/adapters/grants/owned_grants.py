"""The owner's view of grants: `application.ports.manage.OwnedGrants`."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from service_kit.postgres import queries
from service_kit.postgres.database import Database
from vault_service.adapters.audit.log import AuditLog
from vault_service.adapters.grants.endings import Endings, LockedGrant
from vault_service.adapters.grants.grant_rows import grant_of, owned
from vault_service.application.errors import GrantNotFoundError
from vault_service.application.ports.manage import GrantFilter
from vault_service.domain.audit import Entry
from vault_service.domain.grant import Grant, Status, Subject

_QUERIES = queries.load(__package__, "owned_grants.sql")


class PostgresOwnedGrants:
    """Grants as their owners list, find and revoke them."""

    def __init__(self, database: Database, endings: Endings, audit: AuditLog) -> None:
        self._database = database
        self._audit = audit
        self._endings = endings

    def of_owner(self, owner: Subject, wanted: GrantFilter) -> Sequence[Grant]:
        """The owner's grants, newest first."""
        return [grant_of(row) for row in self._database.all(_QUERIES["of_owner"], _parameters(owner, wanted))]

    def find(self, grant_id: UUID, owner: Subject, service: str | None = None) -> Grant:
        """One grant of that owner."""
        wanted = GrantFilter(ids=[grant_id], service=service)
        row = self._database.one(_QUERIES["of_owner"], _parameters(owner, wanted))
        if row is None:
            raise GrantNotFoundError
        return grant_of(row)

    def rename(self, grant_id: UUID, owner: Subject, name: str, entry: Entry) -> bool:
        """Give the grant another name."""
        return self._audit.append_if(_QUERIES["rename"], owned(owner, id=grant_id, name=name), entry)

    def revoke(self, grant_id: UUID, owner: Subject, entry: Entry) -> None:
        """Revoke the grant and put its token into the outbox."""
        with self._database.transaction() as connection:
            rows = connection.execute(_QUERIES["for_update"], owned(owner, id=grant_id)).fetchall()
            own = next((row[1:] for row in rows if row[0]), None)
            if own is None:
                raise GrantNotFoundError
            status, generation, sealed, provider, issuer, subject = own
            if (issuer, subject) != (owner.issuer, owner.sub):
                raise GrantNotFoundError
            if status == Status.REVOKED:
                return
            grant = LockedGrant(id=grant_id, owner=owner, provider=provider, generation=generation, sealed=sealed)
            self._endings.end(connection, grant, Status.REVOKED, entry)


def _parameters(owner: Subject, wanted: GrantFilter) -> dict[str, Any]:
    ids = None if wanted.ids is None else list(wanted.ids)
    return owned(owner, task_id=wanted.task_id, ids=ids, service=wanted.service, name=wanted.name)
