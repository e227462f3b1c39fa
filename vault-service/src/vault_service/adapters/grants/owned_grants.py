"""The owner's view of grants: `application.ports.manage.OwnedGrants`."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from service_kit.postgres import queries
from service_kit.postgres.database import Database
from vault_service.adapters.grants.endings import Endings, LockedGrant
from vault_service.adapters.grants.grant_rows import grant_of, owned
from vault_service.application.errors import GrantNotFoundError
from vault_service.domain.audit import Entry
from vault_service.domain.grant import Grant, Status, Subject
from vault_service.domain.grant_page import Position

_QUERIES = queries.load(__package__, "owned_grants.sql")


class PostgresOwnedGrants:
    """Grants as their owners list, find and revoke them."""

    def __init__(self, database: Database, endings: Endings) -> None:
        self._database = database
        self._endings = endings

    def of_owner(self, owner: Subject, task_id: str | None, after: Position | None, limit: int) -> Sequence[Grant]:
        """A page of the owner's grants."""
        where = owned(owner, task_id=task_id, id=None, limit=limit, **_behind(after))
        return [grant_of(row) for row in self._database.all(_QUERIES["of_owner"], where)]

    def find(self, grant_id: UUID, owner: Subject) -> Grant:
        """One grant of that owner."""
        where = owned(owner, task_id=None, id=grant_id, limit=1, **_behind(None))
        row = self._database.one(_QUERIES["of_owner"], where)
        if row is None:
            raise GrantNotFoundError
        return grant_of(row)

    def owner_of(self, grant_id: UUID) -> Subject | None:
        """Whose the grant is, or None when there is none."""
        row = self._database.one(_QUERIES["owner_of"], {"id": grant_id})
        return None if row is None else Subject(*row)

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


def _behind(after: Position | None) -> dict[str, Any]:
    if after is None:
        return {"after_rank": None, "after_time": None, "after_id": None}
    return {"after_rank": after.rank, "after_time": after.created_at, "after_id": after.id}
