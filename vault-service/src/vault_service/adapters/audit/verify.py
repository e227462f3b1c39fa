"""Verifying the audit: every line against its MAC, every seal against its lines and the seal before.

Also the lawful end of lines: pruning removes those of whole seals when they are old enough. The seals stay, and a
signed note says up to which one the lines are gone.
"""

import hashlib
import hmac
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg

from service_kit.postgres import queries
from vault_service.adapters.audit.chain import (
    NO_SEAL,
    Ranges,
    Seal,
    chained,
    last_seal,
    multirange,
    ranges,
    seal_of,
    signed,
)
from vault_service.adapters.audit.log import AuditLog
from vault_service.adapters.encryption.framing import joined
from vault_service.adapters.encryption.keyring import Keyring
from vault_service.application.errors import SealBrokenError
from vault_service.domain.audit import Entry, Event
from vault_service.domain.grant import Subject

_QUERIES = queries.load(__package__, "audit_chain.sql")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it was written. what: `line changed`, `line removed`, …; where: numbers."""

    what: str
    where: str

    def __str__(self) -> str:
        return f"{self.what}: {self.where}"


@dataclass(slots=True)
class Verified:
    """How much was looked at, so far."""

    seals: int = 0
    lines: int = 0
    pruned_through: int = 0
    unsealed: int = 0


class AuditVerifier:
    """Walks the whole audit. connection: of any role that may read it."""

    def __init__(self, connection: psycopg.Connection, audit: AuditLog, keyring: Keyring) -> None:
        self._connection = connection
        self._audit = audit
        self._keyring = keyring
        self.seen = Verified()

    def verify(self, checkpoint: str | None = None) -> Iterator[Finding]:
        """What is wrong, as it is found. checkpoint: `Seal.checkpoint` of a seal that was there once."""
        yield from self._prunings()
        last, covered = NO_SEAL, list[tuple[int, int]]()
        held = checkpoint is None
        for row in self._connection.execute(_QUERIES["all_seals"]).fetchall():
            seal = seal_of(row)
            yield from self._seal(last, seal)
            covered.extend(seal.ids)
            held = held or seal.checkpoint == checkpoint
            last = seal
        if not held:
            yield Finding("chain cut off or replaced", f"the checkpoint {checkpoint} is not in it")
        yield from self._strays(last, sorted(covered))
        yield from self._unsealed(last)

    def _prunings(self) -> Iterator[Finding]:
        for through, pruned_at, key_id, mac in self._connection.execute(_QUERIES["prunings"]).fetchall():
            key = self._key(key_id)
            if key is not None and hmac.compare_digest(_pruning_mac(key, through, pruned_at), bytes(mac)):
                self.seen.pruned_through = max(self.seen.pruned_through, through)
            else:
                yield Finding("note of a pruning changed", f"through seal {through}")

    def _seal(self, last: Seal, seal: Seal) -> Iterator[Finding]:
        self.seen.seals += 1
        if seal.number != last.number + 1:
            yield Finding("seals removed", f"{last.number + 1} to {seal.number - 1}")
            last = Seal(seal.number - 1, last.high, (), (), 0, b"", last.sealed_at, 0)
        key = self._key(seal.key_id)
        if key is None or not hmac.compare_digest(signed(seal, key).mac, seal.mac):
            yield Finding("seal changed", str(seal.number))
            return
        if seal.number > self.seen.pruned_through:
            yield from self._lines(last, seal)

    def _lines(self, last: Seal, seal: Seal) -> Iterator[Finding]:
        rows = self._connection.execute(_QUERIES["lines_of"], {"ids": multirange(seal.ids)}).fetchall()
        present = [row[0] for row in rows]
        expected = {number for first, end in seal.ids for number in range(first, end + 1)}
        removed = sorted(expected - set(present))
        changed = [row[0] for row in rows if not self._is_authentic(row)]
        self.seen.lines += len(rows)
        if removed:
            yield Finding("lines removed", _text(ranges(removed)))
        if changed:
            yield Finding("lines changed", _text(ranges(changed)))
        whole = not removed and not changed and last.chain
        if whole and chained(last.chain, ((row[0], bytes(row[10])) for row in rows)) != seal.chain:
            yield Finding("lines reordered or exchanged", f"among {_text(seal.ids)} (seal {seal.number})")

    def _strays(self, last: Seal, covered: Sequence[tuple[int, int]]) -> Iterator[Finding]:
        """Lines below the chain's end that no seal knows: put in afterwards, or later than any transaction may be."""
        left = iter([*covered, (last.high + 1, last.high + 1)])
        current = next(left)
        strays = []
        for (number,) in self._connection.execute(_QUERIES["numbers_up_to"], {"high": last.high}):
            while current[1] < number:
                current = next(left)
            if number < current[0] and number not in last.missing:
                strays.append(number)
        if strays:
            yield Finding("lines put in afterwards", _text(ranges(strays)))

    def _unsealed(self, last: Seal) -> Iterator[Finding]:
        where = {"high": last.high, "missing": list(last.missing)}
        changed = []
        for row in self._connection.execute(_QUERIES["lines_after"], where):
            self.seen.unsealed += 1
            if not self._is_authentic(row):
                changed.append(row[0])
        if changed:
            yield Finding("lines changed", _text(ranges(changed)))

    def _is_authentic(self, row: Sequence[object]) -> bool:
        _, at, event, grant_id, issuer, subject, actor, request_id, outcome, key_id, mac = row
        try:
            entry = Entry(Event(event), grant_id, Subject(issuer, subject), actor, request_id, at, outcome)  # type: ignore[arg-type]
            return self._audit.is_authentic(entry, key_id, bytes(mac))  # type: ignore[arg-type,call-overload]
        except (ValueError, SealBrokenError):
            return False

    def _key(self, key_id: int) -> bytes | None:
        """The audit key of that id, or None: what claims to be signed by another key is not."""
        try:
            return self._keyring.key("audit", key_id)
        except SealBrokenError:
            return None


def prune(connection: psycopg.Connection, keyring: Keyring, before: datetime, now: datetime) -> tuple[int, int]:
    """Remove the lines of all seals older than a time, as the schema's owner; how many seals and lines those were.

    The last seal's lines stay: the chain goes on from them.
    """
    with connection.transaction():
        done = connection.execute(_QUERIES["prunings"]).fetchall()
        where = {"before": before, "through": done[-1][0] if done else 0}
        last = last_seal(connection)
        seals = [row for row in connection.execute(_QUERIES["prunable"], where).fetchall() if row[0] < last.number]
        lines = sum(connection.execute(_QUERIES["remove_lines"], {"ids": ids}).rowcount for _, ids in seals)
        if seals:
            key_id, key = keyring.active("audit")
            through = seals[-1][0]
            note = {"through": through, "pruned_at": now, "key_id": key_id, "mac": _pruning_mac(key, through, now)}
            connection.execute(_QUERIES["add_pruning"], note)
        return len(seals), lines


def _pruning_mac(key: bytes, through: int, pruned_at: datetime) -> bytes:
    content = joined("audit_prunings", str(through), str(round(pruned_at.timestamp() * 1_000_000)))
    return hmac.digest(key, content, hashlib.sha256)


def _text(covered: Ranges) -> str:
    return ", ".join(str(first) if first == last else f"{first} to {last}" for first, last in covered)
