"""The vault's API on the wire: requests are built here, answers become values or errors. No I/O."""

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import urlencode

from token_vault_client import errors
from token_vault_client.flow import HttpAnswer, Request
from token_vault_client.model import (
    AuditRecord,
    AuditRecords,
    ConsentRequest,
    FreshAccessToken,
    GrantInfo,
    IssuedTicket,
    TicketInfo,
)

PREFIX = "/api/auth/manager"
DEFAULT_RETRY_SECONDS = 2.0
Members = Mapping[str, Any]
T = TypeVar("T")

_TRY_LATER = {429, 500, 502, 503, 504}
_KINDS: Mapping[int, type[errors.VaultError]] = {
    400: errors.NotAllowed,
    401: errors.NotAuthenticated,
    403: errors.NotAllowed,
    404: errors.TokenNotFound,
    409: errors.GrantUnusable,
    410: errors.GrantUnusable,
    422: errors.NotAllowed,
}


def request(
    method: str,
    url: str,
    *,
    bearer: str,
    query: Mapping[str, str] | None = None,
    body: Members | None = None,
    request_id: str | None = None,
    answer_seconds: float | None = None,
) -> Request:
    """A request of the API. bearer: RFC 6750 section 2.1; body: becomes JSON."""
    headers = {"Accept": "application/json", "Authorization": f"Bearer {bearer}"}
    if request_id:
        headers["X-Request-ID"] = request_id
    if body is not None:
        headers["Content-Type"] = "application/json"
    address = f"{url}?{urlencode(query)}" if query else url
    content = None if body is None else json.dumps(body).encode()
    return Request(method, address, headers, content, answer_seconds)


def form(url: str, fields: Mapping[str, str], headers: Mapping[str, str]) -> Request:
    """A form for a token endpoint (RFC 6749 section 4)."""
    content = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    return Request("POST", url, {**content, **headers}, urlencode(fields).encode())


def members(answer: HttpAnswer) -> Members:
    """The JSON object of an answer. Raises UnexpectedAnswer."""
    try:
        body = json.loads(answer.body)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise errors.UnexpectedAnswer("unexpected_answer", f"status {answer.status} without a JSON object")
    return body


def read(build: Callable[[Members], T], body: Members) -> T:
    """A value from an answer's members. Raises UnexpectedAnswer."""
    try:
        return build(body)
    except (KeyError, TypeError, ValueError, AttributeError):
        detail = "members are missing or of the wrong type"
        raise errors.UnexpectedAnswer("unexpected_answer", detail) from None


def error(answer: HttpAnswer) -> errors.VaultError:
    """The error that an answer other than 2xx means."""
    try:
        body = members(answer)
    except errors.UnexpectedAnswer:
        body = {}
    return problem(answer.status, body, retry_after(answer.headers))


def problem(status: int, body: Members, seconds: float) -> errors.VaultError:
    """The error that a problem document (RFC 9457) means. seconds: after which to try again."""
    code, detail = str(body.get("code", "unexpected_answer")), str(body.get("detail", f"the answer is status {status}"))
    request_id = str(body.get("requestId", ""))
    places = [f"{e.get('pointer')}: {e.get('detail')}" for e in body.get("errors") or () if isinstance(e, dict)]
    if more := [place for place in places if place not in detail]:
        detail = "; ".join([detail.rstrip("."), *more])
    if status in _TRY_LATER:
        return errors.VaultUnavailable(code, detail, seconds, request_id=request_id)
    if code == "consent_pending":
        return errors.ConsentPending(code, detail, request_id=request_id)
    return _KINDS.get(status, errors.UnexpectedAnswer)(code, detail, request_id=request_id)


def retry_after(headers: Mapping[str, str]) -> float:
    """Seconds of `Retry-After` (RFC 9110 section 10.2.3): a number, or a date that counts from the answer's own."""
    text = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return float(text)
    try:
        until = parsedate_to_datetime(text)
        sent = parsedate_to_datetime(headers["date"])
        return max((until - sent).total_seconds(), 0.0)
    except (ValueError, TypeError, KeyError):
        return DEFAULT_RETRY_SECONDS


