"""Writes the audit's checkpoints (`domain.checkpoints`) to PostgreSQL. Their table is called `audit_seals`.

Rows that others write into the tables do not stop it. A checkpoint that is not authentic is passed over. So is a line
whose number did not come from the sequence.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from psycopg.types.multirange import Multirange
from psycopg.types.range import Range

from service_kit.postgres import queries
from service_kit.postgres.database import Database
from vault_service.adapters.encryption.keyring import Keyring
from vault_service.application.ports.runtime import Clock
from vault_service.domain.audit import AuditPlace, Event
from vault_service.domain.checkpoints import ORIGIN, ChainedLine, Checkpoint, WriterLines
from vault_service.domain.number_set import Ranges

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
    writer_id: UUID | None
    writer_seq: int | None
    writer_mark: int | None

    @property
    def chained(self) -> ChainedLine:
        return ChainedLine(self.id, bytes(self.mac), place_of(self.writer_id, self.writer_seq, self.writer_mark))


class CheckpointWriter:
    """Covers the lines that no checkpoint covers yet."""

    def __init__(self, database: Database, keyring: Keyring, clock: Clock) -> None:
        self._database = database
        self._keyring = keyring
        self._clock = clock

    def write_next(self, *, wait: bool = False) -> Checkpoint | None:
        """Write a checkpoint over the next `BATCH_LINES` lines; None when there are none.

        While another process writes one, wait for it, or return None at once. Raises StorageUnavailableError.
        """
        with self._database.transaction() as connection:
            if not _value(connection, "alone_at_last" if wait else "alone"):
                return None
            last, taken = last_checkpoint(connection, self._keyring)
            lines = self._uncovered(connection, last)
            if not lines:
                return None
            number = next(number for number in count(last.number + 1) if number not in taken)
            chained = [line.chained for line in lines]
            checkpoint = last.next(chained, self._clock.now(), *self._keyring.active("audit"), number)
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


def last_checkpoint(connection: psycopg.Connection, keyring: Keyring) -> tuple[Checkpoint, frozenset[int]]:
    """The end of the chain, `ORIGIN` when there is no checkpoint; and numbers above it that are taken by forgeries."""
    forged: set[int] = set()
    for row in newest_checkpoints(connection):
        if (checkpoint := authentic_checkpoint(row, keyring)) is not None:
            return checkpoint, frozenset(forged)
        forged.add(row[0])
    return ORIGIN, frozenset(forged)


def newest_checkpoints(connection: psycopg.Connection) -> Iterator[Sequence[Any]]:
    """The rows of checkpoints, the highest number first, read page by page."""
    where: dict[str, Any] = {"before": None, "limit": 100}
    while rows := connection.execute(_QUERIES["checkpoints_before"], where).fetchall():
        yield from rows
        where["before"] = rows[-1][0]


def authentic_checkpoint(row: Sequence[Any], keyring: Keyring) -> Checkpoint | None:
    """The checkpoint of a row if its MAC fits, or None."""
    checkpoint = checkpoint_of(row)
    key = keyring.audit_key(checkpoint.key_id)
    return checkpoint if key is not None and checkpoint.is_authentic(key) else None


def checkpoint_of(row: Sequence[Any]) -> Checkpoint:
    """A checkpoint from its row."""
    number, high, ids, missing, lines, chain, written_at, key_id, mac, writers = row
    return Checkpoint(
        number=number,
        high=high,
        ids=tuple((covered.lower, covered.upper - 1) for covered in ids if covered.lower is not None and covered.upper),
        missing=tuple(missing),
        lines=lines,
        chain=bytes(chain),
        written_at=written_at,
        key_id=key_id,
        mac=bytes(mac),
        writers=_writers_of(writers),
    )


def _writers_of(value: Any) -> tuple[WriterLines, ...] | None:
    """From the column `writers`; None when there is none, or nothing that the vault has written."""
    try:
        return None if value is None else msgspec.convert(value, tuple[WriterLines, ...])
    except msgspec.ValidationError:
        return None


def place_of(writer: UUID | None, number: int | None, mark: int | None) -> AuditPlace | None:
    """The place of a line, from its columns; None unless all three are there."""
    return None if writer is None or number is None or mark is None else AuditPlace(writer, number, mark)


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
        "writers": None if checkpoint.writers is None else msgspec.json.encode(checkpoint.writers).decode(),
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
