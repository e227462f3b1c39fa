"""Verifies the audit: every line against its MAC, every checkpoint against its lines and the checkpoint before, and the
numbers that each process gave to its lines. Its memory is bounded by the gaps in the audit, not by its length.
"""

import hmac
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from vault_service.application.writers_seen import WritersSeen
from vault_service.domain import audit
from vault_service.domain.audit import AuditPlace, Entry
from vault_service.domain.checkpoints import LONGEST_JUMP, ORIGIN, ChainedLine, Checkpoint, Pruning
from vault_service.domain.number_set import NumberSet, Ranges, as_text


@dataclass(frozen=True, slots=True)
class AuditFinding:
    """Something that is not as the vault wrote it. what: `lines changed`, `lines removed`, …; where: numbers."""

    what: str
    where: str

    def __str__(self) -> str:
        return f"{self.what}: {self.where}"


@dataclass(frozen=True, slots=True)
class Kept:
    """The part of the audit that was kept outside of its database.

    references: of checkpoints that the chain must contain; marks: by a process's id in hexadecimal, the number up to
    which all of its lines must be there.
    """

    references: frozenset[str] = frozenset()
    marks: Mapping[str, int] = field(default_factory=dict)


NOTHING_KEPT = Kept()


@dataclass(slots=True)
class Verified:
    """The extent of the verification so far. pruned_through: the last checkpoint whose lines were lawfully removed."""

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
    place: AuditPlace | None = None


