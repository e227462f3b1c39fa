"""Verifies the audit: every line against its MAC, every checkpoint against its lines and the checkpoint before."""

import hmac
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from vault_service.domain import audit
from vault_service.domain.audit import Entry
from vault_service.domain.checkpoints import ORIGIN, Checkpoint, Pruning, Ranges, as_text, ranges


@dataclass(frozen=True, slots=True)
class AuditFinding:
    """Something that is not as the vault wrote it. what: `lines changed`, `lines removed`, …; where: numbers."""

    what: str
    where: str

    def __str__(self) -> str:
        return f"{self.what}: {self.where}"


@dataclass(slots=True)
class Verified:
    """How much was verified so far. pruned_through: the last checkpoint whose lines were lawfully removed."""

    checkpoints: int = 0
    lines: int = 0
    pruned_through: int = 0
    uncovered: int = 0


@dataclass(frozen=True, slots=True)
class StoredLine:
    """A line as it stands in the database. entry: None when its event is not one of the vault's."""

    number: int
    entry: Entry | None
    key_id: int
    mac: bytes


class AuditTrail(Protocol):
    """Reads the whole audit from one snapshot."""

    def prunings(self) -> Sequence[Pruning]:
        """All notes of prunings."""
        ...

    def checkpoints(self) -> Sequence[Checkpoint]:
        """All checkpoints, in the order of their numbers."""
        ...

    def lines_of(self, covered: Ranges) -> Sequence[StoredLine]:
        """The lines in these ranges, in order."""
        ...

    def lines_after(self, last: Checkpoint) -> Iterable[StoredLine]:
        """The lines that no checkpoint covers yet: those above `last.high`, and those that it names as missing."""
        ...

    def numbers_up_to(self, high: int) -> Iterable[int]:
        """The numbers of all lines up to this one, ascending."""
        ...


class VerifyAudit:
    """Walks through the whole audit, once. `seen` says how far it is."""

    def __init__(self, trail: AuditTrail, key_of: Callable[[int], bytes | None]) -> None:
        """key_of: the audit key of an id, or None when there is none."""
        self._trail = trail
        self._key_of = key_of
        self.seen = Verified()

    def verify(self, reference: str | None = None) -> Iterator[AuditFinding]:
        """What is wrong, as it is found. reference: of a checkpoint that the chain must contain."""
        yield from self._prunings()
        last, covered = ORIGIN, list[tuple[int, int]]()
        is_contained = reference is None
        for checkpoint in self._trail.checkpoints():
            yield from self._checkpoint(last, checkpoint)
            covered.extend(checkpoint.ids)
            is_contained = is_contained or checkpoint.reference == reference
            last = checkpoint
        if not is_contained:
            yield AuditFinding("chain cut off or replaced", f"the checkpoint {reference} is not in it")
        yield from self._strays(last, sorted(covered))
        yield from self._uncovered(last)

    def _prunings(self) -> Iterator[AuditFinding]:
        for pruning in self._trail.prunings():
            key = self._key_of(pruning.key_id)
            if key is not None and pruning.is_authentic(key):
                self.seen.pruned_through = max(self.seen.pruned_through, pruning.through)
            else:
                yield AuditFinding("note of a pruning changed", f"through checkpoint {pruning.through}")

    def _checkpoint(self, last: Checkpoint, checkpoint: Checkpoint) -> Iterator[AuditFinding]:
        self.seen.checkpoints += 1
        follows = checkpoint.number == last.number + 1
        if not follows:
            yield AuditFinding("checkpoints removed", f"{last.number + 1} to {checkpoint.number - 1}")
        key = self._key_of(checkpoint.key_id)
        if key is None or not checkpoint.is_authentic(key):
            yield AuditFinding("checkpoint changed", str(checkpoint.number))
        elif checkpoint.number > self.seen.pruned_through:
            yield from self._lines(last if follows else None, checkpoint)

    def _lines(self, last: Checkpoint | None, checkpoint: Checkpoint) -> Iterator[AuditFinding]:
        """last: None when the checkpoint before is gone, so that the chain cannot be computed."""
        lines = self._trail.lines_of(checkpoint.ids)
        expected = {number for first, end in checkpoint.ids for number in range(first, end + 1)}
        removed = sorted(expected - {line.number for line in lines})
        changed = [line.number for line in lines if not self._is_authentic(line)]
        self.seen.lines += len(lines)
        if removed:
            yield AuditFinding("lines removed", as_text(ranges(removed)))
        if changed:
            yield AuditFinding("lines changed", as_text(ranges(changed)))
        if removed or changed or last is None:
            return
        if last.chained((line.number, line.mac) for line in lines) != checkpoint.chain:
            where = f"among {as_text(checkpoint.ids)} (checkpoint {checkpoint.number})"
            yield AuditFinding("lines reordered or exchanged", where)

    def _strays(self, last: Checkpoint, covered: Sequence[tuple[int, int]]) -> Iterator[AuditFinding]:
        """Lines below the chain's end that no checkpoint covers or names as missing: they were inserted later."""
        left = iter([*covered, (last.high + 1, last.high + 1)])
        current = next(left)
        strays = []
        for number in self._trail.numbers_up_to(last.high):
            while current[1] < number:
                current = next(left)
            if number < current[0] and number not in last.missing:
                strays.append(number)
        if strays:
            yield AuditFinding("lines inserted afterwards", as_text(ranges(strays)))

    def _uncovered(self, last: Checkpoint) -> Iterator[AuditFinding]:
        changed = []
        for line in self._trail.lines_after(last):
            self.seen.uncovered += 1
            if not self._is_authentic(line):
                changed.append(line.number)
        if changed:
            yield AuditFinding("lines changed", as_text(ranges(changed)))

    def _is_authentic(self, line: StoredLine) -> bool:
        key = self._key_of(line.key_id)
        if key is None or line.entry is None:
            return False
        return hmac.compare_digest(audit.mac(key, line.entry), line.mac)
