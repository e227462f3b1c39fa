"""A request for an access token, as all use cases pass it on."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from vault_service.application.ports.refresh import CallerUse
from vault_service.domain.audit import Entry, Event
from vault_service.domain.grant import AccessToken
from vault_service.domain.usability import Requester


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRequest:
    """A request for an access token.

    scopes: empty for all; min_valid: seconds that it must still live; refused: SHA-256 of a token that an API has
    refused, which is not given again; is_waiting: False for a renewal or a check, whose token no caller gets.
    """

    grant_id: UUID
    requester: Requester
    scopes: frozenset[str]
    min_valid: float
    request_id: str
    refused: bytes | None = None
    is_waiting: bool = True

    @property
    def key(self) -> tuple[UUID, frozenset[str]]:
        """Requests with the same key can share a token."""
        return self.grant_id, self.scopes

    def use(self, now: datetime) -> CallerUse:
        """The use of this request, for the audit."""
        by = self.requester
        entry = Entry(Event.TOKEN_ISSUED, self.grant_id, by.owner, by.client, self.request_id, now, via=by.via)
        return CallerUse(by, entry)

    @property
    def flight_key(self) -> tuple[UUID, frozenset[str], bytes | None]:
        """Requests with the same key can share a refresh."""
        return self.grant_id, self.scopes, self.refused

    def refuses(self, token: AccessToken) -> bool:
        """True for the token that an API has refused."""
        return self.refused is not None and hashlib.sha256(token.value.encode()).digest() == self.refused

    def excess_of(self, token: AccessToken) -> frozenset[str]:
        """Scopes of a token that its request does not allow. Only a ticket's scopes limit what a server gives."""
        is_limited = self.requester.via is not None and self.scopes
        return token.scopes - self.scopes if is_limited else frozenset()


class Obtained(NamedTuple):
    """A token that a refresh has brought.

    used_by: the request whose use was recorded with the outcome, if any was; is_new: True when it has just come from
    the authorization server, which gives no longer life now; False for a token that was cached.
    """

    token: AccessToken
    used_by: TokenRequest | None = None
    is_new: bool = False
