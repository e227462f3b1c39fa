"""The terms of a grant, which decide who gets which token from where. They are bound to the grant's refresh token.

Any role that can write to the database can change a stored row. The digest of its terms is a part of the associated
data of its sealed token, so that the token of a changed row does not open. Before there is a token, the row carries a
MAC of what was requested.
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from vault_service.domain.audit import microseconds
from vault_service.domain.framing import joined
from vault_service.domain.grant import Limits, Subject, TokenIdentity, TokenType
from vault_service.domain.terms import Expiry
from vault_service.domain.usability import Requester


@dataclass(frozen=True, slots=True)
class QuestionTerms:
    """The part of a question that ends with the owner's answer.

    scopes: requested, the authorization server may grant others; asked_by: the service that asks, None for the owner;
    return_to: where the browser goes then.
    """

    scopes: frozenset[str]
    asked_by: str | None
    return_to: str | None

    def parts(self) -> tuple[str, ...]:
        """Every member as text."""
        return (*_listed(self.scopes), self.asked_by or "", self.return_to or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestedTerms:
    """The requested terms, which decide about the grant."""

    provider: str
    token_type: TokenType
    limits: Limits
    expiry: Expiry

    def mac(self, key: bytes, grant_id: UUID, owner: Subject, asked: QuestionTerms) -> bytes:
        """HMAC-SHA-256 for the row of a pending grant."""
        content = joined("grants", grant_id.hex, owner.issuer, owner.sub, *asked.parts(), *self.parts())
        return hmac.digest(key, content, hashlib.sha256)

    def parts(self) -> tuple[str, ...]:
        """Every member as text; None differs from every value."""
        limits = self.limits
        return (
            self.provider,
            self.token_type.value,
            *_listed(limits.services),
            "" if limits.not_after is None else str(microseconds(limits.not_after)),
            *(
                "" if number is None else str(number)
                for number in (limits.max_uses, self.expiry.idle, self.expiry.maximum)
            ),
        )

    def allow(self, requester: Requester, now: datetime) -> bool:
        """True when the requester may use a grant of these terms now. Limited uses are counted elsewhere."""
        limits = self.limits
        return (requester.is_owner or requester.client in limits.services) and (
            limits.not_after is None or now < limits.not_after
        )


@dataclass(frozen=True, slots=True)
class GrantTerms:
    """The granted terms. account: the person at the authorization server; identity: that of the first access token."""

    requested: RequestedTerms
    scopes: frozenset[str]
    account: Subject
    identity: TokenIdentity | None

    def digest(self) -> bytes:
        """SHA-256 over every member."""
        content = joined(
            *self.requested.parts(),
            *_listed(self.scopes),
            self.account.issuer,
            self.account.sub,
            *(self.identity or ()),
        )
        return hashlib.sha256(content).digest()


def terms_of(owner: Subject, columns: Sequence[Any]) -> GrantTerms:
    """The terms in a stored row.

    columns: provider, token_type, services, not_after, max_uses, idle_seconds, max_seconds, scopes, account_issuer,
    account_subject, token_identity.
    """
    scopes, account_issuer, account_subject, identity = columns[7:]
    return GrantTerms(
        requested=requested_of(columns[:7]),
        scopes=frozenset(scopes),
        account=account_of(owner, account_issuer, account_subject),
        identity=TokenIdentity(*identity) if identity else None,
    )


def requested_of(columns: Sequence[Any]) -> RequestedTerms:
    """The requested terms from a row. columns: provider, token_type, services, not_after, max_uses, idle_seconds,
    max_seconds.
    """
    provider, token_type, services, not_after, max_uses, idle, maximum = columns
    return RequestedTerms(
        provider=provider,
        token_type=TokenType(token_type),
        limits=Limits(frozenset(services), not_after, max_uses),
        expiry=Expiry(idle, maximum),
    )


def account_of(owner: Subject, issuer: str | None, subject: str | None) -> Subject:
    """The person at the authorization server: the owner, unless the row names another one."""
    return owner if issuer is None or subject is None else Subject(issuer, subject)


def _listed(words: frozenset[str]) -> tuple[str, ...]:
    return str(len(words)), *sorted(words)
