"""The service's own credentials at the vault: a client of the issuer, whose token endpoint is known by discovery."""

from service_kit.process.secret import Secret
from service_kit.tokens.issuer import Issuer, IssuerMismatchError, IssuerUnavailableError
from token_vault_client import ClientCredentials, DPoPKey, VaultUnavailable


def own_credentials(issuer: Issuer, client_id: str, client_secret: Secret, *, dpop: bool = False) -> ClientCredentials:
    """Credentials that look the token endpoint up when they are first needed. dpop: bound to a key of this process."""

    def token_endpoint() -> str:
        try:
            return issuer.backchannel(issuer.metadata().token_endpoint)
        except (IssuerUnavailableError, IssuerMismatchError) as error:
            raise VaultUnavailable("provider_unavailable", str(error)) from error

    return ClientCredentials(token_endpoint, client_id, client_secret.reveal(), dpop=DPoPKey() if dpop else None)
