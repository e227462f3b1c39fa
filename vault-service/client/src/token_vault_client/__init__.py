"""Typed client of the token vault, for services, notebooks and batch jobs.

    from token_vault_client import ClientCredentials, TokenVaultClient

    vault = TokenVaultClient(VAULT_URL, ClientCredentials(TOKEN_ENDPOINT, CLIENT_ID, CLIENT_SECRET))
    token = vault.access_token(persistent_token_id, subject=owner)
    requests.get(API, headers={"Authorization": f"Bearer {token.value}"})

Store the persistent token id and the owner's subject; never a token.
"""

from token_vault_client.client import TokenVaultClient
from token_vault_client.credentials import ClientCredentials, Credentials
from token_vault_client.errors import (
    ConsentPending,
    GrantUnusable,
    NotAllowed,
    TokenNotFound,
    UnexpectedAnswer,
    VaultError,
    VaultUnavailable,
)
from token_vault_client.model import AccessToken, Grant

__all__ = [
    "AccessToken",
    "ClientCredentials",
    "ConsentPending",
    "Credentials",
    "Grant",
    "GrantUnusable",
    "NotAllowed",
    "TokenNotFound",
    "TokenVaultClient",
    "UnexpectedAnswer",
    "VaultError",
    "VaultUnavailable",
]
