"""Output of commands: the answer alone on stdout, everything else on stderr. Exit statuses."""

import dataclasses
import json
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from token_vault_client import (
    ConsentPending,
    GrantUnusable,
    NotAllowed,
    NotAuthenticated,
    TokenNotFound,
    VaultError,
    VaultUnavailable,
)

FAILED, USAGE, LOG_IN, CONSENT, UNKNOWN, LATER, DENIED = 1, 2, 3, 4, 5, 75, 77
_STATUSES: Sequence[tuple[type[VaultError], int]] = (
    (NotAuthenticated, LOG_IN),
    (ConsentPending, CONSENT),
    (GrantUnusable, CONSENT),
    (TokenNotFound, UNKNOWN),
    (VaultUnavailable, LATER),
    (NotAllowed, DENIED),
)
_USAGE_CODES = {"invalid_input", "bad_request", "min_valid_unattainable"}
_HINTS = {LOG_IN: "token-vault login", CONSENT: "token-vault consent", UNKNOWN: "token-vault list"}
_CODES = {
    FAILED: "failed",
    USAGE: "usage",
    LOG_IN: "not_logged_in",
    CONSENT: "grant_unusable",
    UNKNOWN: "token_not_found",
    LATER: "unavailable",
    DENIED: "denied",
}
"""The code of an error that the vault did not name, by its status."""


class CommandError(Exception):
    """The command cannot do what was asked. The message says why, `hint` what to do."""

    def __init__(self, status: int, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.hint = hint


def answer(text: str) -> None:
    """Print one line of the answer."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def answer_json(value: Any) -> None:
    """Print the answer as one JSON document, with the names of the vault's API."""
    answer(json.dumps(as_json(value), ensure_ascii=False))


def say(text: str) -> None:
    """Tell the person something; an address in it is not broken into lines."""
    Console(stderr=True, highlight=False).print(text, soft_wrap=True)


def plain(text: str) -> str:
    """Text that came from elsewhere, without what a terminal would obey."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def table(columns: Sequence[str], rows: Sequence[Sequence[str | Text]]) -> None:
    """Print the answer as a table; in a pipe its lines are not broken. Cells are plain text, or styled by us.

    columns: their names; without any name the table has no line of names.
    """
    shown = Table(box=None, pad_edge=False, header_style="bold dim", show_header=any(columns))
    for column in columns:
        shown.add_column(column, overflow="fold", no_wrap=not sys.stdout.isatty())
    for row in rows:
        shown.add_row(*(cell if isinstance(cell, Text) else Text(plain(cell)) for cell in row))
    Console(highlight=False, width=None if sys.stdout.isatty() else 400).print(shown)


def report(error: Exception, *, machine: bool) -> int:
    """Tell what went wrong; the exit status. machine: as one JSON object."""
    status = status_of(error)
    if machine:
        sys.stderr.write(json.dumps(_members(error, status), ensure_ascii=False) + "\n")
        return status
    if isinstance(error, VaultError):
        named = f"{error.code}, request {error.request_id}" if error.request_id else error.code
        say(f"[red]✗[/] {escape(plain(error.detail))} [dim]({escape(plain(named))})[/]\n  {escape(error.advice)}")
    else:
        say(f"[red]✗[/] {escape(plain(str(error)))}")
    if hint := _hint(error, status):
        say(f"  → [bold]{escape(hint)}[/]")
    return status


def _members(error: Exception, status: int) -> dict[str, object]:
    """An error as JSON: code, detail, advice, exit status, and the request's id where the vault has answered."""
    if isinstance(error, VaultError):
        request = {"requestId": error.request_id} if error.request_id else {}
        return {"code": error.code, "detail": error.detail, "advice": error.advice, "status": status, **request}
    advice = _hint(error, status) or "Read the detail."
    return {"code": _CODES[status], "detail": str(error), "advice": advice, "status": status}


def _hint(error: Exception, status: int) -> str:
    """The command to run next; empty when none helps. A login replaces no ticket, another consent no pending one."""
    if isinstance(error, CommandError):
        return error.hint
    if not isinstance(error, VaultError) or isinstance(error, ConsentPending) or error.code.startswith("ticket_"):
        return ""
    return _HINTS.get(status, "")


def status_of(error: Exception) -> int:
    """The exit status that an error means."""
    if isinstance(error, CommandError):
        return error.status
    if isinstance(error, VaultError) and error.code in _USAGE_CODES:
        return USAGE
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), FAILED)


def when(moment: datetime | None) -> str:
    """A time as people say it, from now."""
    if moment is None:
        return ""
    seconds = (moment - datetime.now(timezone.utc)).total_seconds()
    size = abs(seconds)
    units = ((90, 1, "s"), (5400, 60, "min"), (172_800, 3600, "h"), (float("inf"), 86_400, "d"))
    said = next(f"{size / unit:.0f} {name}" for limit, unit, name in units if size < limit)
    return f"in {said}" if seconds > 0 else f"{said} ago"


def as_json(value: Any) -> Any:
    """A value of the client as JSON has it: camelCase, RFC 3339 in UTC, absent members left out."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return as_json({field.name: getattr(value, field.name) for field in dataclasses.fields(value)})
    if isinstance(value, Mapping):
        return {_camel(name): as_json(member) for name, member in value.items() if member is not None}
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, list | tuple):
        return [as_json(member) for member in value]
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")
    return value


def _camel(name: str) -> str:
    return re.sub(r"_(\w)", lambda match: match[1].upper(), name)
