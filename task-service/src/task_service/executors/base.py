"""The interface of executors, and the handler that has attempts run by one."""

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from task_service.application.errors import HandlerError, LostError, TokenRefusedError, VaultUnavailableError
from task_service.application.handler import HandlerContext, Stop, Stopped
from task_service.application.ports.vault import OwnerToken
from task_service.domain.journal import Level
from task_service.domain.result import Document
from task_service.executors.order import (
    Completed,
    Failed,
    FetchedToken,
    Logged,
    Order,
    OrderPart,
    Progressed,
    Sandbox,
    Servers,
    split,
)
from task_service.kinds.base import KindSettings

LOOK_SECONDS = 0.1
MAX_RESULT_BYTES = 16 * 1024 * 1024
"""Bytes of a result that is brought back."""


class Running(Protocol):
    """An attempt that runs elsewhere."""

    def take(self, seconds: float) -> Sequence[bytes]:
        """The lines of its output since the last call; waits for some, at most so long.

        Raises LostError when it is gone and there are no more lines.
        """
        ...

    def stop(self) -> None:
        """End it, if it has not ended, and leave nothing behind. Raises no error."""
        ...


class Executor(Protocol):
    """Runs attempts elsewhere. Safe to share between threads."""

    def start(self, order: Order) -> Running:
        """Have an attempt run. Raises HandlerError that can pass when the executor is not available."""
        ...


class ElsewhereHandler:
    """`application.handler.Handler`: has attempts of a kind run by an executor, and passes on what they report."""

    def __init__(
        self,
        executor: Executor,
        servers: Servers,
        settings: KindSettings,
        max_seconds: float,
        sandbox: Sandbox | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """max_seconds: how long an attempt may take; sandbox: of the program, None for none."""
        self._executor = executor
        self._servers = servers
        self._settings = settings
        self._max_seconds = max_seconds
        self._sandbox = sandbox
        self._monotonic = monotonic

    def run(self, context: HandlerContext) -> str | Document:
        """Start it, and follow it to its end. What it leaves behind is ended when this returns or raises."""
        deadline = self._monotonic() + self._max_seconds
        order = self._order(context)
        running = self._executor.start(order)
        relay = _Relay(context, order)
        try:
            while True:
                context.wait(0)
                if self._monotonic() > deadline:
                    raise HandlerError(f"The task has taken longer than {self._max_seconds:g} s.")
                for line in running.take(LOOK_SECONDS):
                    if relay.passes(line):
                        return relay.result()
        finally:
            running.stop()

    def _order(self, context: HandlerContext) -> Order:
        attempt, ticket = context.attempt, context.open_access()
        return Order(
            kind=attempt.kind,
            parameters=attempt.parameters,
            task_id=attempt.key.task_id,
            fence=attempt.key.fence,
            run=attempt.run,
            issuer=attempt.owner.issuer,
            subject=attempt.owner.sub,
            task_name=attempt.task_name,
            persistent_token_id=attempt.persistent_token_id,
            ticket_id=ticket.id,
            ticket=ticket.value,
            servers=self._servers,
            settings=self._settings,
            sandbox=self._sandbox,
        )


class _Relay:
    """Passes the events of one attempt on."""

    def __init__(self, context: HandlerContext, order: Order) -> None:
        self._context = context
        self._order = order
        self._content = bytearray()
        self._end: Completed | Failed | None = None

    def passes(self, line: bytes) -> bool:
        """Pass a line on; True when it was the end."""
        printed, event = split(line)
        if text := printed.decode("utf-8", "replace").rstrip():
            self._context.log(self._without_ticket(text), Level.DEBUG)
        match event:
            case Progressed(percent):
                self._context.progress(min(max(percent, 0), 100))
            case Logged(level, message):
                self._context.log(self._without_ticket(message), level)
            case FetchedToken(expires_at, scopes):
                self._context.used(self._order.ticket_id, OwnerToken("", expires_at, frozenset(scopes)))
            case OrderPart(content):
                self._content += content
                if len(self._content) > MAX_RESULT_BYTES:
                    raise HandlerError(f"The result has more than {MAX_RESULT_BYTES} bytes.")
            case Completed() | Failed():
                self._end = event
        return self._end is not None

    def result(self) -> str | Document:
        """The result of the attempt. Raises the error with which it has failed."""
        match self._end:
            case Completed(media_type=None):
                return self._content.decode("utf-8", "replace")
            case Completed(str(media_type), name, summary):
                return Document(bytes(self._content), media_type, name, summary)
            case Failed("handler", message, can_pass):
                raise HandlerError(self._without_ticket(message), can_pass=can_pass)
            case Failed("token_refused"):
                raise TokenRefusedError
            case Failed("vault_unavailable"):
                raise VaultUnavailableError
            case Failed("stopped"):
                self._context.wait(0)  # stopped by this worker, as the next line finds out, or by somebody else
                raise LostError("The process that ran this attempt was told to stop.")
            case Failed(_, message, can_pass):
                raise (ConnectionError if can_pass else RuntimeError)(message)
        raise Stopped(Stop.CANCELLED)

    def _without_ticket(self, text: str) -> str:
        return text.replace(self._order.ticket, "tvt_***")