class AuditTrail(Protocol):
    """Reads the whole audit from one snapshot."""

    def prunings(self) -> Sequence[Pruning]:
        """All notes of prunings."""
        ...

    def checkpoints(self) -> Iterable[Checkpoint]:
        """All checkpoints, in the order of their numbers. Nothing was verified of them."""
        ...

    def lines_of(self, covered: Ranges) -> Sequence[StoredLine]:
        """The lines in these ranges, in order."""
        ...

    def lines_after(self, last: Checkpoint) -> Iterable[StoredLine]:
        """The lines that no checkpoint covers yet: those above `last.high`, and those that it names as missing."""
        ...

    def last_number(self) -> int:
        """The last number that the sequence has given out; later ones are from elsewhere."""
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
        self._writers = WritersSeen()
        self.seen = Verified()

    def verify(self, kept: Kept = NOTHING_KEPT) -> Iterator[AuditFinding]:
        """Every fault, as it is found."""
        yield from self._prunings()
        last, number, covered, references = ORIGIN, 0, NumberSet(), set(kept.references)
        for checkpoint in self._trail.checkpoints():
            self.seen.checkpoints += 1
            follows = checkpoint.number == number + 1
            if not follows:
                yield AuditFinding("checkpoints removed", f"{number + 1} to {checkpoint.number - 1}")
            number = checkpoint.number
            key = self._key_of(checkpoint.key_id)
            if key is None or not checkpoint.is_authentic(key):
                yield AuditFinding("checkpoint changed", str(checkpoint.number))
                continue
            yield from self._covered(last, checkpoint, covered, follows=follows)
            references.discard(checkpoint.reference)
            last = checkpoint
        for reference in sorted(references):
            yield AuditFinding("chain cut off or replaced", f"the checkpoint {reference} is not in it")
        yield from self._strays(last, covered)
        yield from self._uncovered(last)
        yield from self._missing(kept.marks)

    def _prunings(self) -> Iterator[AuditFinding]:
        for pruning in self._trail.prunings():
            key = self._key_of(pruning.key_id)
            if key is not None and pruning.is_authentic(key):
                self.seen.pruned_through = max(self.seen.pruned_through, pruning.through)
            else:
                yield AuditFinding("note of a pruning changed", f"through checkpoint {pruning.through}")

    def _covered(
        self, last: Checkpoint, checkpoint: Checkpoint, covered: NumberSet, *, follows: bool
    ) -> Iterator[AuditFinding]:
        """An authentic checkpoint. follows: False when one before it is gone, so that the chain cannot be computed."""
        if checkpoint.high - last.high > LONGEST_JUMP and last is not ORIGIN:
            yield AuditFinding("line numbers jump", f"from {last.high} to {checkpoint.ids[-1][0]}")
        if not all([covered.add(first, end) for first, end in checkpoint.ids]):  # noqa: C419 - all are added
            yield AuditFinding("lines covered twice", f"by checkpoint {checkpoint.number}")
        self._writers.begin(checkpoint)
        if checkpoint.number > self.seen.pruned_through:
            yield from self._lines(last if follows else None, checkpoint)
        else:
            self._writers.add_pruned(checkpoint)

    def _lines(self, last: Checkpoint | None, checkpoint: Checkpoint) -> Iterator[AuditFinding]:
        lines = self._trail.lines_of(checkpoint.ids)
        present = NumberSet((line.number, line.number) for line in lines)
        removed = [gap for first, end in checkpoint.ids for gap in present.gaps(first, end)]
        changed = NumberSet((line.number, line.number) for line in lines if not self._is_authentic(line))
        self.seen.lines += len(lines)
        if removed:
            yield AuditFinding("lines removed", as_text(removed))
        if any(changed):
            yield AuditFinding("lines changed", as_text(changed))
        yield from self._placed([line for line in lines if line.number not in changed])
        if removed or any(changed) or last is None:
            return
        if last.chained(ChainedLine(line.number, line.mac) for line in lines) != checkpoint.chain:
            where = f"among {as_text(checkpoint.ids)} (checkpoint {checkpoint.number})"
            yield AuditFinding("lines reordered or exchanged", where)

    def _placed(self, lines: Iterable[StoredLine]) -> Iterator[AuditFinding]:
        """Note the places of authentic lines."""
        twice, late = NumberSet(), NumberSet()
        for line in lines:
            if line.place is not None:
                if not self._writers.add(line.place):
                    twice.add(line.number)
            elif line.entry is not None and self._writers.is_late(line.entry.at):
                late.add(line.number)
        if any(twice):
            yield AuditFinding("lines added twice", as_text(twice))
        if any(late):
            yield AuditFinding("lines added long after their time", as_text(late))

    def _strays(self, last: Checkpoint, covered: NumberSet) -> Iterator[AuditFinding]:
        """Lines below the chain's end that no checkpoint covers or names as missing: they were inserted later."""
        left = iter([*covered, (last.high + 1, last.high + 1)])
        current = next(left)
        strays = NumberSet()
        for number in self._trail.numbers_up_to(last.high):
            while current[1] < number:
                current = next(left)
            if number < current[0] and number not in last.missing:
                strays.add(number)
        if any(strays):
            yield AuditFinding("lines inserted afterwards", as_text(strays))

    def _uncovered(self, last: Checkpoint) -> Iterator[AuditFinding]:
        changed, ahead, last_number = NumberSet(), NumberSet(), self._trail.last_number()
        for line in self._trail.lines_after(last):
            self.seen.uncovered += 1
            if line.number > last_number:
                ahead.add(line.number)
            if self._is_authentic(line):
                yield from self._placed([line])
            else:
                changed.add(line.number)
        if any(changed):
            yield AuditFinding("lines changed", as_text(changed))
        if any(ahead):
            yield AuditFinding("line numbers ahead of the sequence", as_text(ahead))

    def _missing(self, marks: Mapping[str, int]) -> Iterator[AuditFinding]:
        for writer, numbers in self._writers.missing(marks):
            yield AuditFinding("lines missing", f"{as_text(numbers)} of the process {writer}")

    def _is_authentic(self, line: StoredLine) -> bool:
        key = self._key_of(line.key_id)
        if key is None or line.entry is None:
            return False
        return hmac.compare_digest(audit.mac(key, line.entry, line.place), line.mac)
