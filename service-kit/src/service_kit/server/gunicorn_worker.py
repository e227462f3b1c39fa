"""gunicorn's worker with threads, with four things of our own.

What it refuses before Flask sees a request is a problem too, not a page of HTML. It says and logs nothing of what was
sent: a broken request line may hold a code or a state.

New connections go to the process that has the fewest. Otherwise the one that wakes first takes all that come together,
and keeps them: behind a gateway that holds its connections, one core would do the work of all.

What the application has made by the time it is loaded stays, so the garbage collector passes it over: looking at all
of it takes tens of milliseconds in which no other thread runs.

Requests on a kept connection that the application has a fast path for (`service_kit.server.fast_path`) are answered in
the loop. They are looked at before they are taken, so that the ordinary way finds everything where it was.
"""

import gc
import secrets
import socket
import time
from collections.abc import Sequence
from concurrent.futures import Future
from functools import partial
from http import HTTPStatus
from mmap import mmap
from typing import Any, NamedTuple

from gunicorn import SERVER, util
from gunicorn.http import errors
from gunicorn.http.message import Request
from gunicorn.http.unreader import IterUnreader
from gunicorn.workers.gthread import TConn, ThreadWorker

from service_kit.http import problems
from service_kit.http.problems import Problem
from service_kit.process import logs
from service_kit.server import fast_path
from service_kit.server.fast_path import Answer, FastPath, Head

log = logs.get(__name__)

_OURS = (errors.InvalidResponseHeader, errors.InvalidResponseHeaderName, errors.ConfigurationProblem)
_REFUSALS = {
    errors.LimitRequestLine: problems.URI_TOO_LONG.problem(),
    errors.LimitRequestHeaders: problems.HEADER_TOO_LARGE.problem(),
    errors.ExpectationFailed: problems.EXPECTATION_FAILED.problem(),
    errors.ParseException: problems.BAD_REQUEST.problem(),
}


_PROCESSES = 1024
_NOBODY = -1
_HESITATION_SECONDS = 0.0005
_connections = memoryview(mmap(-1, 4 * _PROCESSES)).cast("i")
"""Of each process of this service, how many it has; shared, because gunicorn's master forks them all."""
_connections[:] = memoryview(b"\xff" * 4 * _PROCESSES).cast("i")

_LARGEST_HEAD = 16 * 1024
_FRAMING_FIELDS = {"CONTENT-LENGTH", "TRANSFER-ENCODING", "EXPECT", "UPGRADE"}
_KEPT: "Future[bool]" = Future()
"""A request that is over, as gunicorn has it: its connection is kept."""
_KEPT.set_result(True)


class _Exchange(NamedTuple):
    """A request in the fast path. size: its bytes, not yet taken from the connection."""

    connection: TConn
    size: int
    begun: Any


class Worker(ThreadWorker):  # type: ignore[misc] # gunicorn has no types
    """Set as `worker_class`; `leave` belongs into gunicorn's `child_exit`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._place = _connections.tolist().index(_NOBODY)
        self._fast_path: FastPath[Any, Any] | None = None
        self._ready: list[_Exchange] = []
        super().__init__(*args, **kwargs)

    def load_wsgi(self) -> None:
        """gunicorn: load the application."""
        super().load_wsgi()
        self._fast_path = fast_path.of(self.wsgi)
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

    def on_client_socket_readable(self, conn: TConn, client: socket.socket) -> None:
        """gunicorn: something has come on a kept connection."""
        exchange = self._begin(conn, client) if self._fast_path is not None and self.alive else None
        if exchange is None:
            super().on_client_socket_readable(conn, client)
            return
        self.poller.unregister(client)
        self.keepalived_conns.remove(conn)
        self._ready.append(exchange)

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """gunicorn: one round of the loop. What became ready in it is waited for together."""
        super().wait_for_and_dispatch_events(timeout)
        if self._fast_path is not None and self._ready:
            ready, self._ready = self._ready, []
            done = partial(self.method_queue.defer, self._finish, ready)
            try:
                self._fast_path.wait([exchange.begun for exchange in ready], done)
            except Exception as error:
                log.exception("http.fast_path_failed", exc_info=error)
                for exchange in ready:
                    self.enqueue_req(exchange.connection)

    def _begin(self, conn: TConn, client: socket.socket) -> _Exchange | None:
        assert self._fast_path is not None  # noqa: S101 - for the type checker; the caller has looked
        try:
            head = client.recv(_LARGEST_HEAD, socket.MSG_PEEK)
            if not head.startswith(b"GET ") or head.find(b"\r\n\r\n") != len(head) - 4:
                return None
            request = Request(self.cfg, IterUnreader(iter((head,))), conn.client)
            fields = dict(request.headers)
            is_plain = (
                request.path == self._fast_path.path
                and request.version == (1, 1)
                and len(fields) == len(request.headers)
                and _FRAMING_FIELDS.isdisjoint(fields)
                and not request.should_close()
            )
            begun = self._fast_path.begin(Head(request.path, request.query, fields)) if is_plain else None
        except Exception:  # noqa: BLE001 - whatever it is, the ordinary way meets it again and says it
            return None
        return None if begun is None else _Exchange(conn, len(head), begun)

    def _finish(self, exchanges: Sequence[_Exchange], outcomes: Sequence[Any]) -> None:
        for exchange, outcome in zip(exchanges, outcomes, strict=True):
            answer = self._answer(exchange, outcome)
            if answer is None:
                self.enqueue_req(exchange.connection)
            else:
                self._send(exchange, answer)

    def _answer(self, exchange: _Exchange, outcome: Any) -> Answer | None:
        assert self._fast_path is not None  # noqa: S101 - for the type checker; there would be no exchange
        try:
            return self._fast_path.finish(exchange.begun, outcome)
        except Exception as error:
            log.exception("http.fast_path_failed", exc_info=error)
            return None

    def _send(self, exchange: _Exchange, answer: Answer) -> None:
        connection = exchange.connection
        data = _framed(answer, "keep-alive")
        try:
            connection.sock.recv(exchange.size)
            is_heard = connection.sock.send(data) == len(data)
        except OSError:
            is_heard = False
        if is_heard:
            self.finish_request(connection, _KEPT)
        else:  # gone, or it asks without reading the answers
            self.nr_conns -= 1
            connection.close()

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:
        """gunicorn: a request could not be read, or the application let an error through."""
        problem = _refusal(exc)
        if problem is None:
            super().handle_error(req, client, addr, exc)
            return
        request_id = secrets.token_hex(16)
        logs.request_id.set(request_id)
        log.info("http.refused", status=problem.status, reason=type(exc).__name__)
        try:
            util.write_nonblock(client, _framed(fast_path.problem(problem, request_id), "close"))
        except OSError:
            log.info("http.refusal_unheard")


def _refusal(error: Exception) -> Problem | None:
    if isinstance(error, _OURS):
        return None
    return next((problem for kind, problem in _REFUSALS.items() if isinstance(error, kind)), None)


def _framed(answer: Answer, connection: str) -> bytes:
    head = [
        f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}",
        f"Server: {SERVER}",
        f"Date: {util.http_date()}",
        f"Connection: {connection}",
        *(f"{name}: {value}" for name, value in answer.headers.items()),
        f"Content-Length: {len(answer.body)}",
    ]
    return "\r\n".join([*head, "", ""]).encode() + answer.body
