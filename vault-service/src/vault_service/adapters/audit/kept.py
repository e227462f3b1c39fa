"""Keeps the end of the audit outside of its database: in a file, in the log, and at a webhook if one is set.

A role that can write to the database can cut off the end of the audit together with its checkpoints. The copy outside
shows it: the last checkpoint, and for each process of this host the number up to which its lines are recorded.
"""

import fcntl
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import msgspec

from service_kit.process import logs
from vault_service.application.verify_audit import Kept
from vault_service.domain.writer import Writer

MOST_WRITERS = 1000

log = logs.get(__name__)


class _Document(msgspec.Struct, frozen=True):
    """The content of the file. writers: from a process's id to its mark, the newest last."""

    checkpoint: str | None = None
    writers: dict[str, int] = {}


class _LogLine(msgspec.Struct, frozen=True):
    """The members of a line of the vault's log that tell of the audit."""

    checkpoint: str | None = None
    writer: str | None = None
    mark: int | None = None


@dataclass(frozen=True, slots=True)
class KeptFile:
    """The file of one host, which its processes share."""

    path: Path

    def keep(self, reference: str | None, writer: UUID, mark: int) -> bool:
        """Note the last checkpoint, if given, and a process's mark; False when the file has a later checkpoint.

        Such a checkpoint stays: the database was put back to an earlier state. Raises OSError.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self.path.with_name(f"{self.path.name}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # until it is closed
            known = self._read()
            went_back = reference is not None and _number(known.checkpoint) > _number(reference)
            writers = {name: known.writers[name] for name in known.writers if name != writer.hex}
            newest = dict([*writers.items(), (writer.hex, mark)][-MOST_WRITERS:])
            self._write(_Document(known.checkpoint if went_back else reference or known.checkpoint, newest))
        return not went_back

    def accept(self, reference: str) -> None:
        """Forget what was kept; the chain ends with this checkpoint. Raises OSError."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._write(_Document(reference))

    def kept(self) -> Kept:
        """The values that a verification compares with the audit; empty without a file. Raises OSError."""
        document = self._read()
        return Kept(frozenset({document.checkpoint} if document.checkpoint else ()), document.writers)

    def _read(self) -> _Document:
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=_Document)
        except FileNotFoundError:
            return _Document()
        except msgspec.MsgspecError as error:
            log.warning("audit.kept_file_unreadable", file=str(self.path), reason=str(error))
            return _Document()

    def _write(self, document: _Document) -> None:
        draft = self.path.with_name(f"{self.path.name}.{os.getpid()}.draft")
        draft.write_bytes(msgspec.json.encode(document))
        draft.rename(self.path)


class CheckpointKeeper:
    """A background job of each process."""

    def __init__(self, file: KeptFile, writer: Writer, post: Callable[[Mapping[str, object]], None] | None) -> None:
        """post: sends a document to the webhook; None: there is none."""
        self._file = file
        self._writer = writer
        self._post = post
        self._kept: object = None
        self.reference: str | None = None

    def keep(self) -> None:
        """Keep the last checkpoint that this process has written, and its mark, if there is something new.

        Raises OSError, and what `post` raises.
        """
        writer, mark = self._writer.progress
        news = (self.reference, writer, mark)
        if news == self._kept or (self.reference is None and mark == 0):
            return
        log.info("audit.kept", checkpoint=self.reference, writer=writer.hex, mark=mark)
        if not self._file.keep(self.reference, writer, mark):
            log.error("audit.chain_went_back", checkpoint=self.reference)
        if self._post is not None:
            self._post({"checkpoint": self.reference, "writer": writer.hex, "mark": mark})
        self._kept = news


def read_lines(lines: Iterable[bytes]) -> Kept:
    """Reads the documents in a log of the vault, or in a file to which a webhook appends one document a line."""
    references: set[str] = set()
    marks: dict[str, int] = {}
    for line in lines:
        try:
            told = msgspec.json.decode(line, type=_LogLine)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue
        if told.checkpoint:
            references.add(told.checkpoint)
        if told.writer and told.mark is not None:
            marks[told.writer] = max(told.mark, marks.get(told.writer, 0))
    return Kept(frozenset(references), marks)


def _number(reference: str | None) -> int:
    number = (reference or "").partition(":")[0]
    return int(number) if number.isdecimal() else 0
