"""A ticket: a bearer credential for one grant, narrower than the grant, with which no other credential can be made.

Its text is `tvt_` and the base64url of its public id (16 bytes), a secret (32 bytes) and a checksum (6 bytes), so that
a typing error is told from a ticket that does not exist. Only the hash of the secret is stored.
"""

import enum
import hashlib
import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from vault_service.domain.audit import AuditedWork, Via, microseconds
from vault_service.domain.framing import joined
from vault_service.domain.grant import Subject
from vault_service.domain.usability import Requester

PREFIX = "tvt_"
SECRET_BYTES = 32
_ID_BYTES = 16
_CHECKSUM_BYTES = 6
_TEXT = re.compile(r"tvt_[A-Za-z0-9_-]{72}")
_RESEMBLING = re.compile(r"tvt_[A-Za-z0-9_-]{20}")


class TicketFault(enum.StrEnum):
    """Reasons why a ticket gives no access tokens, although its grant may. The values are problem codes of the API."""

    MISTYPED = "ticket_mistyped"
    UNKNOWN = "ticket_unknown"
    EXPIRED = "ticket_expired"
    USED_UP = "ticket_used_up"
    ENDED = "ticket_ended"


@dataclass(frozen=True, slots=True)
class TicketSecret:
    """A ticket in the clear: its public id and its secret of `SECRET_BYTES` random bytes. It prints as `***`."""

    id: UUID
    secret: bytes = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> "TicketSecret | None":
        """The ticket of a text that a person or a program has sent, or None when it is mistyped."""
        if not _TEXT.fullmatch(text):
            return None
        content = urlsafe_b64decode(text.removeprefix(PREFIX))
        body, checksum = content[:-_CHECKSUM_BYTES], content[-_CHECKSUM_BYTES:]
        if _checksum(body) != checksum:
            return None
        return cls(UUID(bytes=body[:_ID_BYTES]), body[_ID_BYTES:])

    @property
    def hash(self) -> bytes:
        """SHA-256 of the secret; it is random, so it needs no salt and no slow hash."""
        return hashlib.sha256(self.secret).digest()

    def reveal(self) -> str:
        """The text. Call it only where the ticket is shown to its maker."""
        body = self.id.bytes + self.secret
        return PREFIX + urlsafe_b64encode(body + _checksum(body)).decode()

    def __str__(self) -> str:
        return "***"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """A ticket without its secret. Times are aware and in UTC.

    owner: of the grant; scopes: empty for all of the grant's; maker: the client that made it; made_by_owner: False when
    a service made it for the owner; work: what it was made for; uses: access tokens given.
    """

    id: UUID
    grant_id: UUID
    owner: Subject
    name: str
    scopes: frozenset[str]
    maker: str
    made_by_owner: bool
    created_at: datetime
    expires_at: datetime
    max_uses: int | None = None
    uses: int = 0
    last_used_at: datetime | None = None
    ended_at: datetime | None = None
    work: AuditedWork | None = None

    @property
    def via(self) -> Via:
        """The name of the ticket in the audit."""
        return Via(self.id, self.name, self.work)

    @property
    def requester(self) -> Requester:
        """The requester of an access token with this ticket: its maker, for the owner."""
        return Requester(self.maker, is_owner=self.made_by_owner, owner=self.owner, via=self.via)

    def mac(self, key: bytes, secret_hash: bytes) -> bytes:
        """HMAC-SHA-256 over what decides, for the ticket's row. What is counted or ended is not in it."""
        content = joined(
            "tickets",
            self.id.hex,
            self.grant_id.hex,
            self.owner.issuer,
            self.owner.sub,
            secret_hash.hex(),
            self.name,
            *sorted(self.scopes),
            self.maker,
            str(self.made_by_owner),
            str(self.max_uses),
            str(microseconds(self.expires_at)),
            *((self.work.task_id, str(self.work.attempt)) if self.work else ()),
        )
        return hmac.digest(key, content, hashlib.sha256)

    def fault_at(self, now: datetime) -> TicketFault | None:
        """The reason why the ticket gives no access tokens, or None."""
        if self.ended_at is not None:
            return TicketFault.ENDED
        if self.expires_at <= now:
            return TicketFault.EXPIRED
        if self.max_uses is not None and self.uses >= self.max_uses:
            return TicketFault.USED_UP
        return None


def is_ticket(text: str) -> bool:
    """True for text that is meant to be a ticket, mistyped or not."""
    return text.startswith(PREFIX)


def has_ticket(text: str) -> bool:
    """True when something in the text looks like a ticket, which must not be logged then."""
    return _RESEMBLING.search(text) is not None


def _checksum(body: bytes) -> bytes:
    return hashlib.sha256(PREFIX.encode() + body).digest()[:_CHECKSUM_BYTES]
