"""Wires the configured authorization servers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from service_kit.tokens.issuer import Issuer, demand_no_mismatch
from vault_service.adapters.metrics.telemetry import PrometheusTelemetry
from vault_service.adapters.provider.authorization_server import AuthorizationServer
from vault_service.adapters.provider.discovery import Discovery
from vault_service.adapters.provider.time_limits import LimitedSession
from vault_service.adapters.provider.token_endpoint import TokenEndpoint
from vault_service.application.breaker import Breaker
from vault_service.application.errors import ProviderUnavailableError
from vault_service.config import VaultSettings
from vault_service.domain.terms import Terms
from vault_service.provider_file import ProviderSettings

Ping = Callable[[], None]


@dataclass(frozen=True, slots=True)
class ProviderSet:
    """The providers by name: their terms, their discovery, their server, and the server behind its breaker."""

    terms: Mapping[str, Terms]
    discoveries: Mapping[str, Discovery]
    servers: Mapping[str, AuthorizationServer]
    guarded: Mapping[str, Breaker]

    @classmethod
    def of(cls, settings: VaultSettings, login: Issuer, callback: str, telemetry: PrometheusTelemetry) -> "ProviderSet":
        """Wire them. login: the issuer where people log in; callback: the public address of the callback."""
        configured = settings.providers.by_name
        issuers = {name: _issuer(provider, login, settings) for name, provider in configured.items()}
        discoveries = {name: Discovery(name, issuer) for name, issuer in issuers.items()}
        servers = {
            name: _server(provider, issuers[name], discoveries[name], callback) for name, provider in configured.items()
        }
        for name in servers:
            telemetry.paused(name, 0)
        return cls(
            terms={name: provider.terms for name, provider in configured.items()},
            discoveries=discoveries,
            servers=servers,
            guarded={name: Breaker(server, partial(telemetry.paused, name)) for name, server in servers.items()},
        )

    def needed_pings(self, default: str) -> dict[str, Ping]:
        """Without these the vault is not ready. An unreachable server is not among them."""
        return {f"issuer of {default}": partial(demand_no_mismatch, self.discoveries[default].metadata)}

    def useful_pings(self) -> dict[str, Ping]:
        """Without one of these the vault is degraded."""
        return {f"provider {name}": partial(_ping, self.servers[name], self.guarded[name]) for name in self.servers}


def _issuer(provider: ProviderSettings, login: Issuer, settings: VaultSettings) -> Issuer:
    """The provider's issuer. That of the login is shared, so that its keys are fetched by one object only."""
    address = (provider.terms.issuer, provider.internal_url, provider.algorithm)
    if address == (settings.issuer, settings.issuer_internal_url, login.algorithm):
        return login
    return Issuer(provider.terms.issuer, provider.internal_url, algorithm=provider.algorithm)


def _server(provider: ProviderSettings, issuer: Issuer, discovery: Discovery, callback: str) -> AuthorizationServer:
    return AuthorizationServer(
        issuer,
        discovery,
        TokenEndpoint(LimitedSession(), provider.client_id, provider.client_secret.reveal()),
        provider.client_id,
        callback,
        parameters=provider.authorization_parameters,
        revokes=provider.revokes,
    )


def _ping(server: AuthorizationServer, breaker: Breaker) -> None:
    server.ping()
    if left := breaker.paused_for():
        raise ProviderUnavailableError(left)
