"""An authorization server with the vault's client there: `application.ports.provider.Provider`."""

import base64
from collections.abc import Mapping
from urllib.parse import urlencode

import msgspec

from service_kit.tokens import id_token
from service_kit.tokens.issuer import Issuer, IssuerMismatchError, IssuerUnavailableError, Metadata
from service_kit.tokens.jwt import InvalidTokenError
from vault_service.adapters.provider.discovery import Discovery
from vault_service.adapters.provider.token_endpoint import NUL, TokenEndpoint, TokenResponse
from vault_service.application.errors import ProviderUnavailableError
from vault_service.application.ports.provider import TokenAnswer
from vault_service.application.provider_errors import GrantRefusedError, NotSentError, RevocationNotOfferedError
from vault_service.domain.grant import Failure, RefreshToken, Subject, TokenIdentity


class _Claims(msgspec.Struct, frozen=True):
    """The claims that are read from a token of the token endpoint. client_id: the name of `azp` in RFC 9068."""

    iss: str = ""
    sub: str = ""
    azp: str = ""
    client_id: str = ""
    scope: str | None = None


class AuthorizationServer:
    """One provider."""

    def __init__(
        self,
        issuer: Issuer,
        discovery: Discovery,
        endpoint: TokenEndpoint,
        client_id: str,
        redirect_uri: str,
        *,
        parameters: Mapping[str, str],
        revokes: bool,
    ) -> None:
        """redirect_uri: the public address of the callback, registered for the client.

        parameters: added to the URL of a consent; revokes: False when tokens are not revoked at this server.
        """
        self._issuer = issuer
        self._discovery = discovery
        self._endpoint = endpoint
        self._client_id = client_id
        self._redirect_uri = redirect_uri
        self._parameters = parameters
        self._revokes = revokes

    def ping(self) -> None:
        """Return when there is a discovery document. Raises IssuerUnavailableError, IssuerMismatchError."""
        self._discovery.metadata()

    def authorization_url(self, *, state: str, nonce: str, code_challenge: str, scopes: frozenset[str]) -> str:
        """Where the person consents."""
        try:
            endpoint = self._discovery.metadata().authorization_endpoint
        except (IssuerUnavailableError, IssuerMismatchError) as error:
            raise ProviderUnavailableError from error
        query = urlencode(
            {
                **self._parameters,
                "response_type": "code",
                "client_id": self._client_id,
                "redirect_uri": self._redirect_uri,
                "scope": " ".join(sorted(scopes)),
                "state": state,
                "nonce": nonce,
                "code_challenge": code_challenge,
                "code_challenge_method": "S256",
            }
        )
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{query}"

    def check_issuer(self, unverified_issuer: str | None) -> bool:
        """True when `iss` is right. It may be absent when the server does not promise it (RFC 9207 section 2.4)."""
        if unverified_issuer is None:
            return not self._metadata().authorization_response_iss_parameter_supported
        return unverified_issuer == self._issuer.url

    def redeem(self, code: str, code_verifier: str, nonce: str) -> tuple[Subject, TokenAnswer]:
        """Exchange the code; the subject is that of the verified id_token."""
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

    def refresh(self, token: RefreshToken, scopes: frozenset[str] | None, begun: float) -> TokenAnswer:
        """Use the refresh token once. scopes: those of the access token, None for all."""
        form = {"grant_type": "refresh_token", "refresh_token": token.value}
        if scopes:
            form["scope"] = " ".join(sorted(scopes))
        answer, seconds = self._endpoint.tokens(self._backchannel(self._metadata().token_endpoint), form, begun)
        return _token_answer(answer, seconds)

    def revoke(self, token: RefreshToken) -> None:
        """Revoke the token."""
        endpoint = self._metadata().revocation_endpoint if self._revokes else None
        if endpoint is None:
            raise RevocationNotOfferedError
        form = {"token": token.value, "token_type_hint": "refresh_token"}
        self._endpoint.post(self._backchannel(endpoint), form)

    def _metadata(self) -> Metadata:
        try:
            return self._discovery.metadata()
        except (IssuerUnavailableError, IssuerMismatchError) as error:
            raise NotSentError(str(error)) from error

    def _backchannel(self, url: str) -> str:
        return self._issuer.backchannel(url)


def _token_answer(answer: TokenResponse, seconds: float) -> TokenAnswer:
    access = _claims(answer.access_token)
    person = _claims(answer.id_token) if answer.id_token else None
    return TokenAnswer(
        access_token=answer.access_token,
        expires_in=max(answer.expires_in - seconds, 1.0),
        # The access token says what was granted; the answer of Keycloak can name more.
        scopes=_scopes(answer.scope if access is None or access.scope is None else access.scope),
        refresh_token=RefreshToken(answer.refresh_token) if answer.refresh_token else None,
        refresh_expires_in=answer.refresh_expires_in,
        session=answer.session_state,
        identity=TokenIdentity(access.iss, access.sub, access.azp or access.client_id) if access else None,
        person=Subject(person.iss, person.sub) if person else None,
    )


def _claims(token: str) -> _Claims | None:
    """The unverified claims of a JWT; None when the token is opaque."""
    try:
        payload = token.split(".")[1]
        decoded = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
        return None if NUL in decoded else msgspec.json.decode(decoded, type=_Claims)
    except (IndexError, ValueError, msgspec.MsgspecError):
        return None


def _scopes(scope: str | None) -> frozenset[str]:
    """The set in a `scope` string; empty when there is none."""
    return frozenset((scope or "").split())
