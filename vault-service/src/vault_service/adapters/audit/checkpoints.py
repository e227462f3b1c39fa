"""Writes the audit's checkpoints (`domain.checkpoints`) to PostgreSQL. Their table is called `audit_seals`."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.types.multirange import Multirange
from psycopg.types.range import Range

from service_kit.postgres import queries
from service_kit.postgres.database import Database
from vault_service.adapters.encryption.keyring import Keyring
from vault_service.application.ports.runtime import Clock
from vault_service.domain.audit import Event
from vault_service.domain.checkpoints import ORIGIN, Checkpoint, Ranges

_QUERIES = queries.load(__package__, "checkpoints.sql")

BATCH_LINES = 5000


@dataclass(frozen=True, slots=True)
class _Uncovered:
    id: int
    mac: bytes
    event: str
    grant_id: UUID
    at: datetime
    ticket_id: UUID | None


class CheckpointWriter:
    """Covers the lines that no checkpoint covers yet."""

    def __init__(self, database: Database, keyring: Keyring, clock: Clock) -> None:
        self._database = database
        self._keyring = keyring
        self._clock = clock

    def write_next(self) -> Checkpoint | None:
        """Write a checkpoint over the next `BATCH_LINES` lines.

        None when there are none, or while another process writes one. Raises StorageUnavailableError.
        """
        with self._database.transaction() as connection:
            if not _value(connection, "alone"):
                return None
            last = last_checkpoint(connection)
            lines = self._uncovered(connection, last)
            if not lines:
                return None
            chained = [(line.id, bytes(line.mac)) for line in lines]
            checkpoint = last.next(chained, self._clock.now(), *self._keyring.active("audit"))
            connection.execute(_QUERIES["add_checkpoint"], row_of(checkpoint))
            connection.execute(_QUERIES["count_uses"], _uses(lines, lambda line: line.grant_id))
            connection.execute(_QUERIES["count_ticket_uses"], _uses(lines, lambda line: line.ticket_id))
            return checkpoint

    def lag(self) -> float:
        """Age in seconds of the oldest line that no checkpoint covers; 0 when all are covered."""
        row = self._database.one(_QUERIES["lag"], {})
        return 0.0 if row is None else row[0]

    def _uncovered(self, connection: psycopg.Connection, last: Checkpoint) -> list[_Uncovered]:
        where = {"high": last.high, "missing": list(last.missing), "limit": BATCH_LINES}
        return [_Uncovered(*row) for row in connection.execute(_QUERIES["uncovered"], where)]


def last_checkpoint(connection: psycopg.Connection) -> Checkpoint:
    """The end of the chain; `ORIGIN` when there is no checkpoint."""
    row = connection.execute(_QUERIES["last_checkpoint"]).fetchone()
    return ORIGIN if row is None else checkpoint_of(row)


def checkpoint_of(row: Sequence[Any]) -> Checkpoint:
    """A checkpoint from its row."""
    number, high, ids, missing, lines, chain, written_at, key_id, mac = row
    inclusive = tuple((covered.lower, covered.upper - 1) for covered in ids)
    return Checkpoint(number, high, inclusive, tuple(missing), lines, bytes(chain), written_at, key_id, bytes(mac))


def row_of(checkpoint: Checkpoint) -> dict[str, Any]:
    """A checkpoint as parameters of `add_checkpoint`."""
    return {
        "number": checkpoint.number,
        "high": checkpoint.high,
        "ids": multirange(checkpoint.ids),
        "missing": list(checkpoint.missing),
        "lines": checkpoint.lines,
        "chain": checkpoint.chain,
        "written_at": checkpoint.written_at,
        "key_id": checkpoint.key_id,
        "mac": checkpoint.mac,
    }


def multirange(covered: Ranges) -> Multirange[int]:
    """The ranges as PostgreSQL's int8multirange."""
    return Multirange([Range(first, last + 1) for first, last in covered])


def _uses(lines: Iterable[_Uncovered], counted: Callable[[_Uncovered], UUID | None]) -> dict[str, list[Any]]:
    """Uses by what `counted` tells of a line, as parameters; lines for which it tells None are left out."""
    times: dict[UUID, list[datetime]] = defaultdict(list)
    for line in lines:
        what = counted(line)
        if line.event == Event.TOKEN_ISSUED and what is not None:
            times[what].append(line.at)
    return {
        "ids": list(times),
        "uses": [len(each) for each in times.values()],
        "last": [max(each) for each in times.values()],
    }


def _value(connection: psycopg.Connection, query: str) -> Any:
    row = connection.execute(_QUERIES[query]).fetchone()
    return row and row[0]
