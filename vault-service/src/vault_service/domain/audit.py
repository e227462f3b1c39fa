"""The audit's vocabulary: which events exist and what each records. Never a token."""

import enum
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

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
    """One line of the audit. actor: client id of who did it (`vault` for the vault itself); outcome: `ok` or a code."""

    event: Event
    grant_id: UUID
    owner: Subject
    actor: str
    request_id: str
    at: datetime
    outcome: str = "ok"


@dataclass(frozen=True, slots=True)
class Line:
    """A line as its owner may read it. number: its place in the audit, growing."""

    number: int
    at: datetime
    event: Event
    actor: str
    request_id: str
    outcome: str
