"""The spool: outcomes of refreshes that the database did not take, kept on disk until it does.

The old refresh token is spent by then, so the new one must not be lost. It is sealed already; each outcome is a file of
its own, written whole, synced with its folder, and removed when it is stored or no longer wanted. Processes may share a
folder: one at a time replays it, so that each outcome is recorded once. An outcome that cannot be stored for a reason
of its own is set aside, so that it stands in no other's way.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from uuid import UUID

import msgspec

from service_kit.process import logs
from vault_service.application.errors import StorageUnavailableError

DRAFT, SET_ASIDE = ".draft", ".set-aside"

log = logs.get(__name__)


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
        draft = path.with_name(f"{path.name}.{os.getpid()}{DRAFT}")
        with draft.open("wb") as file:
            file.write(msgspec.json.encode(outcome))
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
        with self._opened() as folder:
            os.fsync(folder)

    def replay(self, store: Callable[[Spooled], None]) -> int:
        """Store what is there; how many outcomes were stored. Raises StorageUnavailableError, and the rest stays."""
        if not self._outcomes():
            return 0
        with self._opened() as folder:
            fcntl.flock(folder, fcntl.LOCK_EX)  # until it is closed
            return sum(self._is_stored(path, store) for path in self._outcomes())

    def pending(self) -> int:
        """How many outcomes are there, those that were set aside among them."""
        return len(self._outcomes()) + len(list(self._folder.glob(f"*{SET_ASIDE}")))

    def _outcomes(self) -> list[Path]:
        return sorted(path for path in self._folder.glob("*.*") if path.suffix not in {DRAFT, SET_ASIDE})

    def _is_stored(self, path: Path, store: Callable[[Spooled], None]) -> bool:
        try:
            store(msgspec.json.decode(path.read_bytes(), type=Spooled))
        except StorageUnavailableError:
            raise
        except Exception as error:
            log.exception("spool.outcome_set_aside", file=path.name, exc_info=error)
            path.rename(path.with_name(path.name + SET_ASIDE))
            return False
        path.unlink()
        return True

    @contextmanager
    def _opened(self) -> Iterator[int]:
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            yield folder
        finally:
            os.close(folder)
