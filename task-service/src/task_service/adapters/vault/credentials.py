"""The service's own credentials. Their token endpoint is looked up when the first token is needed."""

from service_kit.outbound.session import Session
from service_kit.process.secret import Secret
from service_kit.tokens.issuer import Issuer, IssuerMismatchError, IssuerUnavailableError
from token_vault_client import ClientCredentials, VaultUnavailable


class OwnCredentials:
    """`token_vault_client.Credentials` for a client of an issuer."""

    def __init__(self, issuer: Issuer, client_id: str, client_secret: Secret) -> None:
        self._issuer = issuer
        self._client_id = client_id
        self._client_secret = client_secret
        self._credentials: ClientCredentials | None = None

    def bearer(self) -> str:
        """A token that is valid now. Raises VaultUnavailable when the issuer does not answer."""
        if self._credentials is None:
            self._credentials = ClientCredentials(
                self._token_endpoint(), self._client_id, self._client_secret.reveal(), session=Session()
            )
        return self._credentials.bearer()

    def forget(self) -> None:
        """Fetch a new token for the next call."""
        if self._credentials is not None:
            self._credentials.forget()

    def _token_endpoint(self) -> str:
        try:
            return self._issuer.backchannel(self._issuer.metadata().token_endpoint)
        except (IssuerUnavailableError, IssuerMismatchError) as error:
            raise VaultUnavailable("provider_unavailable", str(error)) from error
