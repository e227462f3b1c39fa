"""An offline grant: a person's permission, kept by the vault, to obtain access tokens while that person is absent.

Other services store the id of the grant. Outside of the vault it is called `persistent_token_id`.
"""

import enum
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Subject:
    """A person: `sub` is unique within its `issuer` only (OpenID Connect Core 1.0 section 2)."""

    issuer: str
    sub: str


UNREADABLE: Final = "\ufffd"
"""Stands for a claim that is there and is no text, or is there twice."""


class TokenIdentity(NamedTuple):
    """The claims that say whom and what an access token is for; empty when missing. client: the `azp`."""

    issuer: str
    sub: str
    client: str

    def fits(self, other: "TokenIdentity") -> bool:
        """True when no claim differs that both have. A claim that cannot be read differs from every other."""
        return all(mine == theirs for mine, theirs in zip(self, other, strict=True) if mine and theirs)

    def readable(self) -> "TokenIdentity":
        """The same without the claims that cannot be read."""
        return TokenIdentity(*("" if claim == UNREADABLE else claim for claim in self))


class Status(enum.StrEnum):
    """pending: its owner has not answered yet; active: usable; failed: needs the owner; revoked, expired: ended."""

    PENDING = "pending"
    ACTIVE = "active"
    FAILED = "failed"
    REVOKED = "revoked"
    EXPIRED = "expired"


class TokenType(enum.StrEnum):
    """offline: outlives the login session (`offline_access`); refresh: ends with it."""

    OFFLINE = "offline"
    REFRESH = "refresh"


class Failure(enum.StrEnum):
    """Reasons why a grant gives no tokens. The values are problem codes of the API."""

    CONSENT_DENIED = "consent_denied"
    CONSENT_EXPIRED = "consent_expired"
    WRONG_USER = "wrong_user"
    PROVIDER_ERROR = "provider_error"
    TOKEN_REVOKED = "token_revoked"  # noqa: S105 - a code, not a password
    TOKEN_EXPIRED = "token_expired"  # noqa: S105
    REAUTHORIZATION_REQUIRED = "reauthorization_required"


@dataclass(frozen=True, slots=True)
class Limits:
    """The owner's limits: the services (client ids) that may use the grant, until when, and how often."""

    services: frozenset[str]
    not_after: datetime | None = None
    max_uses: int | None = None


@dataclass(frozen=True, slots=True)
class DefaultLimits:
    """Limits of a grant whose owner has named none: days until its end, uses. None: no limit."""

    days: int | None = None
    uses: int | None = None

    def end(self, now: datetime) -> datetime | None:
        """The end of a grant that is requested now."""
        return None if self.days is None else now + timedelta(days=self.days)


@dataclass(frozen=True, slots=True)
class FailureDetail:
    """Details of an authorization server's useless answer; never a token.

    status: of HTTP; error: the server's word (RFC 6749 section 5.2); check: what of the vault's checks failed.
    """

    status: int | None = None
    error: str | None = None
    check: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A grant as its owner may see it: everything but the token. Times are aware and in UTC.

    account: the person at the authorization server who has consented; equal to the owner when the owner logs in there.
    failure_detail: of the last refusal, None since the last success; task_ids: opaque, what it was requested for; name:
    what it is for, for people; asked_by: the client id of the service that asked, None for the owner; return_to: where
    the browser goes after the answer; kept_alive: True when the vault refreshes the grant in time, so that it does
    not end at `expires_at`.
    """

    id: UUID
    owner: Subject
    account: Subject
    status: Status
    failure: Failure | None
    failure_detail: FailureDetail | None
    provider: str
    token_type: TokenType
    task_ids: tuple[str, ...]
    scopes: frozenset[str]
    limits: Limits
    created_at: datetime
    activated_at: datetime | None
    last_used_at: datetime | None
    last_refreshed_at: datetime | None
    expires_at: datetime | None
    uses: int
    name: str | None
    asked_by: str | None
    return_to: str | None
    consent_expires_at: datetime
    kept_alive: bool


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A refresh token in the clear. It is kept no longer than one call and prints as `***`."""

    value: str = field(repr=False)

    def __str__(self) -> str:
        return "***"


@dataclass(frozen=True, slots=True)
class ObtainedToken:
    """A refresh token that an answer holds, whatever else is wrong with the answer.

    expires_in: seconds from when the answer came, 0: its end has passed, None: no end; session: the server's name for
    its session.
    """

    token: RefreshToken
    expires_in: float | None = None
    session: str | None = None


@dataclass(frozen=True, slots=True)
class AccessToken:
    """An access token in the clear. expires_at: Unix time of the database; lifetime: seconds; scopes: granted."""

    value: str = field(repr=False)
    expires_at: float
    lifetime: float
    scopes: frozenset[str]

    def __str__(self) -> str:
        return "***"
