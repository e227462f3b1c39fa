"""The vault's settings, each with its documentation."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from service_kit.outbound.session import Egress, readable_ca_bundle
from service_kit.process.logs import LEVELS
from service_kit.process.secret import Secret
from service_kit.process.settings import (
    SettingsError,
    flag,
    issuer,
    load,
    one_of,
    optional_secret,
    optional_url,
    secret,
    setting,
    text,
    url,
    urls,
    whole,
    words,
)
from vault_service.adapters.encryption.root_key import LocalRootKey
from vault_service.domain.grant import DefaultLimits
from vault_service.domain.terms import Terms
from vault_service.provider_file import DEFAULT_NAME, ClientSettings, Providers, ProviderSettings, optional_providers
from vault_service.services_file import Services, optional_services

_USUAL_VARIABLES = {
    "VAULT_CA_BUNDLE": ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"),
    "VAULT_EGRESS_PROXY": ("HTTPS_PROXY", "https_proxy"),
    "VAULT_NO_PROXY": ("NO_PROXY", "no_proxy"),
}


def optional_ca_bundle(value: str) -> str | None:
    """The path of a file with certificates; empty means absent."""
    return readable_ca_bundle(Path(value)) if value else None


def optional_path(value: str) -> Path | None:
    """A path; empty means absent."""
    return Path(value) if value else None


def optional_secret_url(value: str) -> Secret | None:
    """An absolute http(s) URL that may hold a password; empty means absent."""
    return Secret(url(value)) if value else None


def limits(value: str) -> DefaultLimits:
    """`days=N`, `uses=N`, both, or `none`."""
    parsers = {"days": whole(1, 36_500), "uses": whole(1, 1_000_000_000)}
    found: dict[str, int] = {}
    for word in words(value) - {"none"}:
        name, _, number = word.partition("=")
        if name not in parsers:
            raise ValueError("is neither `none` nor `days=N` nor `uses=N`")
        found[name] = parsers[name](number)
    return DefaultLimits(found.get("days"), found.get("uses"))


@dataclass(frozen=True, kw_only=True, repr=False)
class VaultSettings:
    """The settings that `vault-service` reads from its environment."""

    database_url: Secret = setting("VAULT_DATABASE_URL", secret, "PostgreSQL URL of the runtime role.")
    root_key: LocalRootKey = setting(
        "VAULT_ROOT_KEY_FILE",
        LocalRootKey.read,
        "File with the root key: 32 random bytes in base64url, mode 0400. If you lose it, every stored token is lost.",
    )
    spool_dir: Path = setting(
        "VAULT_SPOOL_DIR",
        Path,
        "Folder on a local disk for refreshed tokens that the database cannot store at once.",
        default="/var/lib/vault-service/spool",
    )
    kept_checkpoints: Path | None = setting(
        "VAULT_CHECKPOINT_FILE",
        optional_path,
        "File outside of the database that keeps the last checkpoint of the audit. Default: `checkpoints` in "
        "VAULT_SPOOL_DIR.",
        default="",
    )
    checkpoint_webhook: Secret | None = setting(
        "VAULT_CHECKPOINT_WEBHOOK",
        optional_secret_url,
        "URL to which the vault posts the last checkpoint of the audit, as JSON, when there is a new one.",
        default="",
    )
    redis_url: Secret | None = setting(
        "REDIS_URL",
        optional_secret,
        "Redis or Valkey, in which replicas share access tokens. Optional.",
        default="",
    )
    remembered_tokens: int = setting(
        "VAULT_REMEMBERED_TOKENS",
        whole(0, 10_000_000),
        "How many access tokens each process remembers, at about 2 KB each; 0: none, each use looks in Redis. Of as"
        " many grants, and at least 1,000, it remembers the terms, and as many tickets, at about 1 KB each.",
        default="10000",
    )
    public_url: str = setting("PUBLIC_URL", url, "URL at which browsers reach the gateway.")
    internal_urls: tuple[str, ...] = setting(
        "VAULT_INTERNAL_URLS",
        urls,
        "Further URLs at which services reach the vault: a DPoP proof must name the one that its request was sent to.",
        default="",
    )
    require_dpop: bool = setting(
        "VAULT_REQUIRE_DPOP",
        flag,
        "`true`: services are served only with access tokens that are bound to a key (DPoP). Tickets are not affected.",
        default="false",
    )
    issuer: str = setting("ISSUER", issuer, "The authorization server's issuer, as its tokens name it.")
    issuer_internal_url: str | None = setting(
        "ISSUER_INTERNAL_URL", optional_url, "URL at which the vault reaches the issuer, if it differs.", default=""
    )
    client_id: str = setting("VAULT_CLIENT_ID", text, "The vault's client at the issuer.", default="token-vault")
    client_secret: Secret | None = setting(
        "VAULT_CLIENT_SECRET", optional_secret, "That client's secret; required without a providers file.", default=""
    )
    provider_file: Providers | None = setting(
        "VAULT_PROVIDERS_FILE",
        optional_providers,
        "TOML file with several providers for consents; it replaces the issuer's client.",
        default="",
    )
    network_variables: str = setting(
        "VAULT_NETWORK_VARIABLES",
        one_of("own", "usual"),
        "`usual`: without VAULT_CA_BUNDLE, VAULT_EGRESS_PROXY and VAULT_NO_PROXY, the vault uses SSL_CERT_FILE or "
        "REQUESTS_CA_BUNDLE, HTTPS_PROXY and NO_PROXY. `own`: it ignores them.",
        default="own",
    )
    ca_bundle: str | None = setting(
        "VAULT_CA_BUNDLE",
        optional_ca_bundle,
        "PEM file with the certificate authorities of authorization servers, instead of the usual ones.",
        default="",
    )
    egress_proxy: Secret | None = setting(
        "VAULT_EGRESS_PROXY",
        optional_secret_url,
        "URL of an HTTP proxy for requests to authorization servers; it may hold a password.",
        default="",
    )
    no_proxy: frozenset[str] = setting(
        "VAULT_NO_PROXY", words, "Hosts, with all below them, that are reached without the proxy.", default=""
    )
    audience: str = setting("VAULT_AUDIENCE", text, "The `aud` of tokens that callers send.", default="token-vault")
    browser_clients: frozenset[str] = setting(
        "VAULT_BROWSER_CLIENTS",
        words,
        "Clients that run in a browser: the callback of their consent must come through the same browser.",
        default="task-ui",
    )
    owner_clients: frozenset[str] = setting(
        "VAULT_OWNER_CLIENTS",
        words,
        "Clients with which owners may fetch access tokens for themselves; never a client of a browser.",
        default="",
    )
    mint_role: str = setting(
        "VAULT_MINT_ROLE", text, "The client role that a service needs to fetch access tokens.", default="token:mint"
    )
    consent_role: str = setting(
        "VAULT_CONSENT_ROLE",
        text,
        "The client role that a service needs to ask people for consent.",
        default="consent:request",
    )
    services: Services = setting(
        "VAULT_SERVICES_FILE",
        optional_services,
        "TOML file with services: their names, where browsers may return to, and their webhooks. Optional.",
        default="",
    )
    question_life: int = setting(
        "VAULT_QUESTION_LIFE",
        whole(60, 2_592_000),
        "Seconds for which a service's request for consent waits for its person.",
        default="86400",
    )
    default_services: frozenset[str] = setting(
        "VAULT_DEFAULT_SERVICES",
        words,
        "Client ids of services that may use a grant whose owner has named none.",
        default="task-service",
    )
    default_limits: DefaultLimits = setting(
        "VAULT_DEFAULT_LIMITS",
        limits,
        "Limits of a grant whose owner has named none: `days=N`, `uses=N`, both, or `none`.",
        default="days=365",
    )
    public_mints: str = setting(
        "VAULT_PUBLIC_MINTS",
        one_of("no", "yes"),
        "`yes`: services may get access tokens through the public gateway, too.",
        default="no",
    )
    pending_consents: int = setting(
        "VAULT_PENDING_CONSENTS",
        whole(1, 100_000),
        "How many consent requests of one person may wait for an answer at the same time.",
        default="100",
    )
    ticket_max_life: int = setting(
        "VAULT_TICKET_MAX_LIFE",
        whole(60, 31_622_400),
        "Seconds from now to the latest end of a ticket.",
        default="2592000",
    )
    tickets_per_grant: int = setting(
        "VAULT_TICKETS_PER_GRANT",
        whole(1, 100_000),
        "How many tickets of one grant may be usable at the same time.",
        default="1000",
    )
    refused_budget: int = setting(
        "VAULT_REFUSED_REFRESHES",
        whole(0, 3600),
        "How many refreshes of one grant callers may force in an hour by reporting a refused access token.",
        default="12",
    )
    expiring_notice: int = setting(
        "VAULT_EXPIRING_NOTICE",
        whole(60, 31_536_000),
        "Seconds before the end of a grant at which its services are told that it ends, by their webhooks.",
        default="259200",
    )
    assumed_idle: int = setting(
        "VAULT_ASSUMED_IDLE",
        whole(0, 315_360_000),
        "Seconds after which an authorization server is assumed to end an unused offline grant, when neither its"
        " answers nor the provider's `idle` say; the vault refreshes it before. 0: such grants are not refreshed.",
        default="2592000",
    )
    grant_days: int = setting(
        "VAULT_GRANT_DAYS", whole(1, 36500), "Days for which you can still read a grant that has ended.", default="90"
    )
    audit_retention_days: int = setting(
        "VAULT_AUDIT_RETENTION_DAYS",
        whole(0, 36500),
        "Age in days at which `vault-service audit prune` deletes audit lines; 0: never.",
        default="0",
    )
    threads: int = setting(
        "WEB_THREADS", whole(1, 256), "Threads of each process; also the size of the connection pools.", default="8"
    )
    log_level: str = setting("LOG_LEVEL", one_of(*LEVELS), f"One of {', '.join(LEVELS)}.", default="info")

    @property
    def providers(self) -> Providers:
        """The providers of the file, or the issuer under the name `default`. Raises SettingsError."""
        if self.provider_file is not None:
            return self.provider_file
        if self.client_secret is None:
            raise SettingsError("VAULT_CLIENT_SECRET: is not set")
        only = ProviderSettings(
            terms=Terms(issuer=self.issuer),
            internal_url=self.issuer_internal_url,
            client=ClientSettings(client_id=self.client_id, secret=self.client_secret),
        )
        return Providers(DEFAULT_NAME, {DEFAULT_NAME: only})

    @property
    def checkpoint_file(self) -> Path:
        """The file that keeps the last checkpoint of the audit."""
        return self.kept_checkpoints or self.spool_dir / "checkpoints"

    @property
    def egress(self) -> Egress:
        """The way of requests to providers that have no rule of their own."""
        proxy = self.egress_proxy.reveal() if self.egress_proxy else None
        return Egress(self.ca_bundle, proxy, self.no_proxy)


def read(environ: Mapping[str, str] = os.environ) -> VaultSettings:
    """The settings. Raises SettingsError."""
    settings = load(VaultSettings, _with_usual_variables(environ))
    overlap = settings.browser_clients & settings.owner_clients
    if overlap:
        raise SettingsError(f"VAULT_OWNER_CLIENTS: {', '.join(sorted(overlap))} runs in a browser")
    _ = settings.providers
    return settings


def _with_usual_variables(environ: Mapping[str, str]) -> Mapping[str, str]:
    """The environment, with the usual network variables under our names if that is asked for."""
    if environ.get("VAULT_NETWORK_VARIABLES", "").lower() != "usual":
        return environ
    found = {
        ours: value
        for ours, names in _USUAL_VARIABLES.items()
        if (value := next((environ[name] for name in names if environ.get(name)), None))
    }
    return {**found, **environ}


def migration_database_url(environ: Mapping[str, str] = os.environ) -> Secret:
    """PostgreSQL URL of the role that owns the schema. Raises SettingsError."""

    @dataclass(frozen=True)
    class MigrationSettings:
        url: Secret = setting("VAULT_MIGRATION_DATABASE_URL", secret, "PostgreSQL URL of the schema's owner.")

    return load(MigrationSettings, environ).url
