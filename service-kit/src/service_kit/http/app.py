"""The Flask application that every service starts from: request ids, access log, limits, problems, bearer tokens.

It has no routes: `create_app` returns an empty application, and a service adds its blueprints.
"""

import random
import re
import time
from functools import cache
from http import HTTPStatus
from urllib.parse import quote

import msgspec
from flask import Flask, Response
from flask.globals import request_ctx
from prometheus_client import Histogram

from service_kit.http import problems
from service_kit.http.inputs import MAX_BODY_BYTES, body_too_large
from service_kit.http.problems import Problem, ProblemTable
from service_kit.process import logs, metrics
from service_kit.tokens.bearer import Claims, UnsupportedConfirmationError, Verifier
from service_kit.tokens.dpop import BoundRequest, InvalidProofError, TooManyProofsError
from service_kit.tokens.issuer import IssuerMismatchError, IssuerUnavailableError
from service_kit.tokens.jwt import ExpiredTokenError, InvalidTokenError, NotYetValidError

log = logs.get(__name__)

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_SECONDS = Histogram(
    "http_request_seconds",
    "Requests, from their headers to their answer.",
    ("route", "method", "status"),
    buckets=metrics.SECONDS,
)
_STARTED, _CLIENT = "service_kit.started", "service_kit.client"
"""Where a request's environment keeps when it began, and which client its token was issued to."""
LOGGED_PATH = "service_kit.logged_path"
"""Where an application puts what is logged instead of a path that has a secret in it."""
RAW_PATH = "service_kit.raw_path"
"""Where a server puts a request's path as it was sent, without the query."""
_DPOP = "dpop"


def create_app(name: str, table: ProblemTable) -> Flask:
    """An application named `name` that turns errors into problems by `table`."""
    app = Flask(name, static_folder=None)
    # Werkzeug silently truncates a chunked body at its limit; with one byte more, a longer body is noticed.
    app.config.update(MAX_CONTENT_LENGTH=MAX_BODY_BYTES + 1, PROVIDE_AUTOMATIC_OPTIONS=False)
    app.url_map.merge_slashes = False
    app.url_map.strict_slashes = True
    app.before_request(_begin)
    app.after_request(_finish)
    problems.install(app, table)
    return app


def respond(answer: msgspec.Struct, status: int = HTTPStatus.OK, headers: dict[str, str] | None = None) -> Response:
    """Answer with a JSON body that no cache may keep."""
    return Response(
        msgspec.json.encode(answer),
        status,
        {"Cache-Control": "no-store", **(headers or {})},
        content_type="application/json",
    )


def authenticate(verifier: Verifier) -> Claims:
    """The claims of the request's access token (RFC 6750 section 2.1, RFC 9449 section 7.1).

    Problems: 401 `unauthorized` when it is missing, broken or not accepted; 401 `dpop_required`, `invalid_dpop_proof`,
    `token_not_bound` or `confirmation_unsupported` when it is not shown to be the caller's; 429 `rate_limited` when
    there are too many proofs; 503 `provider_unavailable` when the issuer's keys are not known yet.
    """
    scheme, token = _credentials()
    try:
        claims = verifier.verify(token)
    except UnsupportedConfirmationError:
        raise problems.CONFIRMATION_UNSUPPORTED.problem() from None
    except InvalidTokenError as error:
        raise unauthorized(_refusal(error), ', error="invalid_token"') from None
    except (IssuerUnavailableError, IssuerMismatchError) as error:
        log.warning("issuer.unavailable", reason=str(error))
        detail = "The authorization server's keys cannot be fetched now."
        raise problems.PROVIDER_UNAVAILABLE.problem(detail) from None
    note_client(claims.client)
    if claims.key:
        _demand_proof(verifier, BoundRequest(*_address(), token, claims.key, _proof()), scheme)
    elif verifier.must_be_bound(claims):
        raise problems.DPOP_REQUIRED.problem("This service takes only access tokens of this caller that are bound.")
    else:
        demand_no_proof()
    return claims


def _refusal(error: InvalidTokenError) -> str:
    """What the caller is told. Nothing is told about a token that the issuer has not signed for this service."""
    match error:
        case ExpiredTokenError(since=since):
            return f"The access token expired {since:.0f} s ago by our database's clock."
        case NotYetValidError(is_dated_ahead=True, begins_in=behind):
            log.warning("issuer.clock_differs", behind=round(behind, 1))
            clocks = f"our database's clock is {behind:.0f} s or more behind its issuer's"
            return f"The access token is not valid yet: {clocks}."
        case NotYetValidError(begins_in=seconds):
            return f"The access token is not valid yet; it will be in {seconds:.0f} s."
        case _:
            return "The bearer access token is not accepted."


