"""The program that runs one attempt outside of the worker: `python -I -m task_service.elsewhere`.

It reads an order from standard input, wires what the kind needs with the order's ticket as its only credential, and
writes events to standard output (`executors/order.py`). It stops at SIGTERM. Its parent (`executors/keeper.py`) ends it
when the input ends, and whatever it has started when it has ended. In a pod the order is a file, named by the only
argument.
"""

import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any
from uuid import UUID

import msgspec

from service_kit.outbound.session import Session
from service_kit.process import logs
from service_kit.tokens.issuer import Issuer
from task_service.adapters.identity.userinfo import UserinfoEndpoint
from task_service.adapters.vault.client import access_token_by
from task_service.application.errors import (
    HandlerError,
    TicketExpiredError,
    TokenRefusedError,
    UnknownKindError,
    VaultUnavailableError,
)
from task_service.application.handler import HandlerContext, Stop, Stopped
from task_service.application.ports.vault import AttemptTicket, OwnerToken
from task_service.domain.attempt import Attempt
from task_service.domain.journal import Level, shortened, storable
from task_service.domain.result import Document
from task_service.executors import keeper, sandbox
from task_service.executors.order import (
    Completed,
    Event,
    Failed,
    FetchedToken,
    Logged,
    Order,
    Progressed,
    line_of,
    parts_of,
)
from task_service.kinds import registry
from task_service.kinds.base import Tools
from token_vault_client import TicketCredentials, TokenVaultClient

ANSWER_SECONDS = (2.0, 20.0)
MAX_WORDS = 1000


class Events:
    """`ProgressSink` and `Journal` of the attempt: writes events."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        """write: takes a whole line."""
        self._write = write

    def emit(self, event: Event) -> None:
        """Write one."""
        self._write(line_of(event))

    def report(self, attempt: Attempt, percent: int) -> bool:  # noqa: ARG002 - there is one
        """Progress."""
        self.emit(Progressed(percent))
        return True

    def log(self, attempt: Attempt, level: Level, message: str) -> None:  # noqa: ARG002 - there is one
        """A line of the log."""
        self.emit(Logged(level, shortened(storable(message))))

    def access(self, attempt: Attempt, ticket_id: UUID, token: OwnerToken | None = None) -> None:  # noqa: ARG002
        """A token was fetched. The worker knows the ticket."""
        if token is not None:
            self.emit(FetchedToken(token.expires_at, sorted(token.scopes)))


class GivenTicket:
    """`application.handler.Access` with the ticket of the order."""

    def __init__(self, order: Order) -> None:
        self._ticket = AttemptTicket(order.ticket_id, order.ticket)
        self._vault = TokenVaultClient(
            order.servers.vault_url,
            TicketCredentials(order.ticket),
            session=Session(),
            timeout=ANSWER_SECONDS,
            patience=0.0,
            cache=None,
            request_id=logs.request_id.get,
        )

    def open(self, attempt: Attempt) -> AttemptTicket:  # noqa: ARG002 - there is one
        """The source is given; nothing is opened."""
        return self._ticket

    def token(self, attempt: Attempt) -> tuple[OwnerToken, UUID]:  # noqa: ARG002 - there is one
        """A fresh access token. A ticket that has expired is not replaced: the worker that extended it is gone."""
        try:
            return access_token_by(self._vault), self._ticket.id
        except TicketExpiredError as error:
            raise TokenRefusedError from error


def main() -> int:
    """Run the attempt of the order; always 0, as the last event has the outcome."""
    content = Path(sys.argv[1]).read_bytes() if sys.argv[1:] else sys.stdin.buffer.readline()
    keeper.keep([] if sys.argv[1:] else [0])
    order, write = msgspec.json.decode(content, type=Order), _take_over_the_pipes()
    if order.sandbox is not None:
        here = str(Path.cwd())
        sandbox.enter(order.sandbox.readable, (here, *order.sandbox.writable))
    signal.signal(signal.SIGTERM, _stop)
    events = Events(write)
    logs.request_id.set(order.attempt().key.request_id)
    end = outcome(order, events)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.stdout.flush()
    events.emit(end)
    return 0


def outcome(order: Order, events: Events) -> Completed | Failed:
    """Run an attempt; how it has ended. The parts of its result are written before."""
    context = HandlerContext(order.attempt(), events, events, GivenTicket(order), lambda: None)
    try:
        kind = registry.one(order.kind, _tools(order))
        return _completed(registry.HereHandler(kind).run(context), events)
    except Stopped:
        return Failed("stopped", "")
    except TokenRefusedError:
        return Failed("token_refused", "")
    except VaultUnavailableError:
        return Failed("vault_unavailable", "")
    except (HandlerError, UnknownKindError) as error:
        return Failed("handler", storable(str(error))[:MAX_WORDS], getattr(error, "can_pass", False))
    except Exception as error:  # noqa: BLE001 - the worker raises it
        words = storable(traceback.format_exc())[-MAX_WORDS:]
        return Failed("unexpected", words, isinstance(error, ConnectionError | TimeoutError))


def _tools(order: Order) -> Tools:
    issuer = Issuer(order.servers.issuer, order.servers.issuer_internal_url)
    return Tools(
        userinfo=UserinfoEndpoint(issuer, Session()), settings=order.settings, vault_url=order.servers.vault_url
    )


def _completed(result: str | Document, events: Events) -> Completed:
    content = result.content if isinstance(result, Document) else storable(result).encode()
    for part in parts_of(content):
        events.emit(part)
    if isinstance(result, Document):
        return Completed(result.media_type, result.name, result.summary)
    return Completed()


def _take_over_the_pipes() -> Callable[[bytes], Any]:
    """What writes a line of events. Code of kinds finds an empty input; what it prints is kept."""
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    output = os.dup(1)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    return lambda line: _write_all(output, line)


def _write_all(descriptor: int, line: bytes) -> None:
    while line:
        line = line[os.write(descriptor, line) :]


def _stop(*_: int | FrameType | None) -> None:
    raise Stopped(Stop.CANCELLED)


if __name__ == "__main__":
    sys.exit(main())
