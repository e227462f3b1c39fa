"""The vocabulary of the audit: events, lines, and the MAC of a line. A line never contains a token."""

import enum
import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from vault_service.domain.framing import joined
from vault_service.domain.grant import Subject


class Event(enum.StrEnum):
    """Everything that can happen to a grant."""

    CONSENT_REQUESTED = "consent.requested"
    CONSENT_GRANTED = "consent.granted"
    CONSENT_DENIED = "consent.denied"
    CONSENT_FAILED = "consent.failed"
    TOKEN_ISSUED = "token.issued"  # noqa: S105 - an event's name
    GRANT_REFRESHED = "grant.refreshed"
    GRANT_FAILED = "grant.failed"
    GRANT_EXPIRED = "grant.expired"
    GRANT_REVOKED = "grant.revoked"
    GRANT_CHECKED = "grant.checked"
    REVOCATION_SENT = "revocation.sent"


@dataclass(frozen=True, slots=True)
class Entry:
    """A line to be written. actor: client id of the caller (`vault` for the vault itself); outcome: `ok` or a code."""

    event: Event
    grant_id: UUID
    owner: Subject
    actor: str
    request_id: str
    at: datetime
    outcome: str = "ok"


@dataclass(frozen=True, slots=True)
class Line:
    """A line as the grant's owner may read it. number: its position in the audit, ascending."""

    number: int
    at: datetime
    event: Event
    actor: str
    request_id: str
    outcome: str


def mac(key: bytes, entry: Entry) -> bytes:
    """HMAC-SHA-256 over every field of a line. The time counts in microseconds, which is what PostgreSQL keeps."""
    content = joined(
        entry.event.value,
        entry.grant_id.hex,
        entry.owner.issuer,
        entry.owner.sub,
        entry.actor,
        entry.request_id,
        str(microseconds(entry.at)),
        entry.outcome,
    )
    return hmac.digest(key, content, hashlib.sha256)


def microseconds(at: datetime) -> int:
    """Microseconds since the epoch."""
    return round(at.timestamp() * 1_000_000)
