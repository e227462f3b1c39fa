"""Faults as WSGI middleware: the effects of a faulty network or an overloaded server on an answer.

It does not know the realm; `control` mounts it. The README describes a fault's members.
"""

import base64
import binascii
import io
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import parse_qs

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

_GARBAGE = b"<html>certainly not JSON"


@dataclass(slots=True)
class PlannedFault:
    """One fault of a plan. Times are seconds; `times` counts down, None means without limit."""

    endpoint: str
    grant_type: str | None = None
    client_id: str | None = None
    times: int | None = None
    delay: float = 0
    hold: float = 0
    status: int | None = None
    retry_after: int | None = None
    garbage: bool = False
    half: bool = False
    drop: bool = False

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> "PlannedFault":
        """From its JSON form. Raises ValueError for a member that does not exist."""
        known = {_camel(field.name): field.name for field in fields(cls)}
        unknown = sorted(document.keys() - known.keys())
        if unknown or "endpoint" not in document:
            raise ValueError(f"a fault has `endpoint` and may have {', '.join(sorted(known))}; unknown: {unknown}")
        return cls(**{known[name]: value for name, value in document.items()})

    def fits(self, call: "Call") -> bool:
        """True if the fault applies to the call."""
        return (
            self.times != 0
            and self.endpoint == call.endpoint
            and self.grant_type in {None, call.grant_type}
            and self.client_id in {None, call.client_id}
        )


@dataclass(frozen=True, slots=True)
class Call:
    """The properties of a request that plans and counters use."""

    endpoint: str
    grant_type: str = ""
    client_id: str = ""

    def counters(self) -> list[str]:
        """`token`, `token:refresh_token`, `token:refresh_token:token-vault`."""
        names = [name for name in (self.endpoint, self.grant_type, self.client_id) if name]
        return [":".join(names[: length + 1]) for length in range(len(names))]


class Faults:
    """The planned faults, and how often each endpoint was called."""

    def __init__(self, prefix: str) -> None:
        """prefix: the path below which the endpoints live."""
        self._prefix = prefix
        self._lock = threading.Lock()
        self._plan: list[PlannedFault] = []
        self._counts: Counter[str] = Counter()

    def plan(self, faults: list[PlannedFault]) -> None:
        """Replace the plan and reset the counters."""
        with self._lock:
            self._plan = faults
            self._counts.clear()

    def counts(self) -> dict[str, int]:
        """Requests since the last plan."""
        with self._lock:
            return dict(self._counts)

    def around(self, inner: Wsgi) -> Wsgi:
        """The application behind the faults."""

        def outer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
            if not environ["PATH_INFO"].startswith(self._prefix):
                return inner(environ, start_response)
            fault = self._next(_call(environ, self._prefix))
            return _answer(fault, inner, environ, start_response) if fault else inner(environ, start_response)

        return outer

    def _next(self, call: Call) -> PlannedFault | None:
        with self._lock:
            self._counts.update(call.counters())
            fault = next((fault for fault in self._plan if fault.fits(call)), None)
            if fault and fault.times:
                fault.times -= 1
            return fault


def _answer(
    fault: PlannedFault, inner: Wsgi, environ: dict[str, Any], start_response: Callable[..., Any]
) -> Iterable[bytes]:
    time.sleep(fault.delay)
    if fault.status is not None:
        retry = [] if fault.retry_after is None else [("Retry-After", str(fault.retry_after))]
        start_response(f"{fault.status} Fault", [("Content-Type", "text/plain"), *retry])
        return [b"trouble on demand"]
    answer: list[tuple[str, list[tuple[str, str]]]] = []
    body = b"".join(inner(environ, lambda status, headers, *_: answer.append((status, headers))))
    status, headers = answer[0]
    time.sleep(fault.hold)
    if fault.drop:
        return _hang_up(environ, b"")
    if fault.half:
        start_response(status, headers)  # its Content-Length promises more than comes
        return _hang_up(environ, body[: len(body) // 2])
    if fault.garbage:
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(_GARBAGE)))])
        return [_GARBAGE]
    start_response(status, headers)
    return [body]


def _hang_up(environ: dict[str, Any], first: bytes) -> Iterator[bytes]:
    """Send the answer so far and close the connection; the server notices when it sends more."""
    if first:
        yield first
    environ["gunicorn.socket"].shutdown(socket.SHUT_RDWR)


def _call(environ: dict[str, Any], prefix: str) -> Call:
    endpoint = environ["PATH_INFO"].removeprefix(prefix)
    if environ["REQUEST_METHOD"] != "POST":
        return Call(endpoint)
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    form = parse_qs(body.decode("latin-1"))
    client_id = _basic_user(environ.get("HTTP_AUTHORIZATION", "")) or form.get("client_id", [""])[0]
    return Call(endpoint, form.get("grant_type", [""])[0], client_id)


def _basic_user(authorization: str) -> str:
    try:
        credentials = base64.b64decode(authorization.removeprefix("Basic "), validate=True)
    except binascii.Error:
        return ""
    return credentials.decode("latin-1").partition(":")[0]


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
