"""Checkpoints chain the lines of the audit, so that a line that is removed, changed or moved is noticed.

Each line carries its own MAC, written by the request that it records. About once a second one process takes the lines
that no checkpoint covers, in order, and chains them to the previous checkpoint: requests never wait for each other.
PostgreSQL gives out line numbers before transactions commit, so a number can be missing while higher ones are covered.
A checkpoint names those numbers, and a line that appears under one of them goes into a later checkpoint.
"""

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from vault_service.domain.audit import microseconds
from vault_service.domain.framing import joined

MISSING_KEPT = 256
"""How many missing numbers a checkpoint names. The vault has no transaction that outlives as many failed ones."""

Ranges = tuple[tuple[int, int], ...]
"""Line numbers as inclusive ranges, ascending."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One link of the chain.

    high: the highest line number seen; ids: the lines that it covers; missing: numbers below `high` that had no line
    yet; lines: how many it covers; chain: SHA-256 over the chain before and the lines; mac: over all of this, by the
    audit key `key_id`.
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
        )
        return replace(self, mac=hmac.digest(key, content, hashlib.sha256))

    def is_authentic(self, key: bytes) -> bool:
        """True when the MAC fits."""
        return hmac.compare_digest(self.signed(key).mac, self.mac)

    def chained(self, lines: Iterable[tuple[int, bytes]]) -> bytes:
        """SHA-256 over this checkpoint's chain and the number and MAC of each following line."""
        chain = hashlib.sha256(self.chain)
        for number, mac in lines:
            chain.update(number.to_bytes(8, "big") + mac)
        return chain.digest()

    def next(self, lines: Sequence[tuple[int, bytes]], at: datetime, key_id: int, key: bytes) -> "Checkpoint":
        """The checkpoint after this one. lines: number and MAC, ascending, at least one; key: signs it."""
        numbers = [number for number, _ in lines]
        high = max(self.high, numbers[-1])
        missing = sorted({*self.missing, *range(self.high + 1, high)} - set(numbers))[-MISSING_KEPT:]
        return Checkpoint(
            number=self.number + 1,
            high=high,
            ids=ranges(numbers),
            missing=tuple(missing),
            lines=len(lines),
            chain=self.chained(lines),
            written_at=at,
            key_id=key_id,
        ).signed(key)


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


def ranges(numbers: Iterable[int]) -> Ranges:
    """Ascending numbers as inclusive ranges."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return tuple(found)


def as_text(covered: Ranges) -> str:
    """Ranges as a person reads them: `5 to 9, 30`."""
    return ", ".join(str(first) if first == last else f"{first} to {last}" for first, last in covered)
