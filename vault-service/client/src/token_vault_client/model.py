"""Values in the vault's answers. Times are aware and in UTC."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime


def sha256(token: str) -> str:
    """A token's SHA-256 in lower-case hexadecimal, by which the vault is told that an API has refused it."""
    return hashlib.sha256(token.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class FreshAccessToken:
    """An access token. value: the token itself, which prints as `***`.

    expires_in: seconds of life that it had left when the vault gave it, by the vault's clock.
    """

    value: str = field(repr=False)
    expires_at: datetime
    scopes: frozenset[str]
    persistent_token_id: str = ""
    expires_in: float = 0.0

    def __str__(self) -> str:
        return "***"


@dataclass(frozen=True, slots=True)
class GrantInfo:
    """A grant as its owner sees it, never with a token.

    status: `pending`, `active`, `failed`, `revoked` or `expired`; failure: the code that a `failed` grant answers with;
    task_id, task_ids: the first and all that the grant was asked for, in the words of who asked; name: what it is for,
    for people; uses: access tokens given so far.
    """

    persistent_token_id: str
    status: str
    task_id: str | None
    created_at: datetime
    failure: str | None = None
    provider: str = ""
    scopes: frozenset[str] = frozenset()
    services: frozenset[str] = frozenset()
    uses: int = 0
    max_uses: int | None = None
    activated_at: datetime | None = None
    last_used_at: datetime | None = None
    last_refreshed_at: datetime | None = None
    expires_at: datetime | None = None
    not_after: datetime | None = None
    name: str | None = None
    task_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ConsentRequest:
    """A consent that was asked for. url: where the owner grants it, until `expires_at`; it prints as `***`."""

    url: str = field(repr=False)
    persistent_token_id: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One thing that happened to a grant.

    actor: who did it, a client id; outcome: `ok` or a code; via, via_name: id and name of the ticket that was used or
    changed; reason: an operator's; task_id, attempt: what that ticket was made for.
    """

    at: datetime
    event: str
    actor: str
    outcome: str
    request_id: str
    via: str | None = None
    via_name: str | None = None
    reason: str | None = None
    task_id: str | None = None
    attempt: int | None = None


@dataclass(frozen=True, slots=True)
class AuditRecords:
    """Lines, newest first. next: the `before` of the page after this one; None on the last page."""

    lines: tuple[AuditRecord, ...]
    next: int | None


@dataclass(frozen=True, slots=True)
class TicketInfo:
    """A ticket as lists show it: a credential for one grant, without its secret.

    scopes: empty for all of the grant's; uses: tokens given so far; maker: the client that made it; task_id, attempt:
    what it was made for.
    """

    ticket_id: str
    name: str
    scopes: frozenset[str]
    expires_at: datetime
    max_uses: int | None = None
    uses: int | None = None
    maker: str = ""
    last_used_at: datetime | None = None
    task_id: str | None = None
    attempt: int | None = None


@dataclass(frozen=True, slots=True)
class IssuedTicket:
    """A ticket that was just made. value: the secret `tvt_…`, shown this once; it prints as `***`."""

    value: str = field(repr=False)
    info: TicketInfo
