"""One HTTP request with the owner's access token, to an origin that the operator allows.

Guards: the list of origins also holds for redirects; addresses are checked when the connection is made, so that a name
cannot lead into a private network; size of the answer and time in all are bounded; a cancelled run breaks the call off.
"""

from enum import StrEnum
from typing import Annotated, Literal
from urllib.parse import urljoin, urlsplit

import msgspec
import requests

from service_kit.outbound.session import AnswerTooLargeError, bounded_body
from task_service.kinds.base import HandlerContext, HandlerError, Kind, Parameters, ParametersError
from task_service.kinds.guarded import Aborted, ForbiddenAddressError, GuardedCalls

MAX_ANSWER_BYTES = 1 << 20
MAX_REDIRECTS = 5
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses after which another attempt may get another answer."""
OWN_HEADERS = frozenset(
    {
        "authorization",
        "connection",
        "content-length",
        "cookie",
        "expect",
        "forwarded",
        "host",
        "idempotency-key",
        "keep-alive",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-request-id",
    }
)
"""Headers that the service sets, or that would change how a request is framed."""

HeaderName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$")]
HeaderValue = Annotated[str, msgspec.Meta(max_length=2000, pattern=r"^([\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?)?$(?!\n)")]


class Method(StrEnum):
    """Methods that can be used."""

    GET = "GET"
    HEAD = "HEAD"
    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"
    DELETE = "DELETE"


class HttpParameters(Parameters, frozen=True, kw_only=True):
    """A request. url: absolute; headers: further ones; body: text, sent in UTF-8; contentType: of the body."""

    url: Annotated[str, msgspec.Meta(min_length=1, max_length=2000, pattern=r"^[\x21-\x7e]*$(?!\n)")]
    method: Method = Method.GET
    headers: Annotated[dict[HeaderName, HeaderValue], msgspec.Meta(max_length=30)] = msgspec.field(default_factory=dict)
    body: Annotated[str, msgspec.Meta(max_length=12000)] | None = None
    content_type: Literal["application/json", "application/x-www-form-urlencoded", "text/plain"] = "application/json"


class Http(Kind[HttpParameters]):
    """Calls a web API with your access token, and keeps the answer."""

    Parameters = HttpParameters
    trusted = True

    @property
    def enabled(self) -> bool:
        """Some origin is allowed."""
        return bool(self.tools.settings.http_origins)

    def check(self, parameters: HttpParameters) -> None:
        """Origin and headers must be allowed."""
        self._demand_allowed(parameters.url)
        for name in parameters.headers:
            if name.lower() in OWN_HEADERS:
                raise ParametersError("/headers", f"has '{name}', which the service sets itself")

    def run(self, parameters: HttpParameters, context: HandlerContext) -> str:
        """Send it; the result is the body of an answer in the 200s. Others fail the task."""
        calls = GuardedCalls(self.tools.settings.http_networks, self.tools.settings.http_seconds)
        method, url, body = parameters.method.value, parameters.url, parameters.body
        try:
            for _ in range(MAX_REDIRECTS + 1):
                request = self._request(method, url, body, parameters, context)
                answer, content = calls.call(lambda request=request: _sent(calls, request), context.wait)  # type: ignore[misc]
                context.log(f"{method} {_shown(url)}: {answer.status_code}")
                location = answer.headers.get("Location")
                if not answer.is_redirect or location is None:
                    return _result(answer, content)
                url = self._followed(url, location)
                if answer.status_code == requests.codes.see_other or (
                    answer.status_code in {301, 302} and method == "POST"
                ):
                    method, body = "GET", None
        except Aborted as aborted:
            raise HandlerError(str(aborted), can_pass=True) from None
        finally:
            calls.close()
        raise HandlerError(f"The server has redirected more than {MAX_REDIRECTS} times.")

    def _request(
        self, method: str, url: str, body: str | None, parameters: HttpParameters, context: HandlerContext
    ) -> requests.Request:
        headers = {
            "Accept": "*/*",
            **parameters.headers,
            "Authorization": f"Bearer {context.token().value}",
            "Idempotency-Key": context.attempt.idempotency_key,
        }
        if body is not None:
            headers["Content-Type"] = f"{parameters.content_type}; charset=utf-8"
        return requests.Request(method, url, headers=headers, data=None if body is None else body.encode())

    def _demand_allowed(self, url: str) -> None:
        origin = origin_of(url)
        if origin is None:
            raise ParametersError("/url", "is not an absolute http(s) URL without user name and password")
        if origin not in self.tools.settings.http_origins:
            raise ParametersError("/url", f"leads to {origin}, which is not an origin that may be called here")

    def _followed(self, url: str, location: str) -> str:
        target = urljoin(url, location)
        try:
            self._demand_allowed(target)
        except ParametersError:
            place = origin_of(target) or "an address that is no http(s) URL"
            raise HandlerError(f"The server redirects to {place}, which may not be called here.") from None
        return target


def origin_of(url: str) -> str | None:
    """The origin of an http(s) URL (RFC 6454 section 6.1): scheme, host, and a port unless it is the usual one.

    None for any other text, and for a URL with user information.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc or "\\" in url:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    usual = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" + ("" if port in {None, usual} else f":{port}")


def _sent(calls: GuardedCalls, request: requests.Request) -> tuple[requests.Response, bytes]:
    try:
        answer = calls.send(request)
        return answer, bounded_body(answer, MAX_ANSWER_BYTES)
    except AnswerTooLargeError:
        raise HandlerError(f"The answer has more than {MAX_ANSWER_BYTES} bytes.") from None
    except ForbiddenAddressError as error:
        raise HandlerError(str(error)) from None
    except requests.RequestException as error:
        raise HandlerError(f"The call has failed ({_reason(error)}).", can_pass=True) from None


def _reason(error: requests.RequestException) -> str:
    """The class of the innermost cause: its text could have the URL with its query."""
    cause: BaseException = error
    while (inner := getattr(cause, "reason", None) or cause.__cause__ or cause.__context__) is not None:
        if not isinstance(inner, BaseException):
            break
        cause = inner
    return type(cause).__name__


def _result(answer: requests.Response, content: bytes) -> str:
    text = content.decode("utf-8", "replace")
    if requests.codes.ok <= answer.status_code < requests.codes.multiple_choices:
        return text
    first = text.strip().partition("\n")[0][:300]
    can_pass = answer.status_code in PASSING
    raise HandlerError(
        f"The server has answered {answer.status_code}{f': {first}' if first else ''}", can_pass=can_pass
    )


def _shown(url: str) -> str:
    """A URL without its query, which may have secrets."""
    return url.partition("?")[0].partition("#")[0]
