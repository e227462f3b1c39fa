"""Makes an attempt: begin it, choose the handler by the task's kind, run it, store how it ended."""

from collections.abc import Callable, Mapping

from task_service.application.errors import (
    HandlerError,
    TaskStorageUnavailableError,
    TokenRefusedError,
    UnknownKindError,
    VaultUnavailableError,
)
from task_service.application.handler import Handler, HandlerContext, Stop, Stopped
from task_service.application.ports import AttemptStore, TokenSource
from task_service.application.progress import GroupedProgress
from task_service.domain.attempt import Attempt, AttemptKey


class RunAttempt:
    """Runs attempts with the handlers that are installed."""

    def __init__(
        self, attempts: AttemptStore, progress: GroupedProgress, tokens: TokenSource, handlers: Mapping[str, Handler]
    ) -> None:
        """handlers: by kind."""
        self._attempts = attempts
        self._progress = progress
        self._tokens = tokens
        self._handlers = handlers

    def run(self, key: AttemptKey, should_stop: Callable[[], Stop | None]) -> str:
        """Run one attempt to its end; a word for the log.

        Raises TaskStorageUnavailableError, after which the sweep queues another attempt; and whatever unexpected error
        the handler raises, after the run has failed.
        """
        attempt = self._attempts.begin(key)
        if attempt is None:
            return "not_ours"
        context = HandlerContext(attempt, self._progress, self._tokens, should_stop)
        try:
            result = self._handler(attempt.kind).run(context)
        except Stopped as stopped:
            self._progress.forget(key)
            return self._stop(attempt, stopped.reason)
        except (TokenRefusedError, VaultUnavailableError, HandlerError, UnknownKindError) as error:
            self._progress.forget(key)
            return self._fail(attempt, error)
        except TaskStorageUnavailableError:
            self._progress.forget(key)
            raise
        except Exception:
            self._progress.forget(key)
            self._attempts.fail(attempt, "The task failed unexpectedly.")
            raise
        self._progress.forget(key)
        self._attempts.complete(attempt, result)
        return "completed"

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
        if isinstance(error, VaultUnavailableError):
            self._attempts.fail(attempt, f"{error} Try again later.")
            return "vault_unavailable"
        self._attempts.fail(attempt, str(error))
        return "unknown_kind" if isinstance(error, UnknownKindError) else "failed"
