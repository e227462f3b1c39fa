"""The token statuses stored with tasks: `application.ports.TokenStatusStore`."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from service_kit.postgres import queries
from service_kit.postgres.database import Database
from task_service.adapters.postgres.locks import owned
from task_service.domain.owner import Owner
from task_service.domain.task import TokenStatus

_SQL = queries.load(__package__, "token_statuses.sql")
_NIL = UUID(int=0)


class PostgresTokenStatuses:
    """The vault's last word on each linked token. What it costs depends on the tokens asked for, not on the tasks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim_check(self, owner: Owner) -> bool:
        """True for one caller when it is due."""
        return self._database.one(_SQL["claim_check"], owned(owner)) is not None

    def next_linked(self, owner: Owner, at_most: int) -> Sequence[UUID]:
        """Half of them awaited consents where there are so many; the others in turn, by id."""
        with self._database.connection() as connection:
            pending = connection.execute(_SQL["pending"], {**owned(owner), "at_most": at_most // 2}).fetchall()
            left = at_most - len(pending)
            following = connection.execute(_SQL["following"], {**owned(owner), "at_most": left}).fetchall()
            up_to = following[-1][0] if len(following) == left else _NIL
            connection.execute(_SQL["checked_up_to"], {**owned(owner), "up_to": up_to})
        return list(dict.fromkeys(token_id for (token_id,) in (*pending, *following)))

    def update(self, owner: Owner, statuses: Mapping[UUID, TokenStatus]) -> None:
        """Store what the vault says; only rows that differ are written."""
        said = {"ids": list(statuses), "statuses": [status.value for status in statuses.values()]}
        with self._database.connection() as connection:
            connection.execute(_SQL["set_token_status"], {**owned(owner), **said})