def moment(text: str) -> datetime:
    """A time in RFC 3339, in UTC. Raises ValueError."""
    parsed = datetime.fromisoformat(re.sub(r"[Zz]$", "+00:00", text))  # Python 3.10 does not read `Z`
    if parsed.tzinfo is None:
        raise ValueError(text)
    return parsed.astimezone(timezone.utc)


def access_token(body: Members) -> FreshAccessToken:
    """A token."""
    return FreshAccessToken(
        value=_text(body["accessToken"]),
        expires_at=moment(body["expiresAt"]),
        scopes=frozenset(body["scope"].split()),
        persistent_token_id=str(body.get("persistentTokenId", "")),
        expires_in=float(body["expiresIn"]),
    )


def grant(body: Members) -> GrantInfo:
    """A grant."""
    return GrantInfo(
        persistent_token_id=_text(body["persistentTokenId"]),
        status=_text(body["status"]),
        task_id=body.get("taskId"),
        created_at=moment(body["createdAt"]),
        failure=body.get("failure"),
        provider=str(body.get("provider", "")),
        scopes=frozenset(body.get("scopes", ())),
        services=frozenset(body.get("services", ())),
        uses=int(body.get("uses", 0)),
        max_uses=body.get("maxUses"),
        activated_at=_moment_or_none(body, "activatedAt"),
        last_used_at=_moment_or_none(body, "lastUsedAt"),
        last_refreshed_at=_moment_or_none(body, "lastRefreshedAt"),
        expires_at=_moment_or_none(body, "expiresAt"),
        not_after=_moment_or_none(body, "notAfter"),
        name=body.get("name"),
        task_ids=tuple(body.get("taskIds") or filter(None, [body.get("taskId")])),
    )


def grants(body: Members) -> tuple[list[GrantInfo], str | None]:
    """A page of grants, and what asks for the next one."""
    following = body.get("next")
    return [grant(entry) for entry in body["tokens"]], None if following is None else _text(following)


def consent(body: Members) -> ConsentRequest:
    """A consent that was asked for."""
    return ConsentRequest(
        _text(body["consentUrl"]), _text(body["persistentTokenId"]), expires_at=moment(body["expiresAt"])
    )


def audit_page(body: Members) -> AuditRecords:
    """A page of a grant's audit."""
    lines = tuple(
        AuditRecord(
            moment(line["at"]),
            line["event"],
            line["actor"],
            line["outcome"],
            line["requestId"],
            line.get("via"),
            line.get("viaName"),
            line.get("reason"),
            line.get("taskId"),
            line.get("attempt"),
        )
        for line in body["lines"]
    )
    return AuditRecords(lines, body.get("next"))


def ticket(body: Members) -> TicketInfo:
    """A ticket as lists show it."""
    return TicketInfo(
        ticket_id=_text(body["ticketId"]),
        name=str(body.get("name", "")),
        scopes=frozenset(_words(body.get("scopes", ()))),
        expires_at=moment(body["expiresAt"]),
        max_uses=body.get("maxUses"),
        uses=body.get("uses"),
        maker=str(body.get("maker", "")),
        last_used_at=_moment_or_none(body, "lastUsedAt"),
        task_id=body.get("taskId"),
        attempt=body.get("attempt"),
    )


def new_ticket(body: Members) -> IssuedTicket:
    """A ticket that was just made."""
    return IssuedTicket(_text(body["ticket"]), ticket(body))


def _words(value: Any) -> list[str]:
    return value.split() if isinstance(value, str) else list(value)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError
    return value


def _moment_or_none(body: Members, name: str) -> datetime | None:
    return moment(body[name]) if body.get(name) else None


def moment_after(seconds: float) -> datetime:
    """The time in so many seconds, by this machine's clock."""
    return datetime.now(timezone.utc) + timedelta(seconds=seconds)
