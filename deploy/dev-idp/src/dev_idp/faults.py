"""Faults in front of the server, as WSGI middleware: what a network or an overloaded server does to an answer.

A fault is `{"endpoint": "token", "grantType": "refresh_token", "times": 1, …}` and one of

- `"delay": seconds` before the request is handled;
- `"status": 503`, with `"retryAfter": seconds`, instead of handling it;
- `"garbage": true`: handled, but the answer is not JSON;
- `"half": true`: handled, but the answer breaks off;
- `"drop": true`: handled, but the connection closes without an answer.

`grantType` and `times` may be left out: any, and for ever.
"""

import io
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Faults:
    """The planned faults, and how often each endpoint was called."""

    def __init__(self, prefix: str) -> None:
        """prefix: the path below which the endpoints live."""
        self._prefix = prefix
        self._lock = threading.Lock()
        self._plan: list[dict[str, Any]] = []
        self._counts: Counter[str] = Counter()

    def plan(self, faults: list[dict[str, Any]]) -> None:
        """Replace the plan and start counting anew."""
        with self._lock:
            self._plan = [dict(fault) for fault in faults]
            self._counts.clear()

    def counts(self) -> dict[str, int]:
        """Requests since the last plan, by `endpoint` and `endpoint:grant_type`."""
        with self._lock:
            return dict(self._counts)

    def around(self, inner: Wsgi) -> Wsgi:
        """The application with the faults in front."""

        def outer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
            path = environ["PATH_INFO"]
            if not path.startswith(self._prefix):
                return inner(environ, start_response)
            fault = self._next(path.removeprefix(self._prefix), _grant_type(environ))
            return _answer(fault, inner, environ, start_response)

        return outer

    def _next(self, endpoint: str, grant_type: str) -> dict[str, Any]:
        with self._lock:
            self._counts.update([endpoint, f"{endpoint}:{grant_type}"] if grant_type else [endpoint])
            for fault in self._plan:
                fits = fault["endpoint"] == endpoint and fault.get("grantType", grant_type) == grant_type
                if fits and fault.get("times", 1) > 0:
                    fault["times"] = fault.get("times", float("inf")) - 1
                    return fault
        return {}


def _grant_type(environ: dict[str, Any]) -> str:
    if environ["REQUEST_METHOD"] != "POST":
        return ""
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    return str(parse_qs(body.decode("latin-1")).get("grant_type", [""])[0])


def _answer(
    fault: dict[str, Any], inner: Wsgi, environ: dict[str, Any], start_response: Callable[..., Any]
) -> Iterable[bytes]:
    if "delay" in fault:
        time.sleep(fault["delay"])  # the fault itself
    if "status" in fault:
        headers = [("Content-Type", "text/plain")]
        if "retryAfter" in fault:
            headers.append(("Retry-After", str(fault["retryAfter"])))
        start_response(f"{fault['status']} Fault", headers)
        return [b"trouble on demand"]
    if not fault.keys() & {"garbage", "half", "drop"}:
        return inner(environ, start_response)
    seen: list[Any] = []
    body = b"".join(inner(environ, lambda status, headers, *_: seen.append((status, headers))))
    if "garbage" in fault:
        start_response("200 OK", [("Content-Type", "application/json")])
        return [b"<html>certainly not JSON"]
    if "half" in fault:
        status, headers = seen[0]
        start_response(status, headers)  # its Content-Length promises more than comes
        return [body[: len(body) // 2]]
    environ["gunicorn.socket"].shutdown(socket.SHUT_RDWR)
    start_response("200 OK", [])
    return []
