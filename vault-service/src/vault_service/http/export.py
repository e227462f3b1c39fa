"""Streams a grant's audit as a file: CSV (RFC 4180) or NDJSON, the oldest line first.

A large file holds a thread until it is sent, so a process sends a bounded number at once.
"""

import csv
import io
import threading
from collections.abc import Callable, Iterable, Iterator

import msgspec
from flask import Response

from service_kit.http.problems import RATE_LIMITED
from vault_service.domain.audit import Line
from vault_service.http.audit_schemas import AuditLine, audit_line

MEDIA_TYPES = {"csv": "text/csv", "ndjson": "application/x-ndjson"}


class Exports:
    """The exports of one process."""

    def __init__(self, most: int) -> None:
        """most: how many are sent at once."""
        self._places = threading.BoundedSemaphore(most)

    def answer(self, lines: Iterable[Line], kind: str, name: str) -> Response:
        """The answer. kind: a key of MEDIA_TYPES; name: the file's, without extension.

        Problem: 429 `rate_limited` while as many others are being sent as may be.
        """
        if not self._places.acquire(blocking=False):
            raise RATE_LIMITED.problem("Other exports are being sent; wait a moment.", {"Retry-After": "5"})
        writers: dict[str, Callable[[Iterable[Line]], Iterator[bytes]]] = {"csv": _csv, "ndjson": _ndjson}
        answer = Response(
            writers[kind](lines),
            headers={"Content-Disposition": f'attachment; filename="{name}.{kind}"', "Cache-Control": "no-store"},
            content_type=f"{MEDIA_TYPES[kind]}; charset=utf-8",
        )
        answer.call_on_close(self._places.release)
        return answer


def _csv(lines: Iterable[Line]) -> Iterator[bytes]:
    names = AuditLine.__struct_encode_fields__
    yield _row(names)
    for line in lines:
        members = msgspec.to_builtins(audit_line(line))
        yield _row([_inert(members.get(name, "")) for name in names])


def _ndjson(lines: Iterable[Line]) -> Iterator[bytes]:
    for line in lines:
        yield msgspec.json.encode(audit_line(line)) + b"\n"


def _row(values: Iterable[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerow(values)
    return text.getvalue().encode()


def _inert(value: str) -> str:
    """Prefix text that a spreadsheet would run as a formula (OWASP, CSV injection)."""
    return f"'{value}" if value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
