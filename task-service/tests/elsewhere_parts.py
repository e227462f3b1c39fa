"""Parts that tests of executors share: a vault over HTTP whose tickets can be revoked, and attempts elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
from http_parts import Asked, Reply, problem, serving
from memory_attempts import ALICE, Memory
from memory_journal import MemoryJournal
from scripted_vault import Userinfo

from service_kit.outbound.session import Session
from task_service.adapters.vault.client import access_token_by
from task_service.application.access import AttemptAccess
from task_service.application.handler import Handler, Stop
from task_service.application.ports.vault import AttemptTicket, OwnerToken
from task_service.application.progress import GroupedProgress
from task_service.application.results import StoreResults
from task_service.application.run_attempt import RunAttempt
from task_service.domain.attempt import Attempt, AttemptKey
from task_service.domain.journal import LogLine
from task_service.domain.owner import Owner
from task_service.domain.result import Document, ResultFile
from task_service.domain.retry import NO_RETRY, RetryPolicy
from task_service.executors.base import ElsewhereHandler, Executor
from task_service.executors.order import Sandbox, Servers
from task_service.kinds import registry
from task_service.kinds.base import KindSettings, Tools
from task_service.kinds.registry import HereHandler
from token_vault_client import TicketCredentials, TokenVaultClient

PLUGINS = Path(__file__).with_name("plugins")
PROGRAM = (
    sys.executable,
    "-I",
    "-c",
    f"import sys; sys.path.insert(0, {str(PLUGINS)!r}); from task_service.elsewhere import main; sys.exit(main())",
)
"""The program with the functions of `plugins` installed."""
FUNCTIONS = (
    "ancestors",
    "steps",
    "writes",
    "looks",
    "searches",
    "dies",
    "sleeps",
    "hangs",
    "fetches",
    "prints",
    "gives",
    "raises",
    "missing",
)


@dataclass
class HttpVault:
    """`TicketVault` for the worker; over HTTP it gives tokens by ticket. lifetime: of a token; given: tokens so far;
    asking: with which tickets; owners: of tickets."""

    url: str = ""
    lifetime: timedelta = timedelta(minutes=5)
    tickets: dict[UUID, str] = field(default_factory=dict)
    given: int = 0
    owners: dict[str, str] = field(default_factory=dict)
    asking: list[str] = field(default_factory=list)

    def open(self, attempt: Attempt, seconds: int) -> AttemptTicket:
        """A ticket."""
        ticket = AttemptTicket(uuid4(), f"tvt_{uuid4().hex}")
        self.tickets[ticket.id] = ticket.value
        self.owners[ticket.value] = attempt.owner.sub
        return ticket

    def extend(self, ticket_id: UUID, seconds: int) -> None:
        """A ticket here has no end."""

    def end(self, ticket_id: UUID) -> None:
        """The ticket is usable no longer."""
        self.tickets.pop(ticket_id, None)

    def revoke(self, owner: str) -> None:
        """End the grant of an owner, with its tickets."""
        self.tickets = {key: value for key, value in self.tickets.items() if self.owners[value] != owner}

    def access_token(self, ticket: AttemptTicket) -> OwnerToken:
        """Only the other side asks."""
        raise NotImplementedError

    def answer(self, asked: Asked) -> Reply:
        """A token for a ticket that is usable."""
        ticket = asked.headers["Authorization"].removeprefix("Bearer ")
        if ticket not in self.tickets.values():
            return problem(401, "ticket_ended")
        self.asking.append(ticket)
        self.given += 1
        ends = datetime.now(UTC) + self.lifetime
        return Reply(
            content={
                "accessToken": f"access-{self.given}",
                "expiresAt": ends.isoformat(),
                "expiresIn": int(self.lifetime.total_seconds()),
                "scope": "openid profile",
            }
        )


class AskedHere(HttpVault):
    """The same for attempts that run in the worker, which fetch their tokens themselves."""

    def access_token(self, ticket: AttemptTicket) -> OwnerToken:
        """Over HTTP, as an attempt elsewhere does."""
        credentials = TicketCredentials(ticket.value)
        return access_token_by(TokenVaultClient(self.url, credentials, session=Session(), patience=0.0, cache=None))


@contextmanager
def http_vault(kind: type[HttpVault] = HttpVault) -> Iterator[HttpVault]:
    """A vault that answers."""
    vault = kind()
    with serving(vault.answer) as server:
        vault.url = server.url
        yield vault


def eventually(holds: Callable[[], object], what: str, seconds: float = 15.0) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.01)


def ended(process_id: int) -> None:
    """Wait until a process is gone, or dead and not yet collected."""

    def has_ended() -> bool:
        try:
            stat = Path(f"/proc/{process_id}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return True
        return stat.rpartition(")")[2].split()[0] == "Z"

    eventually(has_ended, f"{process_id} ends")


DEFAULTS = KindSettings(functions=FUNCTIONS)


class KeptIn(StoreResults):
    """Keeps documents in memory."""

    def __init__(self, memory: Memory) -> None:
        super().__init__(memory, None, None)
        self._memory = memory

    def _stored(self, document: Document) -> ResultFile:
        self._memory.documents.append(document)
        return ResultFile(uuid4(), document.media_type, document.name, len(document.content))


@dataclass
class Elsewhere:
    """Runs functions by an executor, or here without one. journal, memory: what the last one has left."""

    executor: Executor | None
    vault: HttpVault
    sandbox: Sandbox | None = None
    seconds: float = 60.0
    settings: KindSettings = DEFAULTS
    owner: str = ALICE.sub
    journal: MemoryJournal = field(default_factory=MemoryJournal)
    memory: Memory = field(init=False)

    def run(
        self,
        function: str,
        should_stop: Callable[[], Stop | None] = lambda: None,
        retry: RetryPolicy = NO_RETRY,
        kind: str = "function",
        **arguments: Any,
    ) -> str:
        """The word for how an attempt of that function has ended."""
        parameters = {"function": function, "arguments": arguments} if kind == "function" else arguments
        attempt = Attempt(
            key=AttemptKey(uuid4(), 1),
            run=3,
            owner=Owner(ALICE.issuer, self.owner),
            task_name="a",
            kind=kind,
            parameters=parameters,
            persistent_token_id=uuid4(),
            retry=retry,
        )
        self.memory = Memory(attempt)
        access = AttemptAccess(self.vault)
        handlers = {kind: self._handler(kind)}
        run = RunAttempt(self.memory, GroupedProgress(self.memory), self.journal, access, handlers, KeptIn(self.memory))
        try:
            return run.run(attempt.key, should_stop)
        finally:
            access.end()
            self.journal.flush()

    def _handler(self, kind: str) -> Handler:
        if self.executor is None:
            tools = Tools(userinfo=Userinfo(), settings=self.settings, vault_url=self.vault.url)
            return HereHandler(registry.one(kind, tools))
        servers = Servers(vault_url=self.vault.url, issuer=ALICE.issuer)
        return ElsewhereHandler(self.executor, servers, self.settings, self.seconds, self.sandbox)

    @property
    def result(self) -> str:
        """The result or the error."""
        return self.memory.ended[-1][1]

    @property
    def json(self) -> Any:
        """The result as JSON."""
        return msgspec.json.decode(self.result)

    @property
    def log(self) -> list[str]:
        """The messages of the log, but for what the executor itself says."""
        return [line.message for line in self.lines]

    @property
    def lines(self) -> list[LogLine]:
        """The lines of the log, but for the executor's own."""
        return [line for _, line in self.journal.lines if not line.message.startswith("Slurm job ")]
