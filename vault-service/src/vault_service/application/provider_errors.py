"""Failures of a call to an authorization server, sorted by their meaning for the refresh token that was sent.

ProviderError
├── GrantRefusedError       `invalid_grant` and its kin: the token (or code) can no longer be used
│   └── IdentityChangedError    the refreshed token is another person's, or for another client
├── RefusedForNowError      another refusal: final only after it has come several times (`domain.refusal`)
├── ScopeRefusedError       `invalid_scope` for a scope that the caller requested: the token was not used
├── NotSentError            the request did not leave, or the server did not handle it: the token was not used
│   ├── BusyError           the server has told this grant to come later (429, 503, `temporarily_unavailable`)
│   ├── LateError           the request did not leave, because it would have left too late
│   └── VaultClientRefusedError  the server refuses the vault's own client: the grant is not at fault
├── RevocationNotOfferedError   the server revokes no tokens
├── RevocationRefusedError  the server refuses to revoke this token, and will go on refusing
├── UnusableAnswerError     a success whose tokens cannot be used; it may hold a refresh token all the same
└── UncertainError          timeout, 5xx, half an answer, garbage: the token may have been used

Each carries a `FailureDetail`: the status, the server's error word, and the check that failed. It never holds a token.
"""

from vault_service.domain.grant import Failure, FailureDetail, ObtainedToken

NOTHING_KNOWN = FailureDetail()


class ProviderError(Exception):
    """A call to the authorization server failed. outcome: the error in one word, for metrics."""

    outcome = "failed"
    detail = NOTHING_KNOWN


class GrantRefusedError(ProviderError):
    """The authorization server refuses the grant."""

    outcome = "grant_refused"

    def __init__(self, failure: Failure, detail: FailureDetail = NOTHING_KNOWN) -> None:
        super().__init__(failure.value)
        self.failure = failure
        self.detail = detail


class IdentityChangedError(GrantRefusedError):
    """The refreshed token has another issuer, person or client than the one that was consented to."""

    outcome = "identity_changed"

    def __init__(self) -> None:
        super().__init__(Failure.WRONG_USER, FailureDetail(check="identity"))


class RefusedForNowError(ProviderError):
    """The authorization server refuses this refresh, with a word that can be passing."""

    outcome = "refused"

    def __init__(self, word: str, detail: FailureDetail = NOTHING_KNOWN) -> None:
        super().__init__(word)
        self.word = word
        self.detail = detail


class RevocationNotOfferedError(ProviderError):
    """The authorization server has no revocation endpoint, or the vault is configured not to use it."""

    outcome = "not_offered"


class RevocationRefusedError(ProviderError):
    """The authorization server refuses to revoke the token."""

    outcome = "revocation_refused"

    def __init__(self, detail: FailureDetail) -> None:
        super().__init__(str(detail.error or detail.status))
        self.detail = detail


class ScopeRefusedError(ProviderError):
    """The authorization server refuses the scope."""

    outcome = "scope_refused"

    def __init__(self, detail: FailureDetail = NOTHING_KNOWN) -> None:
        super().__init__("the scope is refused")
        self.detail = detail


class NotSentError(ProviderError):
    """The authorization server did not handle the request. retry_after: seconds."""

    outcome = "not_sent"

    def __init__(self, reason: str, retry_after: float = 5.0, detail: FailureDetail | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        self.detail = detail or FailureDetail(check=reason)


class BusyError(NotSentError):
    """The authorization server has told this grant to come later."""

    outcome = "busy"


class LateError(NotSentError):
    """The request would have left too late after its intent. The authorization server is not at fault."""

    outcome = "late"


class VaultClientRefusedError(NotSentError):
    """The authorization server does not accept the vault's client."""

    outcome = "client_refused"


class UnusableAnswerError(ProviderError):
    """The authorization server's success gives no usable access token. obtained: its refresh token, if there is one."""

    outcome = "unusable"

    def __init__(self, check: str, obtained: ObtainedToken | None) -> None:
        super().__init__(check)
        self.detail = FailureDetail(status=200, check=check)
        self.obtained = obtained


class UncertainError(ProviderError):
    """The authorization server may or may not have handled the request."""

    outcome = "uncertain"

    def __init__(self, reason: str, detail: FailureDetail | None = None) -> None:
        super().__init__(reason)
        self.detail = detail or FailureDetail(check=reason)
