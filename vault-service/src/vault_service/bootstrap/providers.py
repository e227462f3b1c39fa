"""Wires the configured authorization servers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from service_kit.outbound.session import Session
from service_kit.tokens.issuer import Issuer, demand_no_mismatch
from service_kit.tokens.logout_token import ExpectedLogout
from vault_service.adapters.metrics.telemetry import PrometheusTelemetry
from vault_service.adapters.provider.accounts import EndpointAccounts, IdTokenAccounts
from vault_service.adapters.provider.authorization_server import AuthorizationServer, ClientRegistration
from vault_service.adapters.provider.client_authentication import (
    BasicSecret,
    ClientAuthentication,
    PostedSecret,
    PrivateKeyJwtAuthentication,
    PublicClient,
)
from vault_service.adapters.provider.discovery import Discovery
from vault_service.adapters.provider.endpoints import ConfiguredEndpoints, DiscoveredEndpoints
from vault_service.adapters.provider.limited_session import LimitedSession
from vault_service.adapters.provider.logout_tokens import IssuerLogoutTokens
from vault_service.adapters.provider.token_endpoint import TokenEndpoint
from vault_service.application.breaker import Breaker
from vault_service.application.errors import ProviderUnavailableError
from vault_service.config import VaultSettings
from vault_service.domain.terms import Terms
from vault_service.provider_file import ClientSettings, ProviderSettings

Ping = Callable[[], None]
CallbackOf = Callable[[str], str]
EpochClock = Callable[[], float]
"""Seconds since the epoch, for times that other machines write or compare."""


@dataclass(frozen=True, slots=True)
class ProviderSet:
    """The providers by name: their terms, their discovery, their server, and the server behind its breaker."""

    terms: Mapping[str, Terms]
    discoveries: Mapping[str, Discovery]
    servers: Mapping[str, AuthorizationServer]
    guarded: Mapping[str, Breaker]
    logout_tokens: Mapping[str, IssuerLogoutTokens]

    @classmethod
    def of(
        cls,
        settings: VaultSettings,
        login: Issuer,
        callback_of: CallbackOf,
        telemetry: PrometheusTelemetry,
        clock: EpochClock,
    ) -> "ProviderSet":
        """Wire them. login: the issuer where people log in; callback_of: a provider's redirect URI, by its name."""
        configured = settings.providers.by_name
        issuers = {name: _issuer(provider, login, settings) for name, provider in configured.items()}
        discoveries = {name: Discovery(name, issuer) for name, issuer in issuers.items()}
        servers = {
            name: _server(settings, name, issuers[name], discoveries[name], callback_of(name), clock)
            for name in configured
        }
        for name in servers:
            telemetry.paused(name, 0)
        return cls(
            terms={name: provider.terms for name, provider in configured.items()},
            discoveries=discoveries,
            servers=servers,
            guarded={name: Breaker(server, partial(telemetry.paused, name)) for name, server in servers.items()},
            logout_tokens={
                name: _logout_tokens(name, provider, issuers[name], clock)
                for name, provider in configured.items()
                if provider.terms.has_id_tokens
            },
        )

    def needed_pings(self, default: str) -> dict[str, Ping]:
        """Without these the vault is not ready. An unreachable server is not among them."""
        if not self.terms[default].has_id_tokens:
            return {}
        return {f"issuer of {default}": partial(demand_no_mismatch, self.discoveries[default].metadata)}

    def useful_pings(self) -> dict[str, Ping]:
        """Without one of these the vault is degraded."""
        return {f"provider {name}": partial(_ping, self.servers[name], self.guarded[name]) for name in self.servers}


def _issuer(provider: ProviderSettings, login: Issuer, settings: VaultSettings) -> Issuer:
    """The provider's issuer. That of the login is shared, so that its keys are fetched by one object only."""
    address = (provider.terms.issuer, provider.internal_url)
    if address == (settings.issuer, settings.issuer_internal_url) and provider.egress is None:
        return login
    session = Session(egress=provider.egress or settings.egress)
    return Issuer(provider.terms.issuer, provider.internal_url, session=session)


def _logout_tokens(name: str, provider: ProviderSettings, issuer: Issuer, clock: EpochClock) -> IssuerLogoutTokens:
    expected = ExpectedLogout(provider.client.client_id, _algorithms(provider), provider.clock_skew, clock)
    return IssuerLogoutTokens(name, issuer, expected)


def _algorithms(provider: ProviderSettings) -> frozenset[str] | None:
    """The algorithm of the server's ID tokens and logout tokens, None: by its metadata."""
    return frozenset({provider.algorithm}) if provider.algorithm else None


def authorization_servers(settings: VaultSettings, clock: EpochClock) -> dict[str, AuthorizationServer]:
    """The servers by name, each by itself, to look at them from the command line."""
    login = login_issuer(settings)
    servers = {}
    for name, provider in settings.providers.by_name.items():
        issuer = _issuer(provider, login, settings)
        servers[name] = _server(settings, name, issuer, Discovery(name, issuer), settings.public_url, clock)
    return servers


def login_issuer(settings: VaultSettings) -> Issuer:
    """The issuer where people log in."""
    return Issuer(settings.issuer, settings.issuer_internal_url, session=Session(egress=settings.egress))


def _server(
    settings: VaultSettings, name: str, issuer: Issuer, discovery: Discovery, redirect_uri: str, clock: EpochClock
) -> AuthorizationServer:
    provider = settings.providers.by_name[name]
    session = LimitedSession(provider.egress or settings.egress)
    endpoint = TokenEndpoint(session, _authentication(provider.client, clock), provider.dialect)
    client = ClientRegistration(
        name=name,
        issuer=provider.terms.issuer,
        client_id=provider.client.client_id,
        redirect_uri=redirect_uri,
        parameters=provider.authorization_parameters,
        revokes=provider.revokes,
        has_id_tokens=provider.terms.has_id_tokens,
    )
    if provider.plain is not None:
        plain = provider.plain
        account = EndpointAccounts(issuer.url, endpoint, plain.account_endpoint, plain.account_pointer)
        return AuthorizationServer(client, ConfiguredEndpoints(plain.addresses), endpoint, account, provider.dialect)
    accounts = IdTokenAccounts(issuer, provider.client.client_id, _algorithms(provider), provider.clock_skew, clock)
    return AuthorizationServer(client, DiscoveredEndpoints(issuer, discovery), endpoint, accounts, provider.dialect)


def _authentication(client: ClientSettings, clock: EpochClock) -> ClientAuthentication:
    match client.authentication:
        case "private_key_jwt" if client.key is not None:
            return PrivateKeyJwtAuthentication(client.client_id, client.key, client.audience, clock)
        case "client_secret_post" if client.secret is not None:
            return PostedSecret(client.client_id, client.secret.reveal())
        case "client_secret_basic" if client.secret is not None:
            return BasicSecret(client.client_id, client.secret.reveal())
        case "none":
            return PublicClient(client.client_id)
        case _:
            raise ValueError(f"{client.authentication} without what it needs")


def _ping(server: AuthorizationServer, breaker: Breaker) -> None:
    server.ping()
    if left := breaker.paused_for():
        raise ProviderUnavailableError(left)
