"""The content of the providers file, as the rest of the vault uses it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from service_kit.outbound.session import Egress
from service_kit.process.secret import Secret
from service_kit.tokens.id_token import USUAL_SKEW_SECONDS
from service_kit.tokens.signatures import ClientKey
from vault_service.adapters.provider.dialect import Dialect
from vault_service.adapters.provider.endpoints import Addresses
from vault_service.domain.terms import Terms
from vault_service.provider_file.table import PROMPT_FOR_CONSENT, ClientAuthenticationName


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """The vault's client at one server. secret, key: the one that its authentication needs; audience: of assertions."""

    client_id: str
    authentication: ClientAuthenticationName = "client_secret_basic"
    secret: Secret | None = None
    key: ClientKey | None = None
    audience: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainOAuth:
    """A server without OpenID Connect: where it is, and where the account's name is (a JSON pointer, RFC 6901)."""

    addresses: Addresses
    account_endpoint: str
    account_pointer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSettings:
    """One authorization server and the vault's client there.

    internal_url: where the vault reaches the issuer, if that differs; algorithm: of its ID tokens, None: by metadata;
    authorization_parameters: added to the URL of a consent; revokes: False when ended tokens are not revoked there;
    plain: None for OpenID Connect; egress: None: by the vault's own settings.
    """

    terms: Terms
    internal_url: str | None
    client: ClientSettings
    algorithm: str | None = None
    clock_skew: float = USUAL_SKEW_SECONDS
    authorization_parameters: Mapping[str, str] = field(default_factory=lambda: PROMPT_FOR_CONSENT)
    revokes: bool = True
    dialect: Dialect = field(default_factory=Dialect)
    plain: PlainOAuth | None = None
    egress: Egress | None = None


@dataclass(frozen=True, slots=True)
class Providers:
    """All providers by name, and the one for consents that name none. Prints as their names."""

    default: str
    by_name: Mapping[str, ProviderSettings]

    def __str__(self) -> str:
        return " ".join(self.by_name)
