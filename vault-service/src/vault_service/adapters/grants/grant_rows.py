"""Conversions between rows of `grants` and the vault's values."""

from typing import Any

from service_kit.postgres.database import Row
from vault_service.application.ports.consent import NewGrant
from vault_service.application.ports.refresh import StoredGrant
from vault_service.domain.grant import Failure, Grant, Limits, Status, Subject, TokenType


def owned(owner: Subject, **more: Any) -> dict[str, Any]:
    """The owner, and more, as parameters of a statement."""
    return {"issuer": owner.issuer, "subject": owner.sub, **more}


def fence(grant: StoredGrant) -> dict[str, Any]:
    """The grant and its generation, as parameters of a fenced write."""
    return {"id": grant.id, "generation": grant.generation}


def new_grant_row(grant: NewGrant) -> dict[str, Any]:
    """A pending grant as parameters of `add_grant`."""
    return {
        "id": grant.id,
        **owned(grant.owner),
        "provider": grant.provider,
        "token_type": grant.token_type.value,
        "task_id": grant.task_id,
        "scopes": sorted(grant.scopes),
        "services": sorted(grant.limits.services),
        "not_after": grant.limits.not_after,
        "max_uses": grant.limits.max_uses,
        "idle_seconds": grant.expiry.idle,
        "max_seconds": grant.expiry.maximum,
        "consent_expires_at": grant.consent_expires_at,
    }


def account_of(owner: Subject, issuer: str | None, subject: str | None) -> Subject:
    """The person at the authorization server: the owner, unless the row names another one."""
    return owner if issuer is None or subject is None else Subject(issuer, subject)


def grant_of(row: Row) -> Grant:
    """A grant from a row of `of_owner`."""
    grant_id, issuer, subject, status, failure, provider, token_type, task_id = row[:8]
    scopes, services, not_after, max_uses, uses = row[8:13]
    created_at, activated_at, last_used_at, last_refreshed_at, expires_at = row[13:18]
    owner = Subject(issuer, subject)
    return Grant(
        id=grant_id,
        owner=owner,
        account=account_of(owner, *row[18:]),
        status=Status(status),
        failure=Failure(failure) if failure else None,
        provider=provider,
        token_type=TokenType(token_type),
        task_id=task_id,
        scopes=frozenset(scopes),
        limits=Limits(frozenset(services), not_after, max_uses),
        created_at=created_at,
        activated_at=activated_at,
        last_used_at=last_used_at,
        last_refreshed_at=last_refreshed_at,
        expires_at=expires_at,
        uses=uses,
    )
