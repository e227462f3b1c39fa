"""Checkpoints chain the lines of the audit, so that a line that is removed, changed or moved is noticed.

Each line carries its own MAC, written by the request that it records. About once a second one process takes the lines
that no checkpoint covers, in order, and chains them to the previous checkpoint: requests never wait for each other.
PostgreSQL gives out line numbers before transactions commit, so a number can be missing while higher ones are covered.
A checkpoint names those numbers, and a line that appears under one of them goes into a later checkpoint.

It also tells the numbers that each process gave to its lines (`domain.writer`), so that they can be verified after the
lines were pruned.
"""

import hashlib
import hmac
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from vault_service.domain.audit import AuditPlace, microseconds
from vault_service.domain.framing import joined
from vault_service.domain.number_set import NumberSet, Ranges, ranges

MISSING_KEPT = 256
"""How many missing numbers a checkpoint names. The vault has no transaction that outlives as many failed ones."""

LONGEST_JUMP = 1_000_000
"""So many numbers are never lost at once: somebody has moved the sequence."""


class ChainedLine(NamedTuple):
    """The part of a line that goes into a checkpoint. place: None for lines of versions that did not number them."""

    number: int
    mac: bytes
    place: AuditPlace | None = None


class WriterLines(NamedTuple):
    """The lines of one process under a checkpoint. writer: its id in hexadecimal; mark: the highest of the lines."""

    writer: str
    numbers: Ranges
    mark: int


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One link of the chain.

    high: the highest line number seen; ids: the lines that it covers; missing: numbers below `high` that had no line
    yet; lines: how many it covers; chain: SHA-256 over the chain before and the lines; mac: over all of this, by the
    audit key `key_id`; writers: None for checkpoints of versions that did not tell them.
    """

    number: int
    high: int
    ids: Ranges
    missing: tuple[int, ...]
    lines: int
    chain: bytes
    written_at: datetime
    key_id: int
    mac: bytes = b""
    writers: tuple[WriterLines, ...] | None = ()

    @property
    def reference(self) -> str:
        """`number:chain` in hexadecimal. Kept elsewhere, it shows that the end of the chain was cut off."""
        return f"{self.number}:{self.chain.hex()}"

    def signed(self, key: bytes) -> "Checkpoint":
        """This checkpoint with its MAC, HMAC-SHA-256."""
        content = joined(
            "audit_seals",
            str(self.number),
            str(self.high),
            str(self.ids),
            str(self.missing),
            str(self.lines),
            self.chain.hex(),
            str(microseconds(self.written_at)),
            *(() if self.writers is None else (str([tuple(each) for each in self.writers]),)),
        )
        return replace(self, mac=hmac.digest(key, content, hashlib.sha256))

    def is_authentic(self, key: bytes) -> bool:
        """True when the MAC fits."""
        return hmac.compare_digest(self.signed(key).mac, self.mac)

    def chained(self, lines: Iterable[ChainedLine]) -> bytes:
        """SHA-256 over this checkpoint's chain and the number and MAC of each following line."""
        chain = hashlib.sha256(self.chain)
        for line in lines:
            chain.update(line.number.to_bytes(8, "big", signed=True) + line.mac)
        return chain.digest()

    def next(
        self, lines: Sequence[ChainedLine], at: datetime, key_id: int, key: bytes, number: int | None = None
    ) -> "Checkpoint":
        """The checkpoint after this one. lines: by their numbers, at least one; key: signs it; number: its own."""
        numbers = [line.number for line in lines]
        high = max(self.high, numbers[-1])
        return Checkpoint(
            number=self.number + 1 if number is None else number,
            high=high,
            ids=ranges(numbers),
            missing=self._missing(numbers, high),
            lines=len(lines),
            chain=self.chained(lines),
            written_at=at,
            key_id=key_id,
            writers=writers_of(line.place for line in lines),
        ).signed(key)

    def _missing(self, numbers: Iterable[int], high: int) -> tuple[int, ...]:
        """The highest `MISSING_KEPT` numbers below `high` without a line. However far `high` is, it takes no longer."""
        present = set(numbers)
        found: list[int] = []
        for numbers_down in (range(high - 1, self.high, -1), sorted(self.missing, reverse=True)):
            for number in numbers_down:
                if len(found) == MISSING_KEPT:
                    return tuple(reversed(found))
                if number not in present:
                    found.append(number)
        return tuple(reversed(found))


ORIGIN = Checkpoint(0, 0, (), (), 0, bytes(32), datetime.min, 0)  # noqa: DTZ901 - stands before the first one


@dataclass(frozen=True, slots=True)
class Pruning:
    """A signed note that the lines of all checkpoints up to and including `through` were removed."""

    through: int
    pruned_at: datetime
    key_id: int
    mac: bytes = b""

    def signed(self, key: bytes) -> "Pruning":
        """This note with its MAC, HMAC-SHA-256."""
        content = joined("audit_prunings", str(self.through), str(microseconds(self.pruned_at)))
        return replace(self, mac=hmac.digest(key, content, hashlib.sha256))

    def is_authentic(self, key: bytes) -> bool:
        """True when the MAC fits."""
        return hmac.compare_digest(self.signed(key).mac, self.mac)


def writers_of(places: Iterable[AuditPlace | None]) -> tuple[WriterLines, ...]:
    """The lines of each process, by its id. Lines without a place are left out."""
    numbers: dict[str, NumberSet] = defaultdict(NumberSet)
    marks: dict[str, int] = defaultdict(int)
    for place in places:
        if place is not None:
            numbers[place.writer.hex].add(place.number)
            marks[place.writer.hex] = max(marks[place.writer.hex], place.mark)
    return tuple(WriterLines(writer, tuple(numbers[writer]), marks[writer]) for writer in sorted(numbers))
