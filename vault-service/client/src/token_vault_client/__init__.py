"""Typed client of the token vault, for services, notebooks and batch jobs.

    from token_vault_client import ClientCredentials, TokenVaultClient

    vault = TokenVaultClient(VAULT_URL, ClientCredentials(TOKEN_ENDPOINT, CLIENT_ID, CLIENT_SECRET))
    requests.get(API, auth=vault.auth(persistent_token_id, subject=owner))

Store the persistent token id and the owner's subject; never a token. The asynchronous client is in
`token_vault_client.aio`, which needs the extra `httpx`.
"""

from token_vault_client.auth import VaultAuth
from token_vault_client.cache import PROCESS_CACHE, TokenCache
from token_vault_client.client import TokenVaultClient
from token_vault_client.credentials import (
    Bearer,
    ClientCredentials,
    Credentials,
    PrivateKeyJwt,
    TicketCredentials,
    TokenFile,
)
from token_vault_client.dpop import DPoPKey
from token_vault_client.errors import (
    ConsentPending,
    GrantUnusable,
    NotAllowed,
    NotAuthenticated,
    TokenNotFound,
    UnexpectedAnswer,
    VaultError,
    VaultUnavailable,
)
from token_vault_client.model import (
    AuditRecord,
    AuditRecords,
    ConsentRequest,
    FreshAccessToken,
    GrantInfo,
    IssuedTicket,
    TicketInfo,
)

__all__ = [
    "PROCESS_CACHE",
    "AuditRecord",
    "AuditRecords",
    "Bearer",
    "ClientCredentials",
    "ConsentPending",
    "ConsentRequest",
    "Credentials",
    "DPoPKey",
    "FreshAccessToken",
    "GrantInfo",
    "GrantUnusable",
    "IssuedTicket",
    "NotAllowed",
    "NotAuthenticated",
    "PrivateKeyJwt",
    "TicketCredentials",
    "TicketInfo",
    "TokenCache",
    "TokenFile",
    "TokenNotFound",
    "TokenVaultClient",
    "UnexpectedAnswer",
    "VaultAuth",
    "VaultError",
    "VaultUnavailable",
]
