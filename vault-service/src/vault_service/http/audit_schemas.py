"""Bodies and queries of the audit's routes."""

from collections.abc import Sequence
from typing import Annotated, Literal
from uuid import UUID

import msgspec

from service_kit.http.inputs import Input, Output
from vault_service.domain.audit import Event
from vault_service.domain.audit import Line as AuditedLine
from vault_service.http.schemas import Moment


class AuditQuery(Input, frozen=True, kw_only=True):
    """before: the `next` of the previous page; limit: lines on a page."""

    before: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)] = 2**63 - 1
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50


class ExportQuery(Input, frozen=True, kw_only=True):
    """format: `csv` with a header line, or `ndjson` with one JSON object on each line."""

    format: Literal["csv", "ndjson"] = "csv"


class AuditLine(Output, frozen=True, kw_only=True):
    """An audit event.

    actor: the client id of who did it, or `operator:` and a name; outcome: `ok` or a problem code; via, viaName: id and
    name of the ticket that was used, made or ended; taskId, attempt: what that ticket was made for; reason: an
    operator's.
    """

    at: Moment
    event: Event
    actor: str
    outcome: str
    request_id: str
    via: UUID | None = None
    via_name: str | None = None
    reason: str | None = None
    task_id: str | None = None
    attempt: int | None = None


class AuditPage(Output, frozen=True, kw_only=True):
    """Audit events, the newest first. next: the `before` of the next page, absent on the last page."""

    lines: list[AuditLine]
    next: int | None = None


def audit_page(lines: Sequence[AuditedLine], limit: int) -> AuditPage:
    """The wire form of a page of the audit."""
    return AuditPage(
        lines=[audit_line(line) for line in lines],
        next=lines[-1].number if len(lines) == limit else None,
    )


def audit_line(line: AuditedLine) -> AuditLine:
    """The wire form of a line of the audit."""
    return AuditLine(
        at=line.at,
        event=line.event,
        actor=line.actor,
        outcome=line.outcome,
        request_id=line.request_id,
        via=line.via.ticket_id if line.via else None,
        via_name=line.via.name if line.via else None,
        reason=line.reason,
        task_id=line.via.work.task_id if line.via and line.via.work else None,
        attempt=line.via.work.attempt if line.via and line.via.work else None,
    )
