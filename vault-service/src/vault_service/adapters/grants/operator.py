"""The operator's view of all owners' grants."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from service_kit.postgres import queries
from service_kit.postgres.database import Database
from vault_service.domain.grant import Failure, Status, Subject

_QUERIES = queries.load(__package__, "operator.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantSearch:
    """Which grants to look for; None: any. subject: the `sub`; service: a client id that may use the grant."""

    id: UUID | None = None
    subject: str | None = None
    service: str | None = None
    provider: str | None = None
    status: Status | None = None

    @property
    def is_empty(self) -> bool:
        """True when it finds every grant."""
        return self == GrantSearch()


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundGrant:
    """A grant as an operator sees it, never with its token. tickets: how many are usable; times are in UTC."""

    id: UUID
    owner: Subject
    provider: str
    status: Status
    failure: Failure | None
    services: tuple[str, ...]
    created_at: datetime
    last_refreshed_at: datetime | None
    ends_at: datetime | None
    task_ids: tuple[str, ...]
    tickets: int


class GrantsOfAll:
    """Reads over all grants."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, search: GrantSearch, limit: int) -> Sequence[FoundGrant]:
        """The grants that fit, the oldest first, no more than `limit`."""
        where = {
            "id": search.id,
            "subject": search.subject,
            "service": search.service,
            "provider": search.provider,
            "status": search.status and search.status.value,
            "limit": limit,
        }
        found = []
        for row in self._database.all(_QUERIES["found"], where):
            grant_id, issuer, subject, provider, status, failure, services, created_at, *times = row[:10]
            task_id, others, tickets = row[10:]
            found.append(
                FoundGrant(
                    id=grant_id,
                    owner=Subject(issuer, subject),
                    provider=provider,
                    status=Status(status),
                    failure=Failure(failure) if failure else None,
                    services=tuple(services),
                    created_at=created_at,
                    last_refreshed_at=times[0],
                    ends_at=times[1],
                    task_ids=(task_id, *others) if task_id is not None else (),
                    tickets=tickets,
                )
            )
        return found

    def stats(self) -> Sequence[tuple[str, str, int]]:
        """Counts for operators: the counted things, their state, and their number."""
        return [(what, state, number) for what, state, number in self._database.all(_QUERIES["stats"], {})]
