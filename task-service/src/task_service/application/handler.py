"""The interface of handlers. A handler is given a token of the task's owner, a way to report progress, and a pause.

A handler may be started twice for the same run: by a worker that died or froze, and by the one that took over. Pass
`Attempt.idempotency_key` on to an API that must not act twice.
"""

import enum
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar
from uuid import UUID

from task_service.application.errors import VaultUnavailableError
from task_service.application.ports.vault import AttemptTicket, OwnerToken
from task_service.domain.attempt import Attempt
from task_service.domain.journal import Level
from task_service.domain.result import Document

T = TypeVar("T")

MIN_VALID_SECONDS = 30.0
"""A token with less to live is fetched anew."""
VAULT_PATIENCE_SECONDS = 45.0
"""How long an unavailable vault is asked again."""
LONGEST_PAUSE_SECONDS = 0.1
"""How long a waiting handler may take to notice that it should stop."""


class Stop(enum.Enum):
    """Reasons to stop a running attempt: its run is not wanted any more, or its worker shuts down."""

    CANCELLED = enum.auto()
    SHUTDOWN = enum.auto()


class Stopped(Exception):  # noqa: N818 - not an error
    """The attempt stops before its end."""

    def __init__(self, reason: Stop) -> None:
        super().__init__(reason.name)
        self.reason = reason


class ProgressSink(Protocol):
    """Takes reports of progress."""

    def report(self, attempt: Attempt, percent: int) -> bool:
        """Note how far the attempt is; False when it was taken over."""
        ...


class Journal(Protocol):
    """Takes what the owner can read of an attempt afterwards."""

    def log(self, attempt: Attempt, level: Level, message: str) -> None:
        """Add a line to the log of the attempt's run."""
        ...

    def access(self, attempt: Attempt, ticket_id: UUID, token: OwnerToken | None = None) -> None:
        """Note the ticket of the attempt, and the access token that it uses from now on."""
        ...


class Access(Protocol):
    """Gives access tokens by the attempt's ticket. Raises TokenRefusedError, VaultUnavailableError throughout."""

    def open(self, attempt: Attempt) -> AttemptTicket:
        """The attempt's ticket."""
        ...

    def token(self, attempt: Attempt) -> tuple[OwnerToken, UUID]:
        """A fresh access token, and the id of the ticket by which it came."""
        ...


@dataclass(frozen=True, slots=True)
class Time:
    """The time of an attempt. monotonic: seconds; pause: waits that many seconds."""

    monotonic: Callable[[], float] = time.monotonic
    pause: Callable[[float], object] = time.sleep


class HandlerContext:
    """The actions that a handler may take, for one attempt."""

    def __init__(
        self,
        attempt: Attempt,
        progress: ProgressSink,
        journal: Journal,
        access: Access,
        should_stop: Callable[[], Stop | None],
        clocks: Time | None = None,
    ) -> None:
        """should_stop: asked at each pause for a reason to stop."""
        self.attempt = attempt
        self._progress = progress
        self._journal = journal
        self._access = access
        self._should_stop = should_stop
        self._time = clocks or Time()
        self._token: OwnerToken | None = None
        self._renew_at = float("-inf")

    def open_access(self) -> AttemptTicket:
        """The attempt's ticket, made when there is none.

        An unavailable vault is asked again for VAULT_PATIENCE_SECONDS. Raises TokenRefusedError, VaultUnavailableError.
        """
        ticket = self._patiently(lambda: self._access.open(self.attempt))
        self._journal.access(self.attempt, ticket.id)
        return ticket

    def used(self, ticket_id: UUID, token: OwnerToken) -> None:
        """Note an access token that the attempt has got elsewhere. token: its value is not needed."""
        self._journal.access(self.attempt, ticket_id, token)

    def token(self) -> OwnerToken:
        """The owner's access token, fetched when there is none yet or the last one is about to expire.

        An unavailable vault is asked again for VAULT_PATIENCE_SECONDS. Raises TokenRefusedError, VaultUnavailableError.
        """
        if self._token is None or self._time.monotonic() >= self._renew_at:
            (self._token, ticket_id), asked_at = self._patiently(self._new_token)
            self._journal.access(self.attempt, ticket_id, self._token)
            self._renew_at = asked_at + self._token.expires_in - MIN_VALID_SECONDS
        return self._token

    def log(self, message: str, level: Level = Level.INFO) -> None:
        """Add a line to the log of the run, for its owner. It must not contain a token.

        At most MAX_LINES lines of one attempt are kept, and MAX_MESSAGE characters of each; the log says what is
        missing.
        """
        self._journal.log(self.attempt, level, message)

    def progress(self, percent: int) -> None:
        """Report 0 to 100. Raises Stopped when the attempt was taken over or should stop."""
        if not self._progress.report(self.attempt, percent):
            raise Stopped(Stop.CANCELLED)

    def wait(self, seconds: float) -> None:
        """Pause for that long. Raises Stopped as soon as the attempt should stop."""
        deadline = self._time.monotonic() + seconds
        while True:
            reason = self._should_stop()
            if reason is not None:
                raise Stopped(reason)
            left = deadline - self._time.monotonic()
            if left <= 0:
                return
            self._time.pause(min(left, LONGEST_PAUSE_SECONDS))

    def _new_token(self) -> tuple[tuple[OwnerToken, UUID], float]:
        """A token, and when it was asked for: its life counts from then, whatever the clocks of others say."""
        asked_at = self._time.monotonic()
        return self._access.token(self.attempt), asked_at

    def _patiently(self, ask: Callable[[], T]) -> T:
        give_up = self._time.monotonic() + VAULT_PATIENCE_SECONDS
        while True:
            try:
                return ask()
            except VaultUnavailableError as unavailable:
                if self._time.monotonic() + unavailable.retry_after > give_up:
                    raise
                self.log(f"{unavailable} Asking again in {unavailable.retry_after:g} s.", Level.WARNING)
                self.wait(unavailable.retry_after)


class Handler(Protocol):
    """Runs attempts of one kind: in the worker, or elsewhere."""

    def run(self, context: HandlerContext) -> str | Document:
        """Do the work; the result is shown to the owner.

        Raises HandlerError with a message for the owner; LostError, after which another attempt is queued.
        """
        ...
