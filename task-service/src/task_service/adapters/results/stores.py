"""`application.ports.ResultStore`: a folder, or whatever fsspec knows by a URL (`s3://…`; extra `results`).

The API reads and workers write: they share the folder or the bucket.
"""

import contextlib
import os
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from task_service.application.errors import ResultStoreUnavailableError
from task_service.application.ports.attempts import ResultStore


class FolderStore:
    """Files in a folder, readable by the service's user only."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, key: UUID, content: bytes) -> None:
        """Write it; it appears whole."""
        temporary = self._folder / f".{uuid4()}"
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._folder / str(key))
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise ResultStoreUnavailableError from error

    def get(self, key: UUID) -> bytes:
        """Read it."""
        try:
            return (self._folder / str(key)).read_bytes()
        except OSError as error:
            raise ResultStoreUnavailableError from error

    def remove(self, key: UUID) -> None:
        """Remove it, if it is there."""
        try:
            (self._folder / str(key)).unlink(missing_ok=True)
        except OSError as error:
            raise ResultStoreUnavailableError from error


class FsspecStore:
    """Objects below a URL. Credentials are those that the file system's library finds."""

    def __init__(self, url: str) -> None:
        """Raises ValueError when the libraries for such a URL are not installed."""
        try:
            import fsspec  # noqa: PLC0415 - an extra
        except ImportError:
            raise ValueError("needs the extra: pip install 'task-service[results]'") from None
        try:
            self._files: Any
            self._files, self._root = fsspec.url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise ValueError(f"cannot be used: {error}") from None

    def put(self, key: UUID, content: bytes) -> None:
        """Write it."""
        self._reach(lambda: self._files.pipe_file(self._path(key), content))

    def get(self, key: UUID) -> bytes:
        """Read it."""
        return bytes(self._reach(lambda: self._files.cat_file(self._path(key))))

    def remove(self, key: UUID) -> None:
        """Remove it, if it is there."""

        def remove() -> None:
            with contextlib.suppress(FileNotFoundError):
                self._files.rm_file(self._path(key))

        self._reach(remove)

    def _path(self, key: UUID) -> str:
        return f"{self._root.rstrip('/')}/{key}"

    def _reach(self, call: Any) -> Any:
        try:
            return call()
        except Exception as error:  # file systems raise what their libraries do
            raise ResultStoreUnavailableError from error


def store_at(place: str) -> ResultStore:
    """The store at an absolute path of a folder, or at a URL. Raises ValueError."""
    if "://" in place:
        return FsspecStore(place)
    folder = Path(place)
    if not folder.is_dir() or not os.access(folder, os.R_OK | os.X_OK):
        raise ValueError(f"{place} is not a folder that can be read")
    return FolderStore(folder)
