"""Problem documents (RFC 9457): the only shape in which an error leaves a service.

Problems exist at the HTTP edge only. A service maps its domain errors to them in one table (`ProblemTable`); what is
not in the table becomes a bare 500 `internal_error`, logged with its traceback, answered without it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

import msgspec
from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from service_kit.process import logs

log = logs.get(__name__)

CONTENT_TYPE = "application/problem+json"


class Fault(msgspec.Struct, frozen=True, rename="camel"):
    """One faulty part of the input: a JSON Pointer (RFC 6901) into the body or to a parameter, and what is wrong."""

    pointer: str
    detail: str


class ProblemDocument(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """The members of a problem. `code` is stable: programs branch on it; `detail` is for people."""

    title: str
    status: int
    code: str
    detail: str
    type: str = msgspec.field(default_factory=lambda: "about:blank")
    request_id: str | None = None
    errors: tuple[Fault, ...] = ()


@dataclass(eq=False)
class Problem(Exception):  # noqa: N818 - the RFC's word
    """Raise at the HTTP edge to answer with a problem. status: HTTP status; code: stable word; detail: for people."""

    status: int
    code: str
    detail: str
    headers: Mapping[str, str] = field(default_factory=dict)
    errors: tuple[Fault, ...] = ()

    def document(self) -> ProblemDocument:
        """This problem as it goes over the wire."""
        return ProblemDocument(
            title=HTTPStatus(self.status).phrase,
            status=self.status,
            code=self.code,
            detail=self.detail,
            request_id=logs.request_id.get(),
            errors=self.errors,
        )

    def response(self) -> Response:
        """This problem as an answer."""
        return Response(
            msgspec.json.encode(self.document()), self.status, dict(self.headers), content_type=CONTENT_TYPE
        )


INTERNAL_ERROR = Problem(500, "internal_error", "Something went wrong here. Quote the request id when you report it.")

ProblemTable = Mapping[type[Exception], Callable[[Exception], Problem]]
"""From a domain error's type (subclasses included) to the problem that it becomes."""

_HTTP_CODES = {
    400: ("bad_request", "The request could not be understood."),
    404: ("not_found", "There is nothing at this address."),
    405: ("method_not_allowed", "This address does not answer that method."),
    413: ("body_too_large", "The body is larger than this service takes."),
    415: ("unsupported_media_type", "The body must be application/json."),
}


def problem_for(error: Exception, table: ProblemTable) -> Problem | None:
    """The problem that an error becomes by the table, or None when the table does not know it."""
    for known in type(error).__mro__:
        if known in table:
            return table[known](error)
    return None


def install(app: Flask, table: ProblemTable) -> None:
    """Answer every error of `app` with a problem."""

    def answer(error: Exception) -> Response:
        if isinstance(error, Problem):
            return error.response()
        if isinstance(error, HTTPException):
            return _from_http(error).response()
        problem = problem_for(error, table)
        if problem is None:
            log.error("http.unexpected_error", exc_info=error)
            problem = INTERNAL_ERROR
        return problem.response()

    app.register_error_handler(Exception, answer)


def _from_http(error: HTTPException) -> Problem:
    status = error.code or 500
    code, detail = _HTTP_CODES.get(status, (HTTPStatus(status).name.lower(), HTTPStatus(status).phrase))
    allow = error.get_response().headers.get("Allow")
    return Problem(status, code, detail, {"Allow": allow} if allow else {})
