"""The errors that the vault's use cases raise.

    VaultError
    ├── GrantNotFoundError          no such grant, or another person's: callers cannot tell which
    ├── GrantUnusableError          the grant exists and gives no tokens; `reason` says why
    ├── ConsentPendingError         its owner has not answered yet
    ├── ConsentError                a consent has failed; `code` goes to the page
    ├── ServiceNotAllowedError      this client may not use this grant
    ├── InvalidScopeError           the caller requests a scope that was not granted
    ├── ScopeNotNarrowedError       the server gives a wider token than the caller requests
    ├── MinValidUnattainableError   the caller requests a longer life than the server's tokens have
    ├── ProviderUnavailableError    the authorization server does not answer, or the outcome is uncertain
    ├── CheckedTooOftenError        the owner has had the grant checked less than a minute ago
    ├── StorageUnavailableError     PostgreSQL does not answer
    └── SealBrokenError             a sealed value does not open: wrong key, or tampered with

Each docstring is the default message.
"""

from vault_service.domain.grant import Failure
from vault_service.domain.usability import Obstacle, Refusal

CONSENT_INVALID = "consent_invalid"
"""Code of a ConsentError: the `state` is unknown or used, or the browser's cookie is missing."""
PROVIDER_UNAVAILABLE = "provider_unavailable"
"""Code of a ConsentError, and the outcome of a check, when the authorization server cannot be reached."""


class VaultError(Exception):
    """The vault could not do what was requested."""

    def __str__(self) -> str:
        return super().__str__() or (type(self).__doc__ or "")


class GrantNotFoundError(VaultError):
    """There is no such token."""


class GrantUnusableError(VaultError):
    """This token gives no access any more."""

    def __init__(self, reason: Failure) -> None:
        super().__init__()
        self.reason = reason


class ConsentPendingError(VaultError):
    """The owner has not granted consent yet."""


class ConsentError(VaultError):
    """The consent has failed."""

    def __init__(self, code: str, task_id: str | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.task_id = task_id


class ServiceNotAllowedError(VaultError):
    """This client may not use this token."""


class InvalidScopeError(VaultError):
    """The owner has not granted one of the requested scopes."""


class ScopeNotNarrowedError(VaultError):
    """The authorization server does not narrow tokens to the requested scopes."""


class MinValidUnattainableError(VaultError):
    """The authorization server's access tokens never live as long as requested."""


class ProviderUnavailableError(VaultError):
    """The authorization server cannot be reached now, or its answer is uncertain."""

    def __init__(self, retry_after: float = 5.0, message: str = "") -> None:
        super().__init__(message or type(self).__doc__)
        self.retry_after = retry_after


class CheckedTooOftenError(VaultError):
    """A token is checked at the authorization server once a minute at most."""

    def __init__(self, retry_after: float) -> None:
        super().__init__()
        self.retry_after = retry_after


class StorageUnavailableError(VaultError):
    """The vault's database cannot be reached now."""


class SealBrokenError(VaultError):
    """A sealed value cannot be opened."""


def error_of(refusal: Refusal) -> VaultError:
    """The error that tells a caller of a refusal."""
    match refusal:
        case Obstacle.CONSENT_PENDING:
            return ConsentPendingError()
        case Obstacle.SERVICE_NOT_ALLOWED:
            return ServiceNotAllowedError()
        case Failure():
            return GrantUnusableError(refusal)
