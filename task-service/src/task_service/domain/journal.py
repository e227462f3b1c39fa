"""The journal of an attempt, for its owner: lines of a log, and its use of the owner's access."""

import enum
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

MAX_LINES = 1000
"""Lines of one attempt; a last one says that the log is full."""
MAX_MESSAGE = 2000
"""Characters of a line's message; a longer one is cut and says so."""
FULL = f"The log of this attempt is full ({MAX_LINES} lines). Later lines are dropped."


class Level(enum.StrEnum):
    """The severity of a line."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line. attempt: the fence of the attempt that logged it; at: aware, in UTC."""

    attempt: int
    at: datetime
    level: Level
    message: str


@dataclass(frozen=True, slots=True)
class TokenNote:
    """An access token that an attempt got, without the token. Times are aware."""

    fetched_at: datetime
    expires_at: datetime
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class AccessNote:
    """An attempt's use of its owner's access. ticket_id: its ticket at the vault; token: the last that it got."""

    ticket_id: UUID
    token: TokenNote | None = None


def storable(text: str) -> str:
    """The text without what PostgreSQL cannot store: NUL and lone surrogates become U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\x00", "\ufffd")


def shortened(message: str) -> str:
    """A message of at most MAX_MESSAGE characters, which says what was cut."""
    if len(message) <= MAX_MESSAGE:
        return message
    words = f" … ({len(message)} characters)"
    return message[: MAX_MESSAGE - len(words)] + words
