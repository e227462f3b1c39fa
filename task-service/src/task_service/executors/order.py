"""The messages between a worker and the program that runs an attempt elsewhere: an order out, events back.

An order is one JSON document. An event is one line: RECORD_SEPARATOR (as in RFC 7464), then JSON. All other lines of
the output are what the kind's code has printed; they become lines of the run's log.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from task_service.domain.attempt import Attempt, AttemptKey
from task_service.domain.journal import Level
from task_service.domain.owner import Owner
from task_service.kinds.base import KindSettings

RECORD_SEPARATOR = b"\x1e"
PART_BYTES = 2400
"""Bytes of a result in one event: a line is written at once (PIPE_BUF), whatever else writes to the same pipe."""
MAX_LINE_BYTES = 64 * 1024


class Servers(msgspec.Struct, frozen=True, kw_only=True):
    """The URLs at which the program reaches vault and issuer."""

    vault_url: str
    issuer: str
    issuer_internal_url: str | None = None


class Sandbox(msgspec.Struct, frozen=True, kw_only=True):
    """The files that the program may open, beside Python and the system's libraries. None: all."""

    readable: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt to be made elsewhere. ticket: the only secret in it; sandbox: None for none."""

    kind: str
    parameters: Mapping[str, Any]
    task_id: UUID
    fence: int
    run: int
    issuer: str
    subject: str
    task_name: str
    persistent_token_id: UUID
    ticket_id: UUID
    ticket: str
    servers: Servers
    settings: KindSettings
    sandbox: Sandbox | None = None

    def attempt(self) -> Attempt:
        """The attempt, as kinds know it."""
        return Attempt(
            key=AttemptKey(self.task_id, self.fence),
            run=self.run,
            owner=Owner(self.issuer, self.subject),
            task_name=self.task_name,
            kind=self.kind,
            parameters=self.parameters,
            persistent_token_id=self.persistent_token_id,
        )

    def __repr__(self) -> str:
        return f"Order({self.task_id}:{self.fence})"


class Progressed(msgspec.Struct, frozen=True, tag="progress"):
    """Percent, 0 to 100."""

    percent: int


class Logged(msgspec.Struct, frozen=True, tag="log"):
    """A line of the log."""

    level: Level
    message: str


class FetchedToken(msgspec.Struct, frozen=True, tag="token"):
    """An access token was fetched."""

    expires_at: datetime
    scopes: list[str]


class OrderPart(msgspec.Struct, frozen=True, tag="part"):
    """A part of the result, in order."""

    content: bytes


class Completed(msgspec.Struct, frozen=True, tag="completed"):
    """The end: the parts are a text in UTF-8, or a document if there is a media type."""

    media_type: str | None = None
    name: str = ""
    summary: str = ""


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The end. reason: `handler` (message is for the owner), `token_refused`, `vault_unavailable`, `stopped`, or
    `unexpected`.
    """

    reason: str
    message: str
    can_pass: bool = False


Event = Progressed | Logged | FetchedToken | OrderPart | Completed | Failed
_DECODER: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


def line_of(event: Event) -> bytes:
    """The event as a line."""
    return RECORD_SEPARATOR + msgspec.json.encode(event) + b"\n"


def split(line: bytes) -> tuple[bytes, Event | None]:
    """Split a line into printed text and the event at its end, if there is one."""
    printed, separator, rest = line.rpartition(RECORD_SEPARATOR)
    if not separator:
        return line, None
    try:
        return printed, _DECODER.decode(rest)
    except msgspec.MsgspecError:
        return line, None


def parts_of(content: bytes) -> list[OrderPart]:
    """A result in parts."""
    return [OrderPart(content[start : start + PART_BYTES]) for start in range(0, len(content), PART_BYTES)]
