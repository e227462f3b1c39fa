"""Grants that are due to be checked at their authorization server: `application.ports.checks.DueChecks`."""

from uuid import UUID

from service_kit.postgres import queries
from service_kit.postgres.database import Database
from vault_service.application.ports.checks import DueCheck
from vault_service.domain.grant import Subject

_QUERIES = queries.load(__package__, "due_checks.sql")


class PostgresDueChecks:
    """The time of a grant's next check is a column of its row. A row that another process has locked is skipped."""

    def __init__(self, database: Database, reason: str) -> None:
        self._database = database
        self._take, self._postpone, self._finish = (
            _QUERIES[f"{step}_{reason}"] for step in ("take", "postpone", "finish")
        )

    @classmethod
    def siblings(cls, database: Database) -> "PostgresDueChecks":
        """Grants whose session may have ended with that of another grant."""
        return cls(database, "sibling")

    @classmethod
    def unused(cls, database: Database) -> "PostgresDueChecks":
        """Grants that end when they stay unused much longer."""
        return cls(database, "unused")

    def take(self) -> DueCheck | None:
        """Lease one that is due."""
        row = self._database.one(self._take, {})
        return None if row is None else DueCheck(row[0], Subject(row[1], row[2]), row[3])

    def postpone(self, grant_id: UUID, seconds: float) -> None:
        """Make it due again."""
        self._database.one(self._postpone, {"id": grant_id, "seconds": seconds})

    def finish(self, grant_id: UUID, *, is_alive: bool) -> None:
        """The grant was checked."""
        self._database.one(self._finish, {"id": grant_id, "is_alive": is_alive})
