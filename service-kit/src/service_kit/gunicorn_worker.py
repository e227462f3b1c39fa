"""gunicorn's worker with threads, with three things of our own.

What it refuses before Flask sees a request is a problem too, not a page of HTML. It says and logs nothing of what was
sent: a broken request line may hold a code or a state.

New connections go to the process that has the fewest. Otherwise the one that wakes first takes all that come together,
and keeps them: behind a gateway that holds its connections, one core would do the work of all.

What the application has made by the time it is loaded stays, so the garbage collector passes it over: looking at all
of it takes tens of milliseconds in which no other thread runs.
"""

import gc
import secrets
import time
from http import HTTPStatus
from mmap import mmap
from typing import Any

import msgspec
from gunicorn import util
from gunicorn.http import errors
from gunicorn.workers.gthread import ThreadWorker

from service_kit import logs, problems
from service_kit.problems import Problem

log = logs.get(__name__)

_OURS = (errors.InvalidResponseHeader, errors.InvalidResponseHeaderName, errors.ConfigurationProblem)
_REFUSALS = {
    errors.LimitRequestLine: Problem(414, "uri_too_long", "The address is longer than 8 KiB."),
    errors.LimitRequestHeaders: Problem(431, "header_too_large", "There are too many headers, or one is too long."),
    errors.ExpectationFailed: Problem(417, "expectation_failed", "No other expectation than `100-continue` is met."),
    errors.ParseException: Problem(400, "bad_request", "The request could not be understood."),
}


_PROCESSES = 1024
_NOBODY = -1
_HESITATION_SECONDS = 0.0005
_connections = memoryview(mmap(-1, 4 * _PROCESSES)).cast("i")
"""Of each process of this service, how many it has; shared, because gunicorn's master forks them all."""
_connections[:] = memoryview(b"\xff" * 4 * _PROCESSES).cast("i")


class Worker(ThreadWorker):  # type: ignore[misc] # gunicorn has no types
    """Set as `worker_class`; `leave` belongs into gunicorn's `child_exit`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._place = _connections.tolist().index(_NOBODY)
        super().__init__(*args, **kwargs)

    def load_wsgi(self) -> None:
        """gunicorn: load the application."""
        super().load_wsgi()
        gc.collect()
        gc.freeze()

    @property
    def nr_conns(self) -> int:
        """gunicorn: how many connections this process has."""
        return _connections[self._place]

    @nr_conns.setter
    def nr_conns(self, number: int) -> None:
        _connections[self._place] = number

    def leave(self) -> None:
        """The process has ended; its place is free."""
        _connections[self._place] = _NOBODY

    def accept(self, listener: Any) -> None:
        """gunicorn: somebody connects. A process with less to do is given a moment to be the one who answers."""
        if self.nr_conns > min(number for number in _connections.tolist() if number != _NOBODY):
            time.sleep(_HESITATION_SECONDS)
        super().accept(listener)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:
        """gunicorn: a request could not be read, or the application let an error through."""
        problem = _refusal(exc)
        if problem is None:
            super().handle_error(req, client, addr, exc)
            return
        logs.request_id.set(secrets.token_hex(16))
        log.info("http.refused", status=problem.status, reason=type(exc).__name__)
        try:
            util.write_nonblock(client, _whole_answer(problem))
        except OSError:
            log.info("http.refusal_unheard")


def _refusal(error: Exception) -> Problem | None:
    if isinstance(error, _OURS):
        return None
    return next((problem for kind, problem in _REFUSALS.items() if isinstance(error, kind)), None)


def _whole_answer(problem: Problem) -> bytes:
    body = msgspec.json.encode(problem.document())
    head = [
        f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}",
        "Connection: close",
        f"Content-Type: {problems.CONTENT_TYPE}",
        f"Content-Length: {len(body)}",
        f"X-Request-ID: {logs.request_id.get()}",
        "X-Content-Type-Options: nosniff",
        "Cache-Control: no-store",
    ]
    return "\r\n".join([*head, "", ""]).encode() + body
