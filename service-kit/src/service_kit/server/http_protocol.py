"""HTTP/1.1 (RFC 9112) as both services speak it: uvicorn's protocol with limits, time-outs and problem documents.

A request that is malformed, too large or too slow is answered with a problem (RFC 9457) before the application sees
it. Nothing that was sent is echoed or logged: a broken request line may hold a code or a state.

It overrides callbacks that asyncio and httptools document, and two methods of uvicorn's: `send_400_response` and
`shutdown`.
"""

import asyncio
import re
import secrets
import sys
from http import HTTPStatus
from typing import Any, ClassVar

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from service_kit.http import problems
from service_kit.http.problems import Problem, ProblemType
from service_kit.process import logs
from service_kit.server import connections, fast_path
from service_kit.server.connections import Place

log = logs.get(__name__)

MAX_TARGET_BYTES = 8 * 1024
MAX_FIELD_BYTES = 16 * 1024
MAX_HEAD_BYTES = 32 * 1024
MAX_FIELDS = 100
MAX_PIPELINED = 32
ARRIVAL_SECONDS = 15.0
"""From its first byte, and from the beginning of a connection, until a request is there as a whole."""
LINGER_SECONDS = 2.0
"""For a client to read a refusal, and to use a kept connection once more when the service stops."""

_METHOD = re.compile(rb"[A-Z-]{1,32} ")
_TARGETS = (b"/", b"http://", b"https://")
_IDLE, _HEAD, _BODY = range(3)


class _RefusedError(Exception):
    """Stops httptools in a callback; it becomes the `__context__` of the error that httptools raises."""

    def __init__(self, problem: ProblemType) -> None:
        super().__init__(problem.code)
        self.problem = problem


