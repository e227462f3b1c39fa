"""What can go wrong in the vault.

    VaultError
    ├── GrantNotFoundError          no such grant, or another person's: the two look the same
    ├── GrantUnusableError          the grant exists and gives no tokens; `reason` says why
    ├── ConsentPendingError         its owner has not answered yet
    ├── ConsentError                a consent did not come about; `code` goes to the page
    ├── ServiceNotAllowedError      this client may not use this grant
    ├── InvalidScopeError           the caller asks for more than was granted
    ├── MinValidUnattainableError   the caller asks for more life than tokens ever have
    ├── ProviderUnavailableError    the authorization server does not answer, or the outcome is uncertain
    ├── StorageUnavailableError     PostgreSQL does not answer
    └── SealBrokenError             a sealed value does not open: wrong key, or tampered with

Each docstring is the default message.
"""

from vault_service.domain.grant import Failure

CONSENT_INVALID = "consent_invalid"
"""Code of a ConsentError: the `state` is unknown or used, or the browser's cookie is missing."""
PROVIDER_UNAVAILABLE = "provider_unavailable"
"""Code of a ConsentError, and the outcome of a check, when the authorization server cannot be reached."""


class VaultError(Exception):
    """Something went wrong in the vault."""

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
    """The consent did not come about."""

    def __init__(self, code: str, task_id: str | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.task_id = task_id


class ServiceNotAllowedError(VaultError):
    """This client may not use this token."""


class InvalidScopeError(VaultError):
    """A scope was asked for that the owner has not granted."""


class MinValidUnattainableError(VaultError):
    """The authorization server never gives access tokens that live as long as asked for."""


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