def demand_no_proof() -> None:
    """Return if the request presents its credential as one that is not bound. Problem: 401 `token_not_bound`.

    A caller that sends a proof expects that its credential is worth nothing without it.
    """
    if _credentials()[0] == _DPOP or "HTTP_DPOP" in request_ctx.request.environ:
        raise problems.TOKEN_NOT_BOUND.problem()


def note_client(client: str) -> None:
    """Have the request's line in the log name this client as its caller."""
    request_ctx.request.environ[_CLIENT] = client


def is_public() -> bool:
    """True when the request came through the public gateway, which sets `X-Gateway` itself on every request."""
    return "HTTP_X_GATEWAY" in request_ctx.request.environ


def unauthorized(detail: str, challenge: str) -> Problem:
    """A 401 with the challenge that RFC 6750 section 3 asks for."""
    headers = {"WWW-Authenticate": f"Bearer {problems.REALM}{challenge}"}
    return problems.UNAUTHORIZED.problem(detail, headers)


def bearer_token() -> str:
    """The raw access token of the request, bound or not, not verified. Problem: 401 `unauthorized` without one."""
    return _credentials()[1]


def bearer_token_in(authorization: str) -> str:
    """The raw bearer token in that header's value. Problem: 401 `unauthorized` when there is none."""
    return _token_in(authorization, ("bearer",))[1]


def _credentials() -> tuple[str, str]:
    """The scheme in lower case, and the token."""
    return _token_in(request_ctx.request.environ.get("HTTP_AUTHORIZATION", ""), ("bearer", _DPOP))


def _token_in(authorization: str, schemes: tuple[str, ...]) -> tuple[str, str]:
    name, _, rest = authorization.partition(" ")
    scheme, token = name.lower(), rest.lstrip(" ")
    if scheme not in schemes or not token or " " in token or "," in token or not token.isascii():
        raise unauthorized("A bearer access token is needed.", "")
    return scheme, token


def _demand_proof(verifier: Verifier, presented: BoundRequest, scheme: str) -> None:
    if scheme != _DPOP or not presented.proof or verifier.proofs is None:
        raise problems.DPOP_REQUIRED.problem()
    try:
        verifier.proofs.check(presented)
    except InvalidProofError as error:
        raise problems.INVALID_DPOP_PROOF.problem(f"The DPoP proof is not accepted: {error}.") from None
    except TooManyProofsError:
        raise problems.RATE_LIMITED.problem("There are too many DPoP proofs to remember.") from None


def _proof() -> str:
    """The request's proof, or an empty text. Problem: 401 `invalid_dpop_proof` for several (RFC 9449 section 4.3)."""
    proof: str = request_ctx.request.environ.get("HTTP_DPOP", "")
    if "," in proof:
        raise problems.INVALID_DPOP_PROOF.problem("There is more than one DPoP header.")
    return proof


def _address() -> tuple[str, str]:
    environ = request_ctx.request.environ
    return environ["REQUEST_METHOD"], environ.get(RAW_PATH) or quote(environ["PATH_INFO"].encode("latin-1"))


def request_id_from(given: str) -> str:
    """The request id that a caller has given in `X-Request-ID`, or a new one."""
    # It is no secret, and a system call for randomness would release the interpreter's lock.
    return given if _REQUEST_ID.fullmatch(given) else f"{random.getrandbits(128):032x}"


def record(method: str, path: str, status: int, *, route: str | None, started: float, client: str | None) -> None:
    """A line in the log and a measurement for a request that is answered. started: by `time.perf_counter`."""
    seconds = time.perf_counter() - started
    _seconds(route or "none", method if route else "any", status).observe(seconds)
    log.info("http.request", method=method, path=path, status=status, ms=round(seconds * 1000, 2), client=client)


def _begin() -> None:
    request = request_ctx.request
    environ = request.environ
    environ[_STARTED] = time.perf_counter()
    logs.request_id.set(request_id_from(environ.get("HTTP_X_REQUEST_ID", "")))
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise body_too_large()


def _finish(response: Response) -> Response:
    """On every answer: what no cache and no browser may do with it, a line in the log, a measurement."""
    request = request_ctx.request
    environ, rule, status, headers = request.environ, request.url_rule, response.status_code, response.headers
    headers.add("X-Request-ID", logs.request_id.get() or "")
    headers.add("X-Content-Type-Options", "nosniff")
    if "Cache-Control" not in headers:
        headers.add("Cache-Control", "no-store")
    record(
        request.method,
        environ.get(LOGGED_PATH, request.path),
        status,
        route=rule.rule if rule else None,
        started=environ[_STARTED],
        client=environ.get(_CLIENT),
    )
    return response


@cache
def _seconds(route: str, method: str, status: int) -> Histogram:
    return _SECONDS.labels(route, method, status)
