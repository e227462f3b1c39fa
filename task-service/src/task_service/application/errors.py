"""The errors of the task service.

    TaskError
    ├── TaskNotFoundError                no such task, or another person's: both look the same
    ├── RunNotFoundError                 the task has no such run, or it was cleaned away
    ├── ResultNotFoundError              the run has no file as its result
    ├── ResultStoreUnavailableError      the store of results that are files does not answer
    ├── TaskNotExecutableError           the task has a run under way, or its latest run has completed
    ├── TaskNotCancellableError          the task has no run under way
    ├── TaskNotRepeatableError           the task has no run yet, or one under way
    ├── TaskNotLinkableError             the task has a run under way with another token
    ├── TooManyTasksError                the owner has as many tasks as one owner may have
    ├── TooManyOpenTasksError            the owner has as many waiting, queued and running tasks as one may have
    ├── ScheduleNotFoundError            the task has no schedule
    ├── KindNotFoundError                a task was to be created of a kind that is not offered here
    ├── ParametersError                  the parameters are not those of the kind
    ├── ParametersTooLargeError          the parameters are too long to be stored
    ├── CursorError                      a page was asked for with a cursor that its list did not give
    ├── KeyReusedError                   the idempotency key stands for another request
    ├── AlreadyDoneError                 the idempotency key stands for this request, which was answered before
    ├── TokenNotFoundError               the vault knows no such token of this person that this service may use
    ├── TokenRefusedError                the vault no longer gives access tokens for it
    ├── TicketExpiredError               the attempt's ticket was not extended in time; another can be made
    ├── VaultUnavailableError            the vault does not answer
    │   └── TooManyTicketsError          the grant has as many tickets as the vault allows
    ├── TaskStorageUnavailableError      PostgreSQL does not answer
    ├── NoWorkerError                    no worker has shown a heartbeat lately
    ├── UnknownKindError                 the worker has no handler for the task's kind
    ├── LostError                        whatever ran the attempt outside of the worker is gone
    └── HandlerError                     the work itself failed; its message is shown to the owner

Each docstring is the default message.
"""


class TaskError(Exception):
    """Something went wrong with a task."""

    def __str__(self) -> str:
        return super().__str__() or (type(self).__doc__ or "")


class TaskNotFoundError(TaskError):
    """There is no such task."""


class RunNotFoundError(TaskError):
    """This task has no such run."""


class ResultNotFoundError(TaskError):
    """This run has no file as its result."""


class ResultStoreUnavailableError(TaskError):
    """The result store cannot be reached now."""


class TaskNotExecutableError(TaskError):
    """This task is waiting, queued, running or completed; it cannot be executed now."""


class TaskNotCancellableError(TaskError):
    """This task is not waiting, queued or running; there is nothing to cancel."""


class TaskNotRepeatableError(TaskError):
    """This task has not ended; it can be run again when it is completed, failed or cancelled."""


class TaskNotLinkableError(TaskError):
    """This task is waiting, queued or running; another token can be linked when it has ended."""


class TooManyTasksError(TaskError):
    """You have as many tasks as one person may have here. Delete some first."""


class TooManyOpenTasksError(TaskError):
    """As many of your tasks are waiting, queued or running as is allowed here. Try again when some have ended."""


class ScheduleNotFoundError(TaskError):
    """This task has no schedule."""


class KindNotFoundError(TaskError):
    """There is no such kind of task here. `GET /api/tasks/kinds` lists those that there are."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"There is no kind '{kind}' here. `GET /api/tasks/kinds` lists those that there are.")


class ParametersError(TaskError):
    """The parameters are not those of the kind; `errors` says which."""

    def __init__(self, pointer: str, detail: str) -> None:
        """pointer: JSON Pointer (RFC 6901) into the parameters; detail: what is wrong there."""
        super().__init__(f"/parameters{pointer}: {detail}")
        self.pointer, self.detail = pointer, detail


class ParametersTooLargeError(TaskError):
    """The parameters have more than 16 KiB."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"The parameters have {size} bytes as JSON; {limit} can be stored.")


class CursorError(TaskError):
    """This cursor was not given to you for this query. Begin again without `cursor`."""


class KeyReusedError(TaskError):
    """This Idempotency-Key was used for another request within the last 24 hours."""


class AlreadyDoneError(TaskError):
    """This request was answered before."""

    def __init__(self, answer: bytes) -> None:
        """answer: the stored one."""
        super().__init__()
        self.answer = answer


class TokenNotFoundError(TaskError):
    """There is no such token of yours that this service may use."""


class TokenRefusedError(TaskError):
    """Token request failed. Please try again."""


class VaultUnavailableError(TaskError):
    """The token vault cannot be reached now."""

    def __init__(self, retry_after: float = 2.0) -> None:
        """retry_after: seconds after which the vault may be asked again."""
        super().__init__()
        self.retry_after = retry_after


class TicketLimitReachedError(VaultUnavailableError):
    """Too many attempts use this offline token at the same time."""


class TicketExpiredError(TaskError):
    """The ticket of this attempt has expired."""


class TaskStorageUnavailableError(TaskError):
    """The task database cannot be reached now."""


class NoWorkerError(TaskError):
    """No worker is running: tasks stay queued until one is."""


class HandlerError(TaskError):
    """The work failed."""

    def __init__(self, message: str = "", *, can_pass: bool = False) -> None:
        """message: shown to the owner; can_pass: another attempt may succeed, so the task's retry policy applies."""
        super().__init__(*([message] if message else []))
        self.can_pass = can_pass


class UnknownKindError(TaskError):
    """The worker has no handler for this kind of task."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"This worker has no handler for tasks of kind '{kind}'.")


class LostError(TaskError):
    """The process that ran this attempt is gone."""
