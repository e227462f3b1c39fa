"""What the vault answers, as values."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class AccessToken:
    """An access token. value: the token itself, which prints as `***`; expires_at: aware, in UTC."""

    value: str = field(repr=False)
    expires_at: datetime
    scopes: frozenset[str]

    def __str__(self) -> str:
        return "***"


@dataclass(frozen=True, slots=True)
class Grant:
    """A token as its owner sees it. status: `pending`, `active`, `failed`, `revoked` or `expired`."""

    persistent_token_id: str
    status: str
    task_id: str | None
    created_at: datetime
