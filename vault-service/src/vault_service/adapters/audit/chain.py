"""The audit's chain: seals over its lines, so that a line that is removed, changed or moved is noticed.

A line is written with a MAC of its own, in the request that it records. About once a second whichever process comes
first takes the lines that no seal covers yet and chains them, in order, to the seal before: requests never wait for
each other's place in the chain. Line numbers are given out before transactions commit, so a number may be missing when
its successors are sealed; the seal names those numbers, and a line that turns up under one goes into a later seal.
"""

import hashlib
import hmac
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.types.multirange import Multirange
from psycopg.types.range import Range

from service_kit.postgres import queries
from service_kit.postgres.database import Database
from vault_service.adapters.encryption.framing import joined
from vault_service.adapters.encryption.keyring import Keyring
from vault_service.application.ports import Clock
from vault_service.domain.audit import Event

_QUERIES = queries.load(__package__, "audit_chain.sql")

BATCH_LINES = 5000
MISSING_KEPT = 256
"""Numbers that may still turn up; a transaction that lives while so many others fail is none of the vault's."""

Ranges = tuple[tuple[int, int], ...]
"""Line numbers as inclusive ranges, ascending."""


@dataclass(frozen=True, slots=True)
class Seal:
    """One link of the chain; the fields are the columns of `audit_seals`."""

    number: int
    high: int
    ids: Ranges
    missing: tuple[int, ...]
    lines: int
    chain: bytes
    sealed_at: datetime
    key_id: int
    mac: bytes = b""

    def content(self) -> bytes:
        """What its MAC is taken of."""
        return joined(
            "audit_seals",
            str(self.number),
            str(self.high),
            str(self.ids),
            str(self.missing),
            str(self.lines),
            self.chain.hex(),
            str(_microseconds(self.sealed_at)),
        )

    @property
    def checkpoint(self) -> str:
        """What to keep elsewhere, so that a chain whose end was cut off is noticed."""
        return f"{self.number}:{self.chain.hex()}"


NO_SEAL = Seal(0, 0, (), (), 0, bytes(32), datetime.min, 0)  # noqa: DTZ901 - stands before the first


@dataclass(frozen=True, slots=True)
class _Unsealed:
    id: int
    mac: bytes
    event: str
    grant_id: UUID
    at: datetime


class AuditSealer:
    """Seals what is not sealed yet."""

    def __init__(self, database: Database, keyring: Keyring, clock: Clock) -> None:
        self._database = database
        self._keyring = keyring
        self._clock = clock

    def seal(self) -> Seal | None:
        """Seal the next lines; None when there are none, or when somebody else is at it."""
        with self._database.transaction() as connection:
            if not _value(connection, "alone"):
                return None
            last = last_seal(connection)
            lines = self._unsealed(connection, last)
            if not lines:
                return None
            seal = self._sealed(last, lines)
            connection.execute(_QUERIES["add_seal"], _row(seal))
            connection.execute(_QUERIES["count_uses"], _uses(lines))
            return seal

    def lag(self) -> float:
        """Seconds since the oldest line was written that no seal covers yet; 0 when there is none."""
        row = self._database.one(_QUERIES["lag"], {})
        return 0.0 if row is None else row[0]

    def _unsealed(self, connection: psycopg.Connection, last: Seal) -> list[_Unsealed]:
        where = {"high": last.high, "missing": list(last.missing), "limit": BATCH_LINES}
        return [_Unsealed(*row) for row in connection.execute(_QUERIES["unsealed"], where)]

    def _sealed(self, last: Seal, lines: Sequence[_Unsealed]) -> Seal:
        numbers = [line.id for line in lines]
        high = max(last.high, numbers[-1])
        missing = sorted({*last.missing, *range(last.high + 1, high)} - set(numbers))[-MISSING_KEPT:]
        key_id, key = self._keyring.active("audit")
        seal = Seal(
            number=last.number + 1,
            high=high,
            ids=ranges(numbers),
            missing=tuple(missing),
            lines=len(lines),
            chain=chained(last.chain, ((line.id, bytes(line.mac)) for line in lines)),
            sealed_at=self._clock.now(),
            key_id=key_id,
        )
        return signed(seal, key)


def signed(seal: Seal, key: bytes) -> Seal:
    """The seal with its MAC."""
    return replace(seal, mac=hmac.digest(key, seal.content(), hashlib.sha256))


def last_seal(connection: psycopg.Connection) -> Seal:
    """The end of the chain."""
    row = connection.execute(_QUERIES["last_seal"]).fetchone()
    return NO_SEAL if row is None else seal_of(row)


def seal_of(row: Sequence[Any]) -> Seal:
    """A seal from its row."""
    number, high, ids, missing, lines, chain, sealed_at, key_id, mac = row
    inclusive = tuple((covered.lower, covered.upper - 1) for covered in ids)
    return Seal(number, high, inclusive, tuple(missing), lines, bytes(chain), sealed_at, key_id, bytes(mac))


def multirange(covered: Ranges) -> Multirange[int]:
    """The ranges as PostgreSQL's type."""
    return Multirange([Range(first, last + 1) for first, last in covered])


def chained(before: bytes, lines: Iterable[tuple[int, bytes]]) -> bytes:
    """SHA-256 over the chain before and the number and MAC of each line."""
    chain = hashlib.sha256(before)
    for number, mac in lines:
        chain.update(number.to_bytes(8, "big") + mac)
    return chain.digest()


def ranges(numbers: Iterable[int]) -> Ranges:
    """Ascending numbers as inclusive ranges."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return tuple(found)


def _row(seal: Seal) -> dict[str, Any]:
    row = {field.name: getattr(seal, field.name) for field in fields(seal)}
    return {**row, "ids": multirange(seal.ids), "missing": list(seal.missing)}


def _uses(lines: Iterable[_Unsealed]) -> dict[str, list[Any]]:
    times: dict[UUID, list[datetime]] = defaultdict(list)
    for line in lines:
        if line.event == Event.TOKEN_ISSUED:
            times[line.grant_id].append(line.at)
    return {
        "grants": list(times),
        "uses": [len(each) for each in times.values()],
        "last": [max(each) for each in times.values()],
    }


def _value(connection: psycopg.Connection, query: str) -> Any:
    row = connection.execute(_QUERIES[query]).fetchone()
    return row and row[0]


def _microseconds(at: datetime) -> int:
    return round(at.timestamp() * 1_000_000)
