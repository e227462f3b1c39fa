"""How a call to an authorization server can fail, sorted by what it means for the refresh token that was sent.

ProviderError
├── GrantRefusedError       `invalid_grant`: the token (or code) is of no use any more
│   └── IdentityChangedError    a refresh brought somebody else's token, or one for another client
├── ScopeRefusedError       `invalid_scope` for a scope that the caller asked for: nothing was used
├── NotSentError            nothing left this machine, or the server said that it did not look: nothing was used
│   ├── LateError           nothing left this machine, because it would have left too late
│   └── ClientRefusedError  the vault's own client is not accepted: the provider is at fault, not the grant
├── RevocationNotOfferedError   tokens cannot be revoked there
└── UncertainError          timeout, 5xx, half an answer, garbage: the token may have been used
"""

from vault_service.domain.grant import Failure


class ProviderError(Exception):
    """A call to the authorization server failed. outcome: one word for it, for those who count."""

    outcome = "failed"


class GrantRefusedError(ProviderError):
    """The authorization server refuses the grant."""

    outcome = "grant_refused"

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.value)
        self.failure = failure


class IdentityChangedError(GrantRefusedError):
    """The refreshed token is not of the same issuer, person and client as the one that was consented to."""

    outcome = "identity_changed"

    def __init__(self) -> None:
        super().__init__(Failure.WRONG_USER)


class RevocationNotOfferedError(ProviderError):
    """The authorization server has no revocation endpoint, or it is not to be used."""

    outcome = "not_offered"


class ScopeRefusedError(ProviderError):
    """The authorization server refuses the scope."""

    outcome = "scope_refused"


class NotSentError(ProviderError):
    """The authorization server did not handle the request."""

    outcome = "not_sent"

    def __init__(self, reason: str, retry_after: float = 5.0) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class LateError(NotSentError):
    """The request would have left too late after its intent; the authorization server has nothing to do with it."""

    outcome = "late"


class ClientRefusedError(NotSentError):
    """The authorization server does not accept the vault's client."""

    outcome = "client_refused"


class UncertainError(ProviderError):
    """Nobody knows whether the authorization server has handled the request."""

    outcome = "uncertain"
