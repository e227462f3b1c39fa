"""The shape of the providers file: the fields of a provider's table, and the types of their values."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal

import msgspec

from service_kit.tokens.signatures import ALGORITHMS
from vault_service.domain.grant import TokenType
from vault_service.domain.terms import IDENTITY_SCOPES, OFFLINE_ACCESS

PROMPT_FOR_CONSENT: Final[Mapping[str, str]] = MappingProxyType({"prompt": "consent"})

Duration = Annotated[str, msgspec.Meta(pattern=r"^[1-9][0-9]{0,5}[smhd]$(?!\n)")]
Word = Annotated[str, msgspec.Meta(pattern=r"^[\x21-\x7e]+$(?!\n)")]
ScopeName = Annotated[str, msgspec.Meta(pattern=r"^[\x21\x23-\x5b\x5d-\x7e]+$(?!\n)")]
ErrorWord = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9_.:-]{1,64}$(?!\n)")]
Pointer = Annotated[str, msgspec.Meta(pattern=r"^(/([^\n~]|~[01])*)?$(?!\n)")]
FileName = Annotated[str, msgspec.Meta(min_length=1)]
Algorithm = Annotated[str, msgspec.Meta(pattern=rf"^({'|'.join(sorted(ALGORITHMS))})$(?!\n)")]
ClientAuthenticationName = Literal["client_secret_basic", "client_secret_post", "private_key_jwt", "none"]


class ExpiryTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table with the ends of grants of one token type."""

    idle: Duration | None = None
    maximum: Duration | None = None


class ProviderTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `[providers.NAME]`. `deploy/providers.example.toml` explains each field."""

    kind: Literal["oidc", "oauth2"] = "oidc"
    issuer: str
    internal_url: str = ""
    authorization_endpoint: str = ""
    token_endpoint: str = ""
    revocation_endpoint: str = ""
    account_endpoint: str = ""
    account_pointer: Pointer = ""

    client_id: Word
    client_authentication: ClientAuthenticationName = "client_secret_basic"
    client_secret_file: FileName | None = None
    client_key_file: FileName | None = None
    client_key_id: Word | None = None
    client_key_algorithm: Algorithm = "RS256"
    client_assertion_audience: Word | None = None

    algorithm: Algorithm | None = None
    clock_skew: Duration = "60s"
    access_lifetime: Duration = "60s"
    token_types: Annotated[frozenset[TokenType], msgspec.Meta(min_length=1)] = frozenset(TokenType)
    scopes: frozenset[ScopeName] = frozenset()
    offline_scope: Annotated[str, msgspec.Meta(pattern=r"^[\x21\x23-\x5b\x5d-\x7e]*$(?!\n)")] = OFFLINE_ACCESS
    unavoidable_scopes: frozenset[ScopeName] = IDENTITY_SCOPES
    narrows: bool = True
    scope_delimiter: Literal[" ", ","] | None = None
    scope_names: dict[ScopeName, ScopeName] = msgspec.field(default_factory=dict)
    bearer_words: frozenset[ErrorWord] = frozenset()
    tokens_at: Pointer = ""
    refusals: frozenset[ErrorWord] = frozenset()
    later: frozenset[ErrorWord] = frozenset()
    authorization_parameters: dict[Word, str] = msgspec.field(default_factory=lambda: dict(PROMPT_FOR_CONSENT))
    revoke: bool = True
    offline: ExpiryTable = ExpiryTable()
    refresh: ExpiryTable = ExpiryTable()

    ca_bundle: FileName | None = None
    proxy: str = ""


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    default: str
    providers: Annotated[dict[str, Any], msgspec.Meta(min_length=1)]
