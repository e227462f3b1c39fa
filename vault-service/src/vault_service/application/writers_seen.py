"""The numbers that processes gave to their audit lines (`domain.writer`), as a verification meets them."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from vault_service.domain.audit import AuditPlace
from vault_service.domain.checkpoints import Checkpoint
from vault_service.domain.number_set import NumberSet, Ranges

LATE = timedelta(hours=1)
"""A line is covered within seconds. One without a place that is older than this was added again."""


class WritersSeen:
    """Finds numbers that are missing or come twice."""

    def __init__(self) -> None:
        self._numbers: dict[str, NumberSet] = {}
        self._marks: dict[str, int] = {}
        self._partial: set[str] = set()
        self._written_at: datetime | None = None
        self._is_numbered = False
        self._blind_until: datetime | None = None

    def begin(self, checkpoint: Checkpoint) -> None:
        """The lines of this checkpoint follow."""
        self._written_at = checkpoint.written_at
        self._is_numbered = self._is_numbered or bool(checkpoint.writers)

    def add(self, place: AuditPlace) -> bool:
        """Note a line; False when there was one with its number."""
        self._note(place.writer.hex, place.mark)
        return self._numbers[place.writer.hex].add(place.number)

    def add_pruned(self, checkpoint: Checkpoint) -> None:
        """Note the lines of a checkpoint that were removed lawfully.

        An old version, which did not name its lines, can have made the checkpoint while a newer one ran. It is then
        unknown which lines of the processes of that hour were removed.
        """
        if checkpoint.writers is None:
            self._blind_until = checkpoint.written_at + LATE
            self._partial.update(self._numbers)
            return
        for writer, numbers, mark in checkpoint.writers:
            self._note(writer, mark)
            for first, last in numbers:
                self._numbers[writer].add(first, last)

    def is_late(self, at: datetime) -> bool:
        """True when a line without a place was covered long after its time, by a version that numbers lines."""
        return self._is_numbered and self._written_at is not None and at < self._written_at - LATE

    def missing(self, kept: Mapping[str, int]) -> Iterator[tuple[str, Ranges]]:
        """For each process the numbers that are missing. kept: marks that were kept outside."""
        for writer in sorted({*self._numbers, *kept}):
            mark = max(self._marks.get(writer, 0), kept.get(writer, 0))
            gaps = self._numbers.get(writer, NumberSet()).gaps(1, mark)
            if gaps and writer not in self._partial:
                yield writer, gaps

    def _note(self, writer: str, mark: int) -> None:
        if writer not in self._numbers:
            self._numbers[writer] = NumberSet()
            if self._blind_until and self._written_at and self._written_at <= self._blind_until:
                self._partial.add(writer)
        self._marks[writer] = max(self._marks.get(writer, 0), mark)
