"""The errors that the vault's use cases raise.

    VaultError
    ├── GrantNotFoundError          no such grant, or another person's: callers cannot tell which
    ├── GrantUnusableError          the grant exists and gives no tokens; `reason` says why
    ├── ConsentPendingError         its owner has not answered yet
    ├── TooManyPendingConsentsError  the person has as many unanswered consent requests as they may
    ├── ConsentError                a consent has failed; `code` goes to the page
    ├── ConfirmationRefusedError    there is no answer of the authorization server to confirm
    ├── ConsentNotOpenError         a service's question was answered before, or has expired
    ├── TooManyConsentsError        a service has too many open questions for one person
    ├── ServiceNotAllowedError      this client may not use this grant
    ├── PublicMintRefusedError      a service asks through the public gateway
    ├── InvalidScopeError           the caller requests a scope that was not granted
    ├── LogoutRefusedError          a logout token is not acceptable; the message names the check that failed
    ├── ScopeNotNarrowedError       the server gives a wider token than the caller requests
    ├── MinValidUnattainableError   the caller requests a longer life than the server's tokens have when they arrive
    ├── ProviderUnavailableError    the authorization server does not answer, or the outcome is uncertain
    ├── TicketRefusedError          this ticket gives no access tokens; `reason` says why
    ├── TicketNotFoundError         no such ticket, or somebody else's
    ├── TicketOverError             this ticket has ended, so that it cannot be changed; `reason` says why
    ├── TooManyTicketsError         the grant has as many tickets as it may
    ├── TicketMisplacedError        a ticket was sent as an id, or in a URL
    ├── TicketNotAllowedError       a ticket was sent to a call that it is not for
    ├── RefusedTooOftenError        the grant's budget of refreshes for refused tokens is spent
    ├── CheckedTooOftenError        the owner has had the grant checked less than a minute ago
    ├── StorageUnavailableError     PostgreSQL does not answer
    └── SealBrokenError             a sealed value does not open: wrong key, or tampered with

Each docstring is the default message.
"""

from vault_service.domain.grant import Failure
from vault_service.domain.return_address import ReturnTo
from vault_service.domain.ticket import TicketFault
from vault_service.domain.usability import Obstacle, Refusal

CONSENT_INVALID = "consent_invalid"
"""Code of a ConsentError: the `state` is unknown or used, or the browser's cookie is missing."""
PROVIDER_UNAVAILABLE = "provider_unavailable"
"""Code of a ConsentError, and the outcome of a check, when the authorization server cannot be reached."""


class VaultServiceError(Exception):
    """The vault could not do what was requested."""

    def __str__(self) -> str:
        return super().__str__() or (type(self).__doc__ or "")


class GrantNotFoundError(VaultServiceError):
    """There is no such token."""


class GrantUnusableError(VaultServiceError):
    """This token gives no access any more."""

    def __init__(self, reason: Failure) -> None:
        super().__init__()
        self.reason = reason


class ConsentPendingError(VaultServiceError):
    """The owner has not granted consent yet."""


class TooManyPendingConsentsError(VaultServiceError):
    """You have too many consent requests that were not answered. Answer one, or wait until the oldest has expired."""

    def __init__(self, retry_after: float) -> None:
        super().__init__()
        self.retry_after = retry_after


class ConsentError(VaultServiceError):
    """The consent has failed."""

    def __init__(self, code: str, task_id: str | None = None, back: ReturnTo | None = None) -> None:
        """back: where the browser goes, when a service has asked."""
        super().__init__(code)
        self.code = code
        self.task_id = task_id
        self.back = back


class ConfirmationRefusedError(VaultServiceError):
    """There is nothing to confirm: it was confirmed before, it has expired, or another browser brought the answer."""


class ConsentNotOpenError(VaultServiceError):
    """This request for consent was answered before, or has expired."""


class TooManyConsentsError(VaultServiceError):
    """This person has not answered the earlier requests of this service. Wait until they are answered or expire."""


class ServiceNotAllowedError(VaultServiceError):
    """This client may not use this token."""


class PublicMintRefusedError(VaultServiceError):
    """Services get access tokens inside the network, not through the public gateway (VAULT_PUBLIC_MINTS)."""


class InvalidScopeError(VaultServiceError):
    """The owner has not granted one of the requested scopes."""


class MinValidUnattainableError(VaultServiceError):
    """The authorization server's access tokens do not live as long as requested by the time that they arrive."""


class LogoutRefusedError(VaultServiceError):
    """The logout token is not acceptable."""

    def __init__(self, check: str) -> None:
        """check: the one that failed."""
        super().__init__(f"The logout token is not acceptable: {check}.")


class ProviderUnavailableError(VaultServiceError):
    """The authorization server cannot be reached now, or its answer is uncertain."""

    def __init__(self, retry_after: float = 5.0, message: str = "") -> None:
        super().__init__(message or type(self).__doc__)
        self.retry_after = retry_after


class TicketRefusedError(VaultServiceError):
    """This ticket gives no access tokens."""

    def __init__(self, reason: TicketFault) -> None:
        super().__init__()
        self.reason = reason


class TicketNotFoundError(VaultServiceError):
    """There is no such ticket."""


class TicketOverError(VaultServiceError):
    """This ticket has ended."""

    def __init__(self, reason: TicketFault) -> None:
        super().__init__()
        self.reason = reason


class TooManyTicketsError(VaultServiceError):
    """This token has as many tickets as it may have. End some, or wait until they expire."""


class TicketMisplacedError(VaultServiceError):
    """A ticket is neither an id nor a part of an address. Send it as a bearer token; end this one if others saw it."""


class TicketNotAllowedError(VaultServiceError):
    """A ticket only gives access tokens. This call needs an access token of the owner or of a service."""


class ScopeNotNarrowedError(VaultServiceError):
    """The authorization server gives more scopes than were requested, or than the ticket allows."""

    def __init__(self, excess: frozenset[str] = frozenset()) -> None:
        names = f" Beyond them it gives: {' '.join(sorted(excess))}." if excess else ""
        super().__init__(f"{type(self).__doc__}{names}")


class RefusedTooOftenError(VaultServiceError):
    """Too many access tokens of this grant were reported as refused. Wait, or find out why they are refused."""

    def __init__(self, retry_after: float) -> None:
        super().__init__()
        self.retry_after = retry_after


class CheckedTooOftenError(VaultServiceError):
    """A token is checked at the authorization server once a minute at most."""

    def __init__(self, retry_after: float) -> None:
        super().__init__()
        self.retry_after = retry_after


class StorageUnavailableError(VaultServiceError):
    """The vault's database cannot be reached now."""


class SealBrokenError(VaultServiceError):
    """A sealed value cannot be opened."""

    def __str__(self) -> str:
        """For the operator who finds it in the log, with what to do."""
        place = f" ({self.args[0]})" if self.args else ""
        cause = "it was changed, moved or put back in the database, or another root key has sealed it"
        advice = (
            "Restore the row from a backup, or revoke the grant (`vault-service grants revoke --id`); see docs/keys.md"
        )
        return f"A sealed value cannot be opened{place}: {cause}. {advice}"


def error_of(refusal: Refusal) -> VaultServiceError:
    """The error that tells a caller of a refusal."""
    match refusal:
        case Obstacle.CONSENT_PENDING:
            return ConsentPendingError()
        case Obstacle.SERVICE_NOT_ALLOWED:
            return ServiceNotAllowedError()
        case Failure():
            return GrantUnusableError(refusal)
