"""Running an attempt: get a token for its owner, do the work, write down how it ended.

An attempt may be begun twice, by a worker that died or froze and by the one that took over: so every write carries the
fence, and work that must not happen twice is given `Attempt.key`.
"""

import enum
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol
from uuid import UUID

from task_service.application.errors import (
    HandlerError,
    StorageUnavailableError,
    TokenRefusedError,
    VaultUnavailableError,
)
from task_service.application.ports import AccessToken, Attempt, Attempts, Identity, TokenSource

MIN_VALID = timedelta(seconds=30)
PATIENCE_WITH_VAULT = timedelta(seconds=45)


class Stop(enum.Enum):
    """Why a running attempt should stop: somebody does not want it any more, or this worker goes away."""

    CANCELLED = enum.auto()
    SHUTDOWN = enum.auto()


class Stopped(Exception):  # noqa: N818 - not an error
    """The attempt stops before its end."""

    def __init__(self, reason: Stop) -> None:
        super().__init__(reason.name)
        self.reason = reason


class Context:
    """What a handler may do: ask for a token, tell its progress, pause."""

    def __init__(
        self,
        attempt: Attempt,
        attempts: Attempts,
        tokens: TokenSource,
        should_stop: Callable[[], Stop | None],
        pause: Callable[[float], object],
    ) -> None:
        self.attempt = attempt
        self._attempts = attempts
        self._tokens = tokens
        self._should_stop = should_stop
        self._pause = pause
        self._token: AccessToken | None = None

    def token(self) -> AccessToken:
        """The owner's access token, fetched when there is none yet or the last one is about to expire.

        While the vault is away it is asked again for a while. Raises TokenRefusedError, VaultUnavailableError.
        """
        if self._token is None or self._token.expires_at < datetime.now(UTC) + MIN_VALID:
            self._token = self._fetch()
        return self._token

    def progress(self, percent: int) -> None:
        """Tell the owner how far it is. Raises Stopped when the attempt is not this worker's any more."""
        if not self._attempts.progress(self.attempt, percent):
            raise Stopped(Stop.CANCELLED)

    def wait(self, seconds: float) -> None:
        """Pause for that long. Raises Stopped as soon as the attempt should stop."""
        deadline = datetime.now(UTC) + timedelta(seconds=seconds)
        while True:
            reason = self._should_stop()
            if reason is not None:
                raise Stopped(reason)
            left = (deadline - datetime.now(UTC)).total_seconds()
            if left <= 0:
                return
            self._pause(min(left, 0.1))

    def _fetch(self) -> AccessToken:
        give_up = datetime.now(UTC) + PATIENCE_WITH_VAULT
        while True:
            try:
                return self._tokens.access_token(self.attempt.persistent_token_id, self.attempt.owner, 0)
            except VaultUnavailableError as away:
                if datetime.now(UTC) + timedelta(seconds=away.retry_after) > give_up:
                    raise
                self.wait(away.retry_after)


@dataclass(frozen=True, slots=True)
class Tools:
    """What handlers are made with. demo_step_seconds: how long each tenth of the demonstration takes."""

    identity: Identity
    demo_step_seconds: float


class Handler(Protocol):
    """A kind of work."""

    def run(self, context: Context) -> str:
        """Do it; what is returned is shown to the owner as the result. Raises HandlerError with words for the owner."""
        ...


class RunAttempt:
    """Runs attempts with the handlers that are installed."""

    def __init__(self, attempts: Attempts, tokens: TokenSource, handlers: Mapping[str, Handler]) -> None:
        self._attempts = attempts
        self._tokens = tokens
        self._handlers = handlers

    def run(self, task_id: UUID, fence: int, should_stop: Callable[[], Stop | None]) -> str:
        """Run one attempt to its end; a word for the log."""
        attempt = self._attempts.begin(task_id, fence)
        if attempt is None:
            return "not_ours"
        context = Context(attempt, self._attempts, self._tokens, should_stop, threading.Event().wait)
        try:
            result = self._handlers["demo"].run(context)
        except Stopped as stopped:
            return self._stop(attempt, stopped.reason)
        except TokenRefusedError as error:
            self._attempts.fail(attempt, str(error), token_failed=True)
            return "token_failed"
        except VaultUnavailableError as error:
            self._attempts.fail(attempt, f"{error} Try again later.")
            return "vault_unavailable"
        except HandlerError as error:
            self._attempts.fail(attempt, str(error))
            return "failed"
        except StorageUnavailableError:
            raise  # nothing is wrong with the task: without a job, it is found by the sweep and attempted again
        except Exception:
            self._attempts.fail(attempt, "The task failed unexpectedly.")
            raise
        self._attempts.complete(attempt, result)
        return "completed"

    def _stop(self, attempt: Attempt, reason: Stop) -> str:
        if reason is Stop.SHUTDOWN:
            self._attempts.requeue(attempt)
            return "requeued"
        return "stopped"
