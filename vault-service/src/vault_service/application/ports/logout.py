"""Ports of `application.logout`: read a logout token, end the grants of a login."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from vault_service.application.ports.ending import EntryOf
from vault_service.domain.grant import Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginEnded:
    """The content of a logout token. account, session: at least one; both together mean this session of this account.

    id_hash: SHA-256 of the token's `jti`; ends_offline: True when offline grants end, too; expires_at: when the token
    is too old to be accepted again.
    """

    provider: str
    id_hash: bytes
    account: Subject | None
    session: str | None
    ends_offline: bool
    expires_at: datetime


class LogoutTokens(Protocol):
    """Reads one provider's logout tokens."""

    def read(self, unverified: str) -> LoginEnded:
        """Verify a token. Raises LogoutRefusedError, ProviderUnavailableError."""
        ...


class GrantsByLogin(Protocol):
    """The grants by the login that they came of."""

    def end(self, login: LoginEnded, entry_of: EntryOf) -> int:
        """Revoke the grants of a login and put their tokens into the outbox, in one transaction; how many they were.

        Raises LogoutRefusedError when the logout token was received before, StorageUnavailableError.
        """
        ...
