"""Makes an attempt: begin it, choose the handler by the task's kind, run it, store how it ended."""

import random
from collections.abc import Callable, Mapping

from task_service.application.access import AttemptAccess
from task_service.application.errors import (
    HandlerError,
    LostError,
    TaskStorageUnavailableError,
    TokenRefusedError,
    UnknownKindError,
    VaultUnavailableError,
)
from task_service.application.handler import Handler, HandlerContext, Stop, Stopped
from task_service.application.journal import GroupedJournal
from task_service.application.ports.attempts import AttemptStore
from task_service.application.progress import GroupedProgress
from task_service.application.results import StoreResults
from task_service.domain.attempt import Attempt, AttemptKey
from task_service.domain.journal import Level, storable
from task_service.domain.result import Document

UNEXPECTED = "The task failed unexpectedly."
COMPLETED = "completed"
"""The word for an attempt that has ended with its result. Its job is removed with it."""


class RunAttempt:
    """Runs attempts with the handlers that are installed."""

    def __init__(
        self,
        attempts: AttemptStore,
        progress: GroupedProgress,
        journal: GroupedJournal,
        access: AttemptAccess,
        handlers: Mapping[str, Handler],
        results: StoreResults | None = None,
        spread: Callable[[], float] = random.random,
    ) -> None:
        """handlers: by kind; spread: a random number from 0 to 1 for the delay of a retry.

        results: without it, only texts that fit into a row are kept.
        """
        self._attempts = attempts
        self._progress = progress
        self._journal = journal
        self._access = access
        self._handlers = handlers
        self._results = results or StoreResults(attempts, None, None)
        self._spread = spread

    def run(self, key: AttemptKey, should_stop: Callable[[], Stop | None]) -> str:
        """Run one attempt to its end; a word for the log.

        Raises TaskStorageUnavailableError, after which the sweep queues another attempt; and whatever unexpected error
        the handler raises, after the run has failed.
        """
        attempt = self._attempts.begin(key)
        if attempt is None:
            return "not_ours"
        context = HandlerContext(attempt, self._progress, self._journal, self._access, should_stop)
        try:
            handler = self._handler(attempt.kind)
            context.open_access()
            result = handler.run(context)
        except Stopped as stopped:
            self._forget(key)
            return self._stop(attempt, stopped.reason)
        except LostError as lost:
            context.log(f"{lost} Another attempt is queued.", Level.WARNING)
            self._forget(key)
            self._attempts.replace_crashed(key)
            return "lost"
        except (TokenRefusedError, VaultUnavailableError, HandlerError, UnknownKindError) as error:
            self._forget(key)
            return self._fail(attempt, error)
        except TaskStorageUnavailableError:
            self._forget(key)
            raise
        except Exception as error:
            self._forget(key)
            if not self._retries(attempt, error, UNEXPECTED):
                self._attempts.fail(attempt, UNEXPECTED)
            raise
        self._forget(key)
        return self._complete(attempt, result)

    def _complete(self, attempt: Attempt, result: str | Document) -> str:
        try:
            is_ours = self._results.complete(attempt, result)
        except HandlerError as error:
            return self._fail(attempt, error)
        return COMPLETED if is_ours else "stopped"

    def _forget(self, key: AttemptKey) -> None:
        self._progress.forget(key)
        self._journal.forget(key)
        self._access.close(key)

    def _handler(self, kind: str) -> Handler:
        if kind not in self._handlers:
            raise UnknownKindError(kind)
        return self._handlers[kind]

    def _stop(self, attempt: Attempt, reason: Stop) -> str:
        if reason is Stop.SHUTDOWN:
            self._attempts.give_back(attempt)
            return "requeued"
        return "stopped"

    def _fail(self, attempt: Attempt, error: Exception) -> str:
        if isinstance(error, TokenRefusedError):
            self._attempts.fail(attempt, str(error), token_failed=True)
            return "token_failed"
        if self._retries(attempt, error, storable(str(error))):
            return "retrying"
        if isinstance(error, VaultUnavailableError):
            self._attempts.fail(attempt, f"{error} Try again later.")
            return "vault_unavailable"
        self._attempts.fail(attempt, storable(str(error)))
        return "unknown_kind" if isinstance(error, UnknownKindError) else "failed"

    def _retries(self, attempt: Attempt, error: Exception, words: str) -> bool:
        """True when the run waits for another attempt, or is not this worker's any more."""
        failures = attempt.failures + 1
        if not can_pass(error) or not attempt.retry.allows_another(failures):
            return False
        asked = error.retry_after if isinstance(error, VaultUnavailableError) else 0.0
        self._attempts.retry(attempt, words, attempt.retry.delay(failures, self._spread(), asked))
        return True


def can_pass(error: Exception) -> bool:
    """True for errors after which another attempt may succeed. A refused token is none: only its owner can help."""
    if isinstance(error, HandlerError):
        return error.can_pass
    return isinstance(error, (VaultUnavailableError, ConnectionError, TimeoutError))
