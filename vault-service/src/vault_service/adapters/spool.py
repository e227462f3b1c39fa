"""The spool: outcomes of refreshes that the database did not take, kept on disk until it does.

The old refresh token is spent by then, so the new one must not be lost. It is sealed already; each outcome is a file of
its own, written whole, synced with its folder, and removed when it is stored or no longer wanted. Processes may share a
folder: one at a time replays it, so that each outcome is recorded once.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from uuid import UUID

import msgspec


class Spooled(msgspec.Struct, frozen=True):
    """One outcome: the fenced write that is still to be made, and what the audit has to say of it."""

    grant_id: UUID
    generation: int
    refresh_token: bytes
    access_lifetime: float
    refresh_expires_in: float | None
    issuer: str
    subject: str
    actor: str
    request_id: str
    at: datetime


class Spool:
    """A folder of outcomes, this process's and those that processes before it have left."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, outcome: Spooled) -> None:
        """Put an outcome on disk; it is there when this returns."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._folder / f"{outcome.grant_id}.{outcome.generation}"
        draft = path.with_name(f"{path.name}.{os.getpid()}.draft")
        with draft.open("wb") as file:
            file.write(msgspec.json.encode(outcome))
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
        with self._opened() as folder:
            os.fsync(folder)

    def replay(self, store: Callable[[Spooled], None]) -> int:
        """Store what is there; how many outcomes that were. What `store` raises ends it, and the file stays."""
        if not self._outcomes():
            return 0
        with self._opened() as folder:
            fcntl.flock(folder, fcntl.LOCK_EX)  # until it is closed
            for path in (outcomes := self._outcomes()):
                store(msgspec.json.decode(path.read_bytes(), type=Spooled))
                path.unlink()
            return len(outcomes)

    def pending(self) -> int:
        """How many outcomes are there."""
        return len(self._outcomes())

    def _outcomes(self) -> list[Path]:
        return sorted(path for path in self._folder.glob("*.*") if path.suffix != ".draft")

    @contextmanager
    def _opened(self) -> Iterator[int]:
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            yield folder
        finally:
            os.close(folder)
