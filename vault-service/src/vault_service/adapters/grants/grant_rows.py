"""Conversions between rows of `grants` and the vault's values."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

import msgspec

from service_kit.postgres.database import Row
from service_kit.process import logs
from vault_service.application.ports.consent import NewGrant
from vault_service.application.ports.refresh import StoredGrant
from vault_service.domain.grant import Failure, FailureDetail, Grant, Limits, Status, Subject, TokenType
from vault_service.domain.grant_terms import QuestionTerms, RequestedTerms, account_of

log = logs.get(__name__)


def owned(owner: Subject, **more: Any) -> dict[str, Any]:
    """The owner, and more, as parameters of a statement."""
    return {"issuer": owner.issuer, "subject": owner.sub, **more}


def fence(grant: StoredGrant) -> dict[str, Any]:
    """The grant and its generation, as parameters of a fenced write."""
    return {"id": grant.id, "generation": grant.generation}


def new_grant_row(grant: NewGrant, key_id: int, key: bytes) -> dict[str, Any]:
    """A pending grant as parameters of `add_grant`. key: an audit key, for the MAC."""
    requested = RequestedTerms(
        provider=grant.provider, token_type=grant.token_type, limits=grant.limits, expiry=grant.expiry
    )
    asked = QuestionTerms(grant.scopes, grant.asked_by, grant.return_to)
    return {
        "id": grant.id,
        **owned(grant.owner),
        "provider": grant.provider,
        "token_type": grant.token_type.value,
        "task_id": grant.task_ids[0] if grant.task_ids else None,
        "other_task_ids": list(grant.task_ids[1:]),
        "name": grant.name,
        "asked_by": grant.asked_by,
        "return_to": grant.return_to,
        "scopes": sorted(grant.scopes),
        "services": sorted(grant.limits.services),
        "not_after": grant.limits.not_after,
        "max_uses": grant.limits.max_uses,
        "idle_seconds": grant.expiry.idle,
        "max_seconds": grant.expiry.maximum,
        "consent_expires_at": grant.consent_expires_at,
        "terms_key": key_id,
        "terms_mac": requested.mac(key, grant.id, grant.owner, asked),
    }


def detail_row(detail: FailureDetail | None) -> str | None:
    """A failure's detail as a parameter for `failure_detail`: JSON, None when nothing is known."""
    known = {name: value for name, value in asdict(detail).items() if value is not None} if detail else {}
    return msgspec.json.encode(known).decode() if known else None


def detail_of(value: Any) -> FailureDetail | None:
    """A failure's detail from `failure_detail`."""
    return None if value is None else FailureDetail(value.get("status"), value.get("error"), value.get("check"))


def log_refusal(event: str, grant_id: UUID, provider: str, failure: Failure | None, detail: FailureDetail) -> None:
    """Log what the authorization server said, and what of it failed which check; never a token."""
    log.warning(
        event,
        grant=str(grant_id),
        provider=provider,
        failure=failure.value if failure else None,
        status=detail.status,
        error=detail.error,
        check=detail.check,
    )


def grant_of(row: Row) -> Grant:
    """A grant from a row of `of_owner`."""
    grant_id, issuer, subject, status, failure, provider, token_type, task_id = row[:8]
    scopes, services, not_after, max_uses, uses = row[8:13]
    created_at, activated_at, last_used_at, last_refreshed_at, expires_at = row[13:18]
    owner = Subject(issuer, subject)
    return Grant(
        id=grant_id,
        owner=owner,
        account=account_of(owner, *row[18:20]),
        status=Status(status),
        failure=Failure(failure) if failure else None,
        failure_detail=detail_of(row[20]),
        provider=provider,
        token_type=TokenType(token_type),
        task_ids=(task_id, *row[25]) if task_id is not None else (),
        scopes=frozenset(scopes),
        limits=Limits(frozenset(services), not_after, max_uses),
        created_at=created_at,
        activated_at=activated_at,
        last_used_at=last_used_at,
        last_refreshed_at=last_refreshed_at,
        expires_at=expires_at,
        uses=uses,
        name=row[21],
        asked_by=row[22],
        return_to=row[23],
        consent_expires_at=row[24],
        kept_alive=row[26],
    )
