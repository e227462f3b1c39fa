"""Problem documents (RFC 9457): the only shape in which an error leaves a service.

Problems exist at the HTTP edge only. Each code is written once, in a `ProblemType`. The types of any service are
defined here; those of one service in its `ProblemTable`, which maps domain errors to problem types. An error
that is not in the table becomes a bare 500 `internal_error`: its traceback is logged and is not in the answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from math import ceil

import msgspec
from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from service_kit.process import logs
from service_kit.tokens import dpop

log = logs.get(__name__)

CONTENT_TYPE = "application/problem+json"
REALM = 'realm="offline-token-vault"'
_ALGORITHMS = " ".join(dpop.ALGORITHMS)


class Fault(msgspec.Struct, frozen=True, rename="camel"):
    """One faulty part of the input: a JSON Pointer (RFC 6901) into the body or to a parameter, and what is wrong."""

    pointer: str
    detail: str


class ProblemDocument(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """A problem (RFC 9457). `code` is stable: programs branch on it. `detail` is for people."""

    title: str
    status: int
    code: str
    detail: str
    type: str = msgspec.field(default_factory=lambda: "about:blank")
    request_id: str | None = None
    errors: tuple[Fault, ...] = ()


@dataclass(frozen=True)
class ProblemType:
    """A kind of problem, told apart by its code.

    status: HTTP status; code: stable word; detail: the sentence for people when the error has none of its own;
    retry_after: seconds for `Retry-After` when the error does not say; challenge: the parameters of `WWW-Authenticate`
    (RFC 6750 section 3) beside the realm, for a 401; scheme: of that header.
    """

    status: int
    code: str
    detail: str = ""
    retry_after: float | None = None
    challenge: str = ""
    scheme: str = "Bearer"

    def problem(
        self,
        detail: str = "",
        headers: Mapping[str, str] | None = None,
        errors: tuple[Fault, ...] = (),
        retry_after: float | None = None,
    ) -> "Problem":
        """A problem of this type. retry_after: seconds; rounded up, at least one."""
        seconds = self.retry_after if retry_after is None else retry_after
        wait = {} if seconds is None else {"Retry-After": str(max(ceil(seconds), 1))}
        asks = {"WWW-Authenticate": f"{self.scheme} {REALM}, {self.challenge}"} if self.challenge else {}
        return Problem(self, detail or self.detail, {**wait, **asks, **(headers or {})}, errors)


@dataclass(eq=False)
class Problem(Exception):  # noqa: N818 - the RFC's word
    """Raise at the HTTP edge to answer with a problem. `ProblemType.problem` makes one."""

    type: ProblemType
    detail: str
    headers: Mapping[str, str] = field(default_factory=dict)
    errors: tuple[Fault, ...] = ()

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.type.status

    @property
    def code(self) -> str:
        """The stable word."""
        return self.type.code

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


BAD_REQUEST = ProblemType(400, "bad_request", "The request could not be understood.")
MALFORMED_JSON = ProblemType(400, "malformed_json", "The body is not well-formed JSON in UTF-8.")
UNAUTHORIZED = ProblemType(401, "unauthorized", "The bearer access token is missing or not accepted.")
DPOP_REQUIRED = ProblemType(
    401,
    "dpop_required",
    "The access token is bound to a key, or has to be. Send it as `Authorization: DPoP` with a proof in `DPoP`.",
    challenge=f'algs="{_ALGORITHMS}", error="invalid_token"',
    scheme="DPoP",
)
INVALID_DPOP_PROOF = ProblemType(
    401,
    "invalid_dpop_proof",
    "The DPoP proof is not accepted.",
    challenge=f'algs="{_ALGORITHMS}", error="invalid_dpop_proof"',
    scheme="DPoP",
)
TOKEN_NOT_BOUND = ProblemType(
    401,
    "token_not_bound",
    "The credential is not bound to a key. Send it as `Authorization: Bearer`, without a DPoP proof.",
    challenge='error="invalid_token"',
)
CONFIRMATION_UNSUPPORTED = ProblemType(
    401,
    "confirmation_unsupported",
    "The access token is bound by another method than DPoP (`cnf.jkt`), which this service cannot check.",
    challenge='error="invalid_token"',
)
UNACCEPTED = (UNAUTHORIZED, DPOP_REQUIRED, INVALID_DPOP_PROOF, TOKEN_NOT_BOUND, CONFIRMATION_UNSUPPORTED)
"""What every operation can end with that needs an access token."""
FORBIDDEN = ProblemType(403, "forbidden", "The caller may not do this.")
NOT_FOUND = ProblemType(404, "not_found", "There is nothing at this address.")
METHOD_NOT_ALLOWED = ProblemType(405, "method_not_allowed", "This address does not answer that method.")
REQUEST_TIMEOUT = ProblemType(408, "request_timeout", "The request did not arrive in time.")
BODY_TOO_LARGE = ProblemType(413, "body_too_large", "The body is larger than this service accepts.")
URI_TOO_LONG = ProblemType(414, "uri_too_long", "The address is longer than 8 KiB.")
UNSUPPORTED_MEDIA_TYPE = ProblemType(415, "unsupported_media_type", "The body must be application/json.")
EXPECTATION_FAILED = ProblemType(417, "expectation_failed", "No other expectation than `100-continue` is met.")
INVALID_INPUT = ProblemType(422, "invalid_input", "A part of the body or of the query is not valid.")
RATE_LIMITED = ProblemType(429, "rate_limited", "There are too many requests.", retry_after=1.0)
HEADER_TOO_LARGE = ProblemType(431, "header_too_large", "There are too many headers, or they are too long.")
INTERNAL_ERROR = ProblemType(
    500, "internal_error", "The service failed unexpectedly. Quote the request id when you report it."
)
NOT_IMPLEMENTED = ProblemType(501, "not_implemented", "HTTP does not know this method.")
PROVIDER_UNAVAILABLE = ProblemType(
    503, "provider_unavailable", "The authorization server cannot be reached now.", retry_after=5.0
)
SERVICE_UNAVAILABLE = ProblemType(503, "service_unavailable", "The service does not answer now.", retry_after=2.0)

_OF_HTTP = {
    each.status: each for each in (BAD_REQUEST, NOT_FOUND, METHOD_NOT_ALLOWED, BODY_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE)
}
"""What Werkzeug's own errors become."""