class HttpProtocol(HttpToolsProtocol):
    """One connection.

    `_phase` says what is awaited: a request's beginning, the rest of its head, or the rest of its body. `_fields_size`:
    bytes of the header fields so far; `_later_bytes`: bytes that came for a head after its first piece; `_first_bytes`:
    what is being parsed; `_is_over`: all that still comes is ignored; `_is_stopping`: the next answer is the last.
    """

    place: ClassVar[Place | None] = None
    """Where this process counts its connections."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._phase = _IDLE
        self._fields_size = 0
        self._later_bytes = 0
        self._first_bytes = b""
        self._timer: asyncio.TimerHandle | None = None
        self._is_over = False
        self._is_stopping = False

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """asyncio: a client has connected."""
        super().connection_made(transport)
        if len(self.connections) > connections.LIMIT:
            self._refuse(problems.SERVICE_UNAVAILABLE, "There are too many connections.")
        else:
            self._timer = self.loop.call_later(ARRIVAL_SECONDS, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: the connection has ended."""
        if self.place is not None:
            self.place.count(-1)
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """asyncio: bytes have come."""
        if not self._is_over:
            was_in_head = self._phase == _HEAD
            self._first_bytes = data
            super().data_received(data)
            self._first_bytes = b""
            self._limit_arrival(len(data) if was_in_head else 0)

    def eof_received(self) -> bool:  # type: ignore[override]
        """asyncio: the client sends no more. True: it may still read the answer."""
        if self._is_over or self._phase == _HEAD or not self._is_answering():
            return False
        if self._phase == _BODY:
            self._refuse(problems.BAD_REQUEST, "The body did not arrive whole.")
        else:
            super().shutdown()
        return True

    # httptools

    def on_message_begin(self) -> None:
        """httptools: a request begins."""
        super().on_message_begin()
        self._phase = _HEAD
        self._fields_size = self._later_bytes = 0

    def on_url(self, url: bytes) -> None:
        """httptools: a piece of the request's target."""
        super().on_url(url)
        if len(self.url) > MAX_TARGET_BYTES:
            raise _RefusedError(problems.URI_TOO_LONG)

    def on_header(self, name: bytes, value: bytes) -> None:
        """httptools: a header field."""
        super().on_header(name, value)
        size = len(name) + len(value)
        self._fields_size += size
        if size > MAX_FIELD_BYTES or self._fields_size > MAX_HEAD_BYTES or len(self.headers) > MAX_FIELDS:
            raise _RefusedError(problems.HEADER_TOO_LARGE)

    def on_headers_complete(self) -> None:
        """httptools: the head is there."""
        problem = self._fault()
        if problem is not None:
            raise _RefusedError(problem)
        super().on_headers_complete()
        self._phase = _BODY
        if self._is_stopping or self.parser.should_upgrade():
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        """httptools: the request is there."""
        super().on_message_complete()
        self._phase = _IDLE

    # uvicorn

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's signature
        """uvicorn: what has come cannot be parsed."""
        error = sys.exc_info()[1]
        cause = error.__context__ if error is not None else None
        if isinstance(cause, _RefusedError):
            self._refuse(cause.problem)
        elif isinstance(error, httptools.HttpParserInvalidMethodError) and _METHOD.match(self._first_bytes):
            self._refuse(problems.NOT_IMPLEMENTED)
        else:
            self._refuse(problems.BAD_REQUEST)

    def shutdown(self) -> None:
        """uvicorn: the service stops. A kept connection gets one more answer, because its client may be sending
        already.
        """
        if self._is_answering():
            super().shutdown()
        elif not self._is_over:
            self._is_stopping = True
            self.loop.call_later(LINGER_SECONDS, self._close_if_idle)

    # own

    def _fault(self) -> ProblemType | None:
        version = self.parser.get_http_version()
        if version not in {"1.0", "1.1"} or not self.url.isascii() or not self.url.startswith(_TARGETS):
            return problems.BAD_REQUEST
        hosts = 0
        for name, value in self.headers:
            if name == b"host":
                hosts += 1
            elif name == b"expect" and value.lower() != b"100-continue":
                return problems.EXPECTATION_FAILED
        if hosts > 1 or (hosts == 0 and version == "1.1"):
            return problems.BAD_REQUEST
        if len(self.pipeline) >= MAX_PIPELINED:
            return problems.BAD_REQUEST
        return None

    def _limit_arrival(self, head_bytes: int) -> None:
        """Limit what is still to come of a request. head_bytes: have just come of a head that was incomplete before."""
        if self._is_over:
            return
        if self._phase == _IDLE:
            self._stop_timer()
        elif self._timer is None:
            self._timer = self.loop.call_later(ARRIVAL_SECONDS, self._too_slow)
        self._later_bytes += head_bytes
        if self._phase == _HEAD and self._later_bytes > MAX_HEAD_BYTES:
            self._refuse(problems.HEADER_TOO_LARGE)

    def _is_answering(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def _refuse(self, problem: ProblemType, detail: str = "") -> None:
        """Answer with a problem and hang up.

        While an earlier request is being answered nothing is said of this one: the connection ends with that answer.
        """
        self._is_over = True
        self._stop_timer()
        if self._phase == _BODY and (self.cycle.response_started or self.pipeline):
            self.transport.abort()  # this request is answered already, or it is not its turn
        elif self._phase != _BODY and self._is_answering():
            super().shutdown()
        else:
            self.transport.write(self._refusal(problem.problem(detail)))
            self.transport.write_eof()
            self._timer = self.loop.call_later(LINGER_SECONDS, self.transport.abort)

    def _refusal(self, problem: Problem) -> bytes:
        request_id = secrets.token_hex(16)
        before = logs.request_id.set(request_id)
        log.info("http.refused", status=problem.status, code=problem.code)
        logs.request_id.reset(before)
        answer = fast_path.problem(problem, request_id)
        head = [
            f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}",
            *(f"{name.decode()}: {value.decode()}" for name, value in self.server_state.default_headers),
            *(f"{name}: {value}" for name, value in answer.headers.items()),
            f"Content-Length: {len(answer.body)}",
            "Connection: close",
        ]
        return "\r\n".join([*head, "", ""]).encode() + answer.body

    def _too_slow(self) -> None:
        self._timer = None
        if self.pipeline:  # nothing is read while earlier requests are answered
            self._timer = self.loop.call_later(ARRIVAL_SECONDS, self._too_slow)
        elif self._phase == _IDLE:
            self.transport.close()
        else:
            self._refuse(problems.REQUEST_TIMEOUT)

    def _close_if_idle(self) -> None:
        if self._phase == _IDLE and not self._is_answering():
            self.transport.close()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
