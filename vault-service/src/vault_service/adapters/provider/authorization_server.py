"""An authorization server with the vault's client there: `application.ports.provider.Provider`."""

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlencode

from service_kit.process import logs
from vault_service.adapters.provider import claims
from vault_service.adapters.provider.accounts import Accounts
from vault_service.adapters.provider.answers import LONGEST_LIFE, TokenResponse
from vault_service.adapters.provider.dialect import Dialect
from vault_service.adapters.provider.endpoints import Endpoints
from vault_service.adapters.provider.token_endpoint import TokenEndpoint
from vault_service.application.errors import ProviderUnavailableError
from vault_service.application.ports.provider import TokenAnswer
from vault_service.application.provider_errors import (
    NotSentError,
    ProviderError,
    RevocationNotOfferedError,
    UncertainError,
    VaultClientRefusedError,
)
from vault_service.domain.grant import RefreshToken, Subject

CLOCK_SKEW = 60.0
"""Seconds by which the server's clock may be behind, where an access token's `exp` limits its life."""

log = logs.get(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientRegistration:
    """The vault's client at the server.

    issuer: as its tokens and callbacks name it; redirect_uri: the public address of the callback, registered for the
    client; parameters: added to the URL of a consent; revokes: False when tokens are not revoked at this server.
    """

    name: str
    issuer: str
    client_id: str
    redirect_uri: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    revokes: bool = True
    has_id_tokens: bool = True


class AuthorizationServer:
    """One provider."""

    def __init__(
        self,
        client: ClientRegistration,
        endpoints: Endpoints,
        endpoint: TokenEndpoint,
        accounts: Accounts,
        dialect: Dialect | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """clock: seconds since the epoch, to compare with a token's own `exp`."""
        self._client = client
        self._endpoints = endpoints
        self._endpoint = endpoint
        self._accounts = accounts
        self._dialect = dialect or Dialect()
        self._clock = clock

    def ping(self) -> None:
        """Return when the endpoints are known. Raises IssuerUnavailableError, IssuerMismatchError."""
        self._endpoints.ping()

    def can_revoke(self) -> bool:
        """True when tokens can be revoked there. Raises NotSentError."""
        return self._client.revokes and self._endpoints.addresses().revocation is not None

    def authorization_url(self, *, state: str, nonce: str, code_challenge: str, scopes: frozenset[str]) -> str:
        """The URL at which the person consents."""
        try:
            endpoint = self._endpoints.addresses().authorization
        except NotSentError as error:
            raise ProviderUnavailableError from error
        query = urlencode(
            {
                **self._client.parameters,
                "response_type": "code",
                "client_id": self._client.client_id,
                "redirect_uri": self._client.redirect_uri,
                "scope": self._dialect.written(scopes),
                "state": state,
                **({"nonce": nonce} if self._client.has_id_tokens else {}),
                "code_challenge": code_challenge,
                "code_challenge_method": "S256",
            }
        )
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{query}"

    def check_issuer(self, unverified_issuer: str | None) -> bool:
        """True when `iss` is right. It may be absent when the server does not promise it (RFC 9207 section 2.4)."""
        if unverified_issuer is None:
            return not self._endpoints.addresses().promises_issuer
        return unverified_issuer == self._client.issuer

    def redeem(self, code: str, code_verifier: str, nonce: str) -> tuple[Subject, TokenAnswer]:
        """Exchange the code; the subject is that of the verified ID token, or of the configured endpoint."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._client.redirect_uri,
            "code_verifier": code_verifier,
        }
        with self._told("redeem"):
            answer, seconds = self._endpoint.tokens(self._endpoints.addresses().token, form)
            account = self._accounts.of(answer, nonce)
        return account, self._token_answer(answer, seconds)

    def refresh(self, token: RefreshToken, scopes: frozenset[str] | None, begun: float) -> TokenAnswer:
        """Use the refresh token once. scopes: those of the access token, None for all."""
        form = {"grant_type": "refresh_token", "refresh_token": token.value}
        if scopes:
            form["scope"] = self._dialect.written(scopes)
        with self._told("refresh"):
            answer, seconds = self._endpoint.tokens(self._endpoints.addresses().token, form, begun)
        return self._token_answer(answer, seconds)

    def refuses_client(self) -> bool | None:
        """Ask with a random refresh token: a client that is accepted is told that the token is not."""
        form = {"grant_type": "refresh_token", "refresh_token": f"probe-{secrets.token_hex(16)}"}
        try:
            self._endpoint.tokens(self._endpoints.addresses().token, form)
        except VaultClientRefusedError:
            return True
        except (NotSentError, UncertainError):
            return None
        except ProviderError:
            return False
        return None

    def revoke(self, token: RefreshToken) -> None:
        """Revoke the token."""
        address = self._endpoints.addresses().revocation if self._client.revokes else None
        if address is None:
            raise RevocationNotOfferedError
        with self._told("revoke"):
            self._endpoint.revoke(address, {"token": token.value, "token_type_hint": "refresh_token"})

    @contextmanager
    def _told(self, call: str) -> Iterator[None]:
        """Log why a call has failed: status, error word, check; never a token."""
        try:
            yield
        except ProviderError as error:
            detail = error.detail
            log.warning(
                "provider.call_failed",
                provider=self._client.name,
                call=call,
                outcome=error.outcome,
                status=detail.status,
                error=detail.error,
                check=detail.check,
            )
            raise

    def _token_answer(self, answer: TokenResponse, seconds: float) -> TokenAnswer:
        access, person = claims.read(answer.access_token), claims.read(answer.id_token)
        kept = claims.read(answer.refresh_token)
        told = self._dialect.read(access.scope) if access else None
        return TokenAnswer(
            access_token=answer.access_token,
            expires_in=max(self._lifetime(answer, access) - seconds, 1.0),
            # The access token says what was granted; the answer of Keycloak can name more.
            scopes=answer.scopes if told is None else told,
            refresh_token=RefreshToken(answer.refresh_token) if answer.refresh_token else None,
            refresh_expires_in=answer.refresh_expires_in,
            session=answer.session_state,
            identity=access.identity if access else None,
            person=person.identity if person else None,
            is_session_bound=kept is not None and kept.typ == "Refresh",  # Keycloak's word; its other is "Offline"
        )

    def _lifetime(self, answer: TokenResponse, access: claims.UnverifiedClaims | None) -> float:
        """Seconds that the access token lives: as told, else by its own `exp`, else by configuration.

        A life of ten years says nothing: some servers tell the Unix time of the end. One that goes well beyond the
        token's own `exp` is not believed either: some servers tell milliseconds.
        """
        own = access.life(self._clock()) if access else 0.0
        if answer.expires_in is not None and answer.expires_in < LONGEST_LIFE:
            return min(answer.expires_in, own + CLOCK_SKEW) if own > 0 else answer.expires_in
        return min(own, LONGEST_LIFE) if own > 0 else self._dialect.access_lifetime
