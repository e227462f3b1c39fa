"""Authorization servers, as the use cases see them."""

from dataclasses import dataclass, field
from typing import Protocol

from vault_service.domain.grant import ObtainedToken, RefreshToken, Subject, TokenIdentity


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenAnswer:
    """A token endpoint's answer (RFC 6749 section 5.1). Lifetimes are in seconds from when the answer came.

    scopes: None when the server does not tell them, because they are those that were requested (section 5.1); session:
    the authorization server's name for the session behind the token, if it tells one; identity: the claims of the
    access token, if it is a JWT; person: the issuer and subject of the id_token, if there is one. Neither is verified.
    is_session_bound: True when the refresh token itself says that it ends with the login session.
    """

    access_token: str = field(repr=False)
    expires_in: float
    scopes: frozenset[str] | None
    refresh_token: RefreshToken | None
    refresh_expires_in: float | None
    session: str | None = None
    identity: TokenIdentity | None = None
    person: TokenIdentity | None = None
    is_session_bound: bool = False

    @property
    def obtained(self) -> ObtainedToken | None:
        """The refresh token with what is known of it, None when there is none."""
        token = self.refresh_token
        return ObtainedToken(token, self.refresh_expires_in, self.session) if token else None


class Provider(Protocol):
    """One authorization server, and the vault's client there. Errors: `application.provider_errors`."""

    def authorization_url(self, *, state: str, nonce: str, code_challenge: str, scopes: frozenset[str]) -> str:
        """The URL at which the person consents (RFC 6749 section 4.1.1, RFC 7636). Raises ProviderUnavailableError."""
        ...

    def check_issuer(self, unverified_issuer: str | None) -> bool:
        """True when the callback's `iss` is this server's (RFC 9207 section 2.4). Raises ProviderError."""
        ...

    def redeem(self, code: str, code_verifier: str, nonce: str) -> tuple[Subject, TokenAnswer]:
        """Exchange the code; the subject is that of the verified id_token. Raises ProviderError.

        UnusableAnswerError holds the refresh token of an answer that is not accepted: it has to be revoked.
        """
        ...

    def refresh(self, token: RefreshToken, scopes: frozenset[str] | None, begun: float) -> TokenAnswer:
        """Use the refresh token once (RFC 6749 section 6). Raises ProviderError.

        begun: monotonic time just before the intent was written. The request has ended `refresh.REPLAY_AFTER` seconds
        later, with an answer or without; a request that would leave too late is not sent (LateError).
        """
        ...

    def refuses_client(self) -> bool | None:
        """Ask with a token that cannot exist: True when the vault's client is refused, None when that stays unknown."""
        ...

    def revoke(self, token: RefreshToken) -> None:
        """Revoke the token (RFC 7009). Raises RevocationNotOfferedError or another ProviderError.

        GrantRefusedError: the server does not know the token; RevocationRefusedError: it will not revoke it.
        """
        ...


class GuardedProvider(Provider, Protocol):
    """A provider behind a circuit breaker."""

    def paused_for(self) -> float:
        """Seconds for which no refresh is sent, because the server was in trouble; 0 when it may be asked."""
        ...
