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
from vault_service.domain.grant_page import GrantPosition

_QUERIES = queries.load(__package__, "owned_grants.sql")


class PostgresOwnedGrants:
    """Grants as their owners list, find and revoke them."""

    def __init__(self, database: Database, endings: Endings, audit: AuditLog) -> None:
        self._database = database
        self._audit = audit
        self._endings = endings

    def of_owner(self, owner: Subject, wanted: GrantFilter, after: GrantPosition | None, limit: int) -> Sequence[Grant]:
        """A page of the owner's grants."""
        rows = self._database.all(_QUERIES["of_owner"], _parameters(owner, wanted, after, limit))
        return [grant_of(row) for row in rows]

    def find(self, grant_id: UUID, owner: Subject, service: str | None = None) -> Grant:
        """One grant of that owner."""
        wanted = GrantFilter(ids=[grant_id], service=service)
        row = self._database.one(_QUERIES["of_owner"], _parameters(owner, wanted, None, 1))
        if row is None:
            raise GrantNotFoundError
        return grant_of(row)

    def owner_of(self, grant_id: UUID) -> Subject | None:
        """Whose the grant is, or None when there is none."""
        row = self._database.one(_QUERIES["owner_of"], {"id": grant_id})
        return None if row is None else Subject(*row)

    def rename(self, grant_id: UUID, owner: Subject, name: str, entry: Entry) -> bool:
        """Give the grant another name."""
        return self._audit.append_if(_QUERIES["rename"], owned(owner, id=grant_id, name=name), entry)

    def revoke(self, grant_id: UUID, owner: Subject, entry: Entry) -> None:
        """Revoke the grant and put its token into the outbox."""
        with self._database.transaction() as connection:
            rows = connection.execute(_QUERIES["for_update"], owned(owner, id=grant_id)).fetchall()
            own = next((row for row in rows if row[1] == grant_id), None)
            if own is None:
                raise GrantNotFoundError
            status, grant = own[0], LockedGrant.of_row(own[1:])
            if grant.owner != owner:
                raise GrantNotFoundError
            if status == Status.REVOKED:
                return
            self._endings.end(connection, grant, Status.REVOKED, entry)


def _parameters(owner: Subject, wanted: GrantFilter, after: GrantPosition | None, limit: int) -> dict[str, Any]:
    ids = None if wanted.ids is None else list(wanted.ids)
    return owned(
        owner,
        task_id=wanted.task_id,
        ids=ids,
        service=wanted.service,
        name=wanted.name,
        after_rank=after and after.rank,
        after_time=after and after.created_at,
        after_id=after and after.id,
        limit=limit,
    )
