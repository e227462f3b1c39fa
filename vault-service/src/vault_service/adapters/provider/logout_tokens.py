"""Logout tokens of one authorization server: `application.ports.logout.LogoutTokens`."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

from service_kit.tokens import logout_token
from service_kit.tokens.issuer import Issuer, IssuerUnavailableError
from service_kit.tokens.jwt import InvalidTokenError
from service_kit.tokens.logout_token import ExpectedLogout
from vault_service.application.errors import LogoutRefusedError, ProviderUnavailableError
from vault_service.application.ports.logout import LoginEnded
from vault_service.domain.grant import Subject


@dataclass(frozen=True, slots=True)
class IssuerLogoutTokens:
    """Verifies them by the issuer's keys. provider: its name here."""

    provider: str
    issuer: Issuer
    expected: ExpectedLogout

    def read(self, unverified: str) -> LoginEnded:
        """The logout that the token reports."""
        try:
            logout = logout_token.verify(unverified, self.issuer, self.expected)
        except InvalidTokenError as error:
            raise LogoutRefusedError(str(error)) from error
        except IssuerUnavailableError as error:
            raise ProviderUnavailableError from error
        return LoginEnded(
            provider=self.provider,
            id_hash=hashlib.sha256(logout.token_id.encode()).digest(),
            account=None if logout.subject is None else Subject(self.issuer.url, logout.subject),
            session=logout.session,
            ends_offline=logout.ends_offline,
            expires_at=datetime.fromtimestamp(logout.expires_at, UTC),
        )
