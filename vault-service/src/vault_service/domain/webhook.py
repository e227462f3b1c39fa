"""Messages to services about grants, signed by the Standard Webhooks convention (standardwebhooks.com, 1.0.0)."""

import base64
import enum
import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from vault_service.domain.grant import Subject

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - what secrets begin with
_DELAYS: Final = (5.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 50400.0, 72000.0, 86400.0)
"""Seconds between two attempts, as the convention suggests."""
LAST_ATTEMPT: Final = len(_DELAYS) + 1
"""About three days and a half after the first."""


class Delivery(enum.StrEnum):
    """delivered: the service has taken it; gone: it wants no more (410); given_up: it did not take it in time;
    postponed: to be tried again.
    """

    DELIVERED = "delivered"
    GONE = "gone"
    GIVEN_UP = "given_up"
    POSTPONED = "postponed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """The webhook of a service. secret: the key of its signatures; allow_private: True when http, and addresses that
    are not global, are allowed.
    """

    url: str = field(repr=False)
    secret: bytes = field(repr=False)
    allow_private: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message about a change of a grant. attempts: made so far, with this one; ends_at: of `grant.expiring`."""

    id: UUID
    service: str
    event: str
    grant_id: UUID
    owner: Subject
    name: str | None
    task_id: str | None
    failure: str | None
    ends_at: datetime | None
    created_at: datetime
    attempts: int


def delay_after(attempts: int) -> float:
    """Seconds until the next attempt. attempts: made so far, at least one."""
    return _DELAYS[min(attempts, len(_DELAYS)) - 1]


def signature(key: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`. timestamp: Unix time of the attempt, in seconds."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return f"v1,{base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()}"


def key_of(secret: str) -> bytes:
    """The key in a secret as text: `whsec_` and base64 of 24 to 64 bytes. Raises ValueError."""
    if not secret.startswith(SECRET_PREFIX):
        raise ValueError(f"does not begin with {SECRET_PREFIX}")
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except ValueError:
        raise ValueError("is not base64") from None
    if not 24 <= len(key) <= 64:
        raise ValueError("is not of 24 to 64 bytes")
    return key
