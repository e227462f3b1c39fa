"""An authorization server with the vault's client there: `application.ports.Provider` over discovery and HTTP."""

import base64
from urllib.parse import urlencode

import msgspec

from service_kit import id_token
from service_kit.issuer import Issuer, IssuerMismatchError, IssuerUnavailableError, Metadata
from service_kit.jwt import InvalidTokenError
from vault_service.adapters.token_endpoint import TokenEndpoint, TokenResponse
from vault_service.application.errors import ProviderUnavailableError
from vault_service.application.ports import TokenAnswer
from vault_service.application.provider_errors import GrantRefusedError, NotSentError
from vault_service.domain.grant import Failure, RefreshToken, Subject


class _AccessTokenClaims(msgspec.Struct, frozen=True):
    scope: str | None = None


class AuthorizationServer:
    """One provider."""

    def __init__(self, issuer: Issuer, endpoint: TokenEndpoint, client_id: str, redirect_uri: str) -> None:
        """redirect_uri: the callback's public address, registered for the client."""
        self._issuer = issuer
        self._endpoint = endpoint
        self._client_id = client_id
        self._redirect_uri = redirect_uri

    def ping(self) -> None:
        """Return when discovery has worked. Raises IssuerUnavailableError, IssuerMismatchError."""
        self._issuer.metadata()

    def authorization_url(self, *, state: str, nonce: str, code_challenge: str, scopes: frozenset[str]) -> str:
        """Where to send the person; consent is asked for each time. Raises ProviderUnavailableError."""
        try:
            endpoint = self._issuer.metadata().authorization_endpoint
        except (IssuerUnavailableError, IssuerMismatchError) as error:
            raise ProviderUnavailableError from error
        query = urlencode(
            {
                "response_type": "code",
                "client_id": self._client_id,
                "redirect_uri": self._redirect_uri,
                "scope": " ".join(sorted(scopes)),
                "state": state,
                "nonce": nonce,
                "code_challenge": code_challenge,
                "code_challenge_method": "S256",
                "prompt": "consent",
            }
        )
        return f"{endpoint}?{query}"

    def check_issuer(self, unverified_issuer: str | None) -> bool:
        """RFC 9207 section 2.4: `iss` must be right, and must be there where the server promises it."""
        if unverified_issuer is None:
            return not self._metadata().authorization_response_iss_parameter_supported
        return unverified_issuer == self._issuer.url

    def redeem(self, code: str, code_verifier: str, nonce: str) -> tuple[Subject, TokenAnswer]:
        """Exchange the code; the person is the one that the verified id_token names."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "code_verifier": code_verifier,
        }
        answer, seconds = self._endpoint.tokens(self._backchannel(self._metadata().token_endpoint), form)
        try:
            sub = id_token.verify(answer.id_token or "", self._issuer, self._client_id, nonce)
        except InvalidTokenError as error:
            raise GrantRefusedError(Failure.PROVIDER_ERROR) from error
        except IssuerUnavailableError as error:
            raise NotSentError("keys") from error
        return Subject(self._issuer.url, sub), _token_answer(answer, seconds)

    def refresh(self, token: RefreshToken, scopes: frozenset[str] | None) -> TokenAnswer:
        """Use the refresh token, once; scopes narrow what the access token may do."""
        form = {"grant_type": "refresh_token", "refresh_token": token.value}
        if scopes:
            form["scope"] = " ".join(sorted(scopes))
        answer, seconds = self._endpoint.tokens(self._backchannel(self._metadata().token_endpoint), form)
        return _token_answer(answer, seconds)

    def revoke(self, token: RefreshToken) -> None:
        """Revoke the token; a server without a revocation endpoint keeps it until it expires there."""
        endpoint = self._metadata().revocation_endpoint
        if endpoint is not None:
            form = {"token": token.value, "token_type_hint": "refresh_token"}
            self._endpoint.post(self._backchannel(endpoint), form)

    def _metadata(self) -> Metadata:
        try:
            return self._issuer.metadata()
        except (IssuerUnavailableError, IssuerMismatchError) as error:
            raise NotSentError(str(error)) from error

    def _backchannel(self, url: str) -> str:
        return self._issuer.backchannel(url)


def _token_answer(answer: TokenResponse, seconds: float) -> TokenAnswer:
    return TokenAnswer(
        access_token=answer.access_token,
        expires_in=max(answer.expires_in - seconds, 1.0),
        scopes=_granted_scopes(answer),
        refresh_token=RefreshToken(answer.refresh_token) if answer.refresh_token else None,
        refresh_expires_in=answer.refresh_expires_in or None,  # Keycloak's 0 means: does not expire by itself
        session=answer.session_state,
        id_token=answer.id_token,
    )


def _granted_scopes(answer: TokenResponse) -> frozenset[str]:
    """The scope that the access token itself names, when it is a JWT: Keycloak's answer names more than it granted."""
    try:
        payload = answer.access_token.split(".")[1]
        claims = msgspec.json.decode(
            base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)), type=_AccessTokenClaims
        )
        if claims.scope is not None:
            return frozenset(claims.scope.split())
    except (IndexError, ValueError, msgspec.MsgspecError):
        pass  # an opaque token: the answer is all there is
    return frozenset((answer.scope or "").split())