ByReason = Mapping[object, ProblemType]
"""The types of an error with an attribute `reason`, by its value."""
ProblemTable = Mapping[type[Exception], ProblemType | ByReason]
"""From a domain error's class (subclasses included) to the problem type that it becomes.

The error's message is the problem's `detail`, unless its `reason` chose the type. Its `retry_after` (seconds), where it
has one, becomes `Retry-After`.
"""
Raises = tuple[type[Exception] | ProblemType, ...]
"""What an operation can end with: domain errors of the table, and problem types that the HTTP edge itself raises."""


def problem_for(error: Exception, table: ProblemTable) -> Problem | None:
    """The problem that an error becomes by the table, or None when the table does not know it."""
    entry = _entry(type(error), table)
    if entry is None:
        return None
    retry_after: float | None = getattr(error, "retry_after", None)
    if isinstance(entry, ProblemType):
        return entry.problem(str(error), retry_after=retry_after)
    reason: object = getattr(error, "reason", None)
    return entry[reason].problem(retry_after=retry_after)


def answer_for(error: Exception, table: ProblemTable) -> Problem:
    """The problem for any error: one that the table does not know is logged and becomes `internal_error`."""
    if isinstance(error, Problem):
        return error
    problem = problem_for(error, table)
    if problem is None:
        log.error("http.unexpected_error", exc_info=error)
        return INTERNAL_ERROR.problem()
    return problem


def types_of(raised: type[Exception] | ProblemType, table: ProblemTable) -> dict[ProblemType, str]:
    """The problem types that an error can become, each with a sentence for people. LookupError: not in the table."""
    if isinstance(raised, ProblemType):
        return {raised: raised.detail}
    entry = _entry(raised, table)
    if entry is None:
        raise LookupError(f"{raised.__name__} is in no problem table")
    if isinstance(entry, ProblemType):
        return {entry: (raised.__doc__ or entry.detail).partition("\n")[0]}
    return {each: each.detail for each in entry.values()}


def install(app: Flask, table: ProblemTable) -> None:
    """Answer every error of `app` with a problem."""

    def answer(error: Exception) -> Response:
        if isinstance(error, HTTPException):
            return _from_http(error).response()
        return answer_for(error, table).response()

    app.register_error_handler(Exception, answer)


def _entry(kind: type[Exception], table: ProblemTable) -> ProblemType | ByReason | None:
    return next((table[known] for known in kind.__mro__ if known in table), None)


def _from_http(error: HTTPException) -> Problem:
    status = HTTPStatus(error.code or 500)
    known = _OF_HTTP.get(status) or ProblemType(status, status.name.lower(), status.phrase)
    allow = error.get_response().headers.get("Allow")
    return known.problem(headers={"Allow": allow} if allow else None)
