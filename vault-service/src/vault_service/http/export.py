"""Streams a grant's audit as a file: CSV (RFC 4180) or NDJSON, the oldest line first."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator

import msgspec
from flask import Response

from vault_service.domain.audit import Line
from vault_service.http.audit_schemas import AuditLine, audit_line

MEDIA_TYPES = {"csv": "text/csv", "ndjson": "application/x-ndjson"}


def export(lines: Iterable[Line], kind: str, name: str) -> Response:
    """The answer. kind: a key of MEDIA_TYPES; name: the file's, without extension."""
    writers: dict[str, Callable[[Iterable[Line]], Iterator[bytes]]] = {"csv": _csv, "ndjson": _ndjson}
    return Response(
        writers[kind](lines),
        headers={"Content-Disposition": f'attachment; filename="{name}.{kind}"', "Cache-Control": "no-store"},
        content_type=f"{MEDIA_TYPES[kind]}; charset=utf-8",
    )


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
