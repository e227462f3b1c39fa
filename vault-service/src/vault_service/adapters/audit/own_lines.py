"""Looks after the lines that this process has written: checkpoints must cover them.

The process knows from memory what it has recorded. Nothing in the database hides a line that is not covered: neither a
trigger that deletes new lines, nor a forged checkpoint, nor an id far ahead.
"""

from collections import deque
from collections.abc import Callable
from time import monotonic
from uuid import UUID

from service_kit.postgres import queries
from service_kit.postgres.database import Database
from vault_service.adapters.audit.checkpoints import authentic_checkpoint, last_checkpoint
from vault_service.adapters.encryption.keyring import Keyring
from vault_service.domain.checkpoints import Checkpoint
from vault_service.domain.number_set import NumberSet
from vault_service.domain.writer import Writer

_QUERIES = queries.load(__package__, "checkpoints.sql")
PAGE_CHECKPOINTS = 500
MOST_SAMPLES = 3600


class OwnLines:
    """Compares the lines of one process with those that authentic checkpoints cover."""

    def __init__(
        self, database: Database, keyring: Keyring, writer: Writer, clock: Callable[[], float] = monotonic
    ) -> None:
        """clock: seconds, monotonic."""
        self._database = database
        self._keyring = keyring
        self._writer = writer
        self._clock = clock
        self._after: int | None = None
        self._forget(writer.id)

    def lag(self) -> float:
        """Seconds for which a line that this process has recorded has not been covered; 0 when all are covered.

        Raises StorageUnavailableError.
        """
        if self._after is None:
            self._after = self._end()
            self._writer.restart()  # its lines so far may be under checkpoints before
        writer, mark = self._writer.progress
        if writer != self._id:
            self._forget(writer)
        if mark > (self._samples[-1][0] if self._samples else 0):
            self._samples.append((mark, self._clock()))
        self._read(self._after)
        while self._samples and not self._covered.gaps(1, self._samples[0][0]):
            self._samples.popleft()
        return self._clock() - self._samples[0][1] if self._samples else 0.0

    def _forget(self, writer: UUID) -> None:
        self._id = writer
        self._covered = NumberSet()
        self._samples: deque[tuple[int, float]] = deque(maxlen=MOST_SAMPLES)

    def _end(self) -> int:
        """The number of the newest authentic checkpoint; 0 when there is none."""
        with self._database.connection() as connection:
            return last_checkpoint(connection, self._keyring)[0].number

    def _read(self, after: int) -> None:
        """Take in the checkpoints since the last time."""
        where = {"after": after, "limit": PAGE_CHECKPOINTS}
        while rows := self._database.all(_QUERIES["checkpoints_after"], where):
            for row in rows:
                checkpoint = authentic_checkpoint(row, self._keyring)
                if checkpoint is not None:
                    self._after = checkpoint.number
                    self._note(checkpoint)
            where["after"] = rows[-1][0]

    def _note(self, checkpoint: Checkpoint) -> None:
        if checkpoint.writers is None:  # by an older version, which does not tell whose lines it covers
            self._writer.restart()
        for writer, numbers, _ in checkpoint.writers or ():
            if writer == self._id.hex:
                for first, last in numbers:
                    self._covered.add(first, last)
