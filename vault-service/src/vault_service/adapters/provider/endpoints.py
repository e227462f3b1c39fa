"""The endpoints of an authorization server: by its discovery document, or by configuration."""

from dataclasses import dataclass
from typing import Protocol

from service_kit.tokens.issuer import Issuer, IssuerMismatchError, IssuerUnavailableError
from vault_service.adapters.provider.discovery import Discovery
from vault_service.application.provider_errors import NotSentError
from vault_service.domain.grant import FailureDetail


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """authorization: for browsers; token, revocation: as the vault reaches them.

    promises_issuer: True when each authorization response carries `iss` (RFC 9207 section 3).
    """

    authorization: str
    token: str
    revocation: str | None
    promises_issuer: bool = False


class Endpoints(Protocol):
    """The endpoints of one server."""

    def addresses(self) -> Addresses:
        """The addresses. Raises NotSentError."""
        ...

    def ping(self) -> None:
        """Return when the addresses are known. Raises IssuerUnavailableError, IssuerMismatchError."""
        ...


class DiscoveredEndpoints:
    """Endpoints from the discovery document."""

    def __init__(self, issuer: Issuer, discovery: Discovery) -> None:
        self._issuer = issuer
        self._discovery = discovery

    def addresses(self) -> Addresses:
        """The addresses, moved to the internal address where they are the issuer's own."""
        try:
            metadata = self._discovery.metadata()
        except (IssuerUnavailableError, IssuerMismatchError) as error:
            raise NotSentError(str(error), detail=FailureDetail(check="discovery")) from error
        revocation = metadata.revocation_endpoint
        return Addresses(
            authorization=metadata.authorization_endpoint,
            token=self._issuer.backchannel(metadata.token_endpoint),
            revocation=self._issuer.backchannel(revocation) if revocation else None,
            promises_issuer=metadata.authorization_response_iss_parameter_supported,
        )

    def ping(self) -> None:
        """Read the discovery document."""
        self._discovery.metadata()


@dataclass(frozen=True, slots=True)
class ConfiguredEndpoints:
    """Endpoints from the providers file."""

    configured: Addresses

    def addresses(self) -> Addresses:
        """As configured."""
        return self.configured

    def ping(self) -> None:
        """Nothing has to be fetched."""
