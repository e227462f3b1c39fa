"""The vocabulary of the audit: events, lines, and the MAC of a line. A line never contains a token."""

import enum
import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
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
    TOKEN_REFUSED = "token.refused"  # noqa: S105
    GRANT_REFRESHED = "grant.refreshed"
    GRANT_FAILED = "grant.failed"
    GRANT_EXPIRED = "grant.expired"
    GRANT_REVOKED = "grant.revoked"
    GRANT_CHECKED = "grant.checked"
    GRANT_KEEP_ALIVE = "grant.keep_alive"
    GRANT_RENAMED = "grant.renamed"
    REVOCATION_SENT = "revocation.sent"
    TICKET_CREATED = "ticket.created"
    TICKET_EXTENDED = "ticket.extended"
    TICKET_ENDED = "ticket.ended"


class AuditedWork(NamedTuple):
    """The work that a ticket was made for: an attempt of a task, in the words of the service that made the ticket."""

    task_id: str
    attempt: int


class Via(NamedTuple):
    """The ticket with which a caller acted, or which an event is about."""

    ticket_id: UUID
    name: str
    work: AuditedWork | None = None


class AuditPlace(NamedTuple):
    """The position of a line among those of one process (`domain.writer`).

    writer: the process's random id; number: from 1, without a gap; mark: every line up to this number is recorded.
    """

    writer: UUID
    number: int
    mark: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A line to be written.

    actor: client id of the caller, of who made the ticket that was used, `vault` for the vault itself,
    `operator:` or `provider:` and a name; outcome: `ok` or a code; reason: an operator's or a provider's.
    """

    event: Event
    grant_id: UUID
    owner: Subject
    actor: str
    request_id: str
    at: datetime
    outcome: str = "ok"
    via: Via | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A line as the grant's owner may read it. number: its position in the audit, ascending."""

    number: int
    at: datetime
    event: Event
    actor: str
    request_id: str
    outcome: str
    via: Via | None = None
    reason: str | None = None


def mac(key: bytes, entry: Entry, place: AuditPlace | None = None) -> bytes:
    """HMAC-SHA-256 over every field of a line. The time counts in microseconds, which is what PostgreSQL keeps.

    place: None for lines of versions that did not number them. Fields that came later are framed behind the others only
    where a line has them: older lines keep their MAC.
    """
    later = (
        *(("via", entry.via.ticket_id.hex, entry.via.name) if entry.via else ()),
        *(("work", entry.via.work.task_id, str(entry.via.work.attempt)) if entry.via and entry.via.work else ()),
        *(("reason", entry.reason) if entry.reason is not None else ()),
        *(("place", place.writer.hex, str(place.number), str(place.mark)) if place else ()),
    )
    content = joined(
        entry.event.value,
        entry.grant_id.hex,
        entry.owner.issuer,
        entry.owner.sub,
        entry.actor,
        entry.request_id,
        str(microseconds(entry.at)),
        entry.outcome,
        *later,
    )
    return hmac.digest(key, content, hashlib.sha256)


def microseconds(at: datetime) -> int:
    """Microseconds since the epoch."""
    return round(at.timestamp() * 1_000_000)
