"""What can go wrong in the task service.

    TaskError
    ├── TaskNotFoundError         no such task, or another person's: the two look the same
    ├── TaskNotExecutableError    it is queued, running or completed
    ├── TaskNotLinkableError      it is queued or running with another token
    ├── TokenNotFoundError        the vault knows no such token of this person
    ├── TokenRefusedError         the vault gives no access token for it any more
    ├── VaultUnavailableError     the vault does not answer
    ├── StorageUnavailableError   PostgreSQL does not answer
    └── HandlerError              the work itself failed; the message goes to the owner

Each docstring is the default message.
"""


class TaskError(Exception):
    """Something went wrong with a task."""

    def __str__(self) -> str:
        return super().__str__() or (type(self).__doc__ or "")


class TaskNotFoundError(TaskError):
    """There is no such task."""


class TaskNotExecutableError(TaskError):
    """This task is queued, running or completed; it cannot be executed now."""


class TaskNotLinkableError(TaskError):
    """This task is queued or running; another token can be linked when it is done."""


class TokenNotFoundError(TaskError):
    """There is no such token."""


class TokenRefusedError(TaskError):
    """Token request failed. Please try again."""


class VaultUnavailableError(TaskError):
    """The token vault cannot be reached now."""

    def __init__(self, retry_after: float = 2.0) -> None:
        super().__init__()
        self.retry_after = retry_after


class StorageUnavailableError(TaskError):
    """The task database cannot be reached now."""


class HandlerError(TaskError):
    """The work failed."""
