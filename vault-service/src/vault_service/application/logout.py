"""Back-channel logout: an authorization server tells that a login has ended (OpenID Connect Back-Channel Logout 1.0).

Grants that end with the login (`refresh`) end here at once. Offline grants outlive a login (section 2.7), unless the
server says that they end, too.
"""

from collections.abc import Callable, Mapping
from uuid import UUID

from vault_service.application.errors import LogoutRefusedError
from vault_service.application.ports.logout import GrantsByLogin, LogoutTokens
from vault_service.application.ports.runtime import Clock
from vault_service.domain.audit import Entry, Event
from vault_service.domain.grant import Subject

REASON = "logged out at the authorization server"


class ReceiveLogouts:
    """Ends the grants of logins that have ended."""

    def __init__(
        self, tokens: Mapping[str, LogoutTokens], logins: GrantsByLogin, clock: Clock, wake_outbox: Callable[[], None]
    ) -> None:
        """tokens: by the names of the providers that have ID tokens."""
        self._tokens = tokens
        self._logins = logins
        self._clock = clock
        self._wake_outbox = wake_outbox

    def receive(self, provider: str, unverified_token: str, request_id: str) -> int:
        """Accept a logout token; how many grants it has ended.

        Raises LogoutRefusedError, ProviderUnavailableError (the server's keys are unknown), StorageUnavailableError.
        """
        tokens = self._tokens.get(provider)
        if tokens is None:
            raise LogoutRefusedError("provider")
        login = tokens.read(unverified_token)
        now = self._clock.now()

        def entry(grant_id: UUID, owner: Subject) -> Entry:
            return Entry(Event.GRANT_REVOKED, grant_id, owner, f"provider:{provider}", request_id, now, reason=REASON)

        ended = self._logins.end(login, entry)
        if ended:
            self._wake_outbox()
        return ended
