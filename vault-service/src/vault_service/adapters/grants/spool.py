"""The spool: outcomes of refreshes that the database did not take, on disk until it does.

The old refresh token has been used by then, so the new one must not be lost. It is already sealed. Each outcome is a
file, written whole, synced with its folder, and removed when it is stored or no longer needed. Processes may share a
folder: one at a time replays it, so that each outcome is recorded once. An outcome that cannot be stored although the
database is reachable is set aside, so that it does not block the others.
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
    """One outcome: the fields of its fenced write, and those of its audit line."""

    grant_id: UUID
    generation: int
    refresh_token: bytes
    access_lifetime: float | None
    refresh_expires_in: float | None
    issuer: str
    subject: str
    actor: str
    request_id: str
    at: datetime
    is_usable: bool = True
    failure: str | None = None
    detail: str | None = None
    pause: float = 0.0
    terms: bytes = b""


class Spool:
    """A folder of outcomes, those of this process and those that earlier processes have left."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, outcome: Spooled) -> None:
        """Write an outcome; it is on disk when this returns. Raises OSError."""
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
        """Store the outcomes in the folder; their number. Raises StorageUnavailableError; the rest stays then."""
        if not self._outcomes():
            return 0
        with self._opened() as folder:
            fcntl.flock(folder, fcntl.LOCK_EX)  # until it is closed
            return sum(self._is_stored(path, store) for path in self._outcomes())

    def pending(self) -> int:
        """The number of outcomes in the folder, including those that were set aside."""
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
