"""The result of a run: a text in its row, or a document in the result store."""

from dataclasses import dataclass, field
from uuid import UUID

MAX_TEXT_BYTES = 64 * 1024
"""Bytes of a text in UTF-8 that a run's row holds; a longer one is a document."""


@dataclass(frozen=True, slots=True)
class Document:
    """A result that is a file. media_type: `type/subtype`; name: of the file, for people; summary: one line."""

    content: bytes = field(repr=False)
    media_type: str
    name: str
    summary: str = ""


@dataclass(frozen=True, slots=True)
class ResultFile:
    """A document that is stored. key: its name in the result store; size: bytes."""

    key: UUID
    media_type: str
    name: str
    size: int
