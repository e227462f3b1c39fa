"""gunicorn's worker with threads; what it refuses before Flask sees a request is a problem too, not a page of HTML.

It says and logs nothing of what was sent: a broken request line may hold a code or a state.
"""

import secrets
from http import HTTPStatus
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


class Worker(ThreadWorker):  # type: ignore[misc] # gunicorn has no types
    """Set as `worker_class`."""

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
