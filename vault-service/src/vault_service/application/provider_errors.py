"""How a call to an authorization server can fail, sorted by what it means for the refresh token that was sent.

ProviderError
├── GrantRefusedError       `invalid_grant`: the token (or code) can no longer be used
│   └── IdentityChangedError    the refreshed token is another person's, or for another client
├── ScopeRefusedError       `invalid_scope` for a scope that the caller requested: the token was not used
├── NotSentError            the request did not leave, or the server did not handle it: the token was not used
│   ├── LateError           the request did not leave, because it would have left too late
│   └── VaultClientRefusedError  the server refuses the vault's own client: the grant is not at fault
├── RevocationNotOfferedError   the server revokes no tokens
└── UncertainError          timeout, 5xx, half an answer, garbage: the token may have been used
"""

from vault_service.domain.grant import Failure


class ProviderError(Exception):
    """A call to the authorization server failed. outcome: the error in one word, for metrics."""

    outcome = "failed"


class GrantRefusedError(ProviderError):
    """The authorization server refuses the grant."""

    outcome = "grant_refused"

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.value)
        self.failure = failure


class IdentityChangedError(GrantRefusedError):
    """The refreshed token has another issuer, person or client than the one that was consented to."""

    outcome = "identity_changed"

    def __init__(self) -> None:
        super().__init__(Failure.WRONG_USER)


class RevocationNotOfferedError(ProviderError):
    """The authorization server has no revocation endpoint, or the vault is configured not to use it."""

    outcome = "not_offered"


class ScopeRefusedError(ProviderError):
    """The authorization server refuses the scope."""

    outcome = "scope_refused"


class NotSentError(ProviderError):
    """The authorization server did not handle the request. retry_after: seconds."""

    outcome = "not_sent"

    def __init__(self, reason: str, retry_after: float = 5.0) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class LateError(NotSentError):
    """The request would have left too late after its intent. The authorization server is not at fault."""

    outcome = "late"


class VaultClientRefusedError(NotSentError):
    """The authorization server does not accept the vault's client."""

    outcome = "client_refused"


class UncertainError(ProviderError):
    """It is unknown whether the authorization server has handled the request."""

    outcome = "uncertain"
