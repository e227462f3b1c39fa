"""The bodies and queries of the vault's API, as they go over the wire."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec

from service_kit.http.inputs import Input, Output
from service_kit.http.text import LINE, VISIBLE
from vault_service.domain.grant import Failure, FailureDetail, Grant, Status, TokenType

Line = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=LINE)]
_ID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
TaskIds = Annotated[tuple[Line, ...], msgspec.Meta(min_length=1, max_length=100)]
IDS = rf"^{_ID}(,{_ID}){{0,99}}$(?!\n)"
"""Pattern for up to 100 persistent token ids, separated by commas."""
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100, pattern=LINE, extra_json_schema=VISIBLE)]
ScopeName = Annotated[str, msgspec.Meta(min_length=1, max_length=100, pattern=r"^[\x21\x23-\x5b\x5d-\x7e]+$(?!\n)")]
Scope = Annotated[str, msgspec.Meta(max_length=1000, pattern=r"^[\x20\x21\x23-\x5b\x5d-\x7e]*$(?!\n)")]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
"""A point in time; RFC 3339 in UTC on the wire."""


class NewConsent(Input, frozen=True, kw_only=True):
    """A consent to request. Every member is optional.

    taskId: opaque, kept with the token; taskIds: the same for up to 100 tasks, instead of taskId; provider: a
    configured authorization server; tokenType: `offline` outlives the login, `refresh` ends with it; scopes: in
    addition to `openid`; services: client ids that may use the token; notAfter: when the token ends; maxUses: how many
    access tokens it may give; name: what it is for, for people. A service that asks a person gives a name, subject: the
    person's `sub`, and returnTo: where the browser goes then.
    """

    subject: Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=LINE)] | msgspec.UnsetType = (
        msgspec.UNSET
    )
    name: Name | msgspec.UnsetType = msgspec.UNSET
    return_to: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)] | msgspec.UnsetType = msgspec.UNSET
    task_id: Line | msgspec.UnsetType = msgspec.UNSET
    task_ids: TaskIds | msgspec.UnsetType = msgspec.UNSET
    provider: Line | msgspec.UnsetType = msgspec.UNSET
    token_type: TokenType = TokenType.OFFLINE
    scopes: Annotated[tuple[ScopeName, ...], msgspec.Meta(max_length=20)] = ()
    services: Annotated[list[Line], msgspec.Meta(min_length=1, max_length=20)] | msgspec.UnsetType = msgspec.UNSET
    not_after: Moment | msgspec.UnsetType = msgspec.UNSET
    max_uses: Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)] | msgspec.UnsetType = msgspec.UNSET


class PendingConsent(Output, frozen=True, kw_only=True):
    """A pending offline token. consentUrl: where its owner grants consent; expiresAt: when the request ends."""

    consent_url: str
    persistent_token_id: UUID
    expires_at: Moment
    message: str

    def __repr__(self) -> str:
        return "***"


class NewConfirmation(Input, frozen=True, kw_only=True):
    """A person's word that an account is theirs. secret: that the callback gave the page, in the fragment."""

    secret: Annotated[str, msgspec.Meta(min_length=1, max_length=100, pattern=LINE)]

    def __repr__(self) -> str:
        return "***"


class ConfirmedConsent(Output, frozen=True, kw_only=True):
    """The offline token is active. location: the browser's next address, a path of the page or a service's address."""

    persistent_token_id: UUID
    location: str


class DeclinedConsent(Output, frozen=True, kw_only=True):
    """The owner has said no. location: the browser's next address, a path of the page or a service's address."""

    persistent_token_id: UUID
    location: str


class NewName(Input, frozen=True, kw_only=True):
    """The purpose of an offline token, in its owner's words."""

    name: Name


class GrantsQuery(Input, frozen=True, kw_only=True):
    """taskId, name: only tokens that were requested for this task (among others), or have this name; ids: only these, 1
    to 100, separated by commas; subject: the owner, when a service asks for the tokens that it may use; after: the
    `next` of the previous page; limit: tokens on a page.
    """

    task_id: Line | None = None
    ids: Annotated[str, msgspec.Meta(pattern=IDS)] | None = None
    subject: Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=LINE)] | None = None
    name: Name | None = None
    after: Annotated[str, msgspec.Meta(min_length=1, max_length=120)] | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 1000

    def wanted(self) -> list[UUID] | None:
        """The ids, or None for all."""
        return None if self.ids is None else [UUID(each) for each in self.ids.split(",")]


class GrantQuery(Input, frozen=True, kw_only=True):
    """wait: seconds for which the answer may be held back while the token is `pending`; subject: the owner, when a
    service asks for a token that it may use.
    """

    subject: Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=LINE)] | None = None
    wait: Annotated[int, msgspec.Meta(ge=0, le=60)] = 0


class EndQuery(Input, frozen=True, kw_only=True):
    """subject: the owner, when a service ends a token that no other service may use."""

    subject: Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=LINE)] | None = None


class Account(Output, frozen=True, kw_only=True):
    """A person at an authorization server: `iss` and `sub`."""

    issuer: str
    subject: str


class Asker(Output, frozen=True, kw_only=True):
    """The service that asked. client: its client id; name: for people; returnTo: where the browser goes then."""

    client: str
    name: str
    return_to: str | None = None


class FailureDetails(Output, frozen=True, kw_only=True):
    """The authorization server's answer.

    status: of HTTP; error: the server's word; check: which of the vault's checks failed.
    """

    status: int | None = None
    error: str | None = None
    check: str | None = None


class GrantView(Output, frozen=True, kw_only=True):
    """An offline token as its owner sees it; the token itself is never in an answer.

    failure: why a `failed` token failed; failureDetail: the authorization server's last refusal, also of a token that
    is still tried again; account: the person who consented, where that is not the owner (another
    authorization server's account of theirs); uses: access tokens given; expiresAt: when the authorization server ends
    the token; notAfter, maxUses: limits that the owner set; taskId, taskIds: the
    first, and all that it was requested for; name: what it is for, for people; askedBy: the service that asked for
    it, if the owner did not; answerBy: when a `pending` token's consent expires; keptAlive: true when the vault
    refreshes the token in time although nobody uses it, so that it does not end at `expiresAt`.
    """

    persistent_token_id: UUID
    status: Status
    token_type: TokenType
    provider: str
    scopes: list[str]
    services: list[str]
    created_at: Moment
    uses: int
    kept_alive: bool
    failure: Failure | None = None
    failure_detail: FailureDetails | None = None
    task_id: str | None = None
    task_ids: list[str] | None = None
    name: str | None = None
    asked_by: Asker | None = None
    answer_by: Moment | None = None
    account: Account | None = None
    activated_at: Moment | None = None
    last_used_at: Moment | None = None
    last_refreshed_at: Moment | None = None
    expires_at: Moment | None = None
    not_after: Moment | None = None
    max_uses: int | None = None


class GrantList(Output, frozen=True, kw_only=True):
    """A page of the owner's offline tokens: live ones first. next: the `after` of the next page, absent on the last."""

    tokens: list[GrantView]
    next: str | None = None


class Revoked(Output, frozen=True, kw_only=True):
    """The offline token is revoked: no replica issues another access token for it."""

    status: str
    persistent_token_id: UUID


def grant_view(grant: Grant, names: Mapping[str, str]) -> GrantView:
    """The wire form of a grant. names: of services, by client id."""
    return GrantView(
        name=grant.name,
        asked_by=None
        if grant.asked_by is None
        else Asker(client=grant.asked_by, name=names.get(grant.asked_by, grant.asked_by), return_to=grant.return_to),
        answer_by=grant.consent_expires_at if grant.status is Status.PENDING else None,
        persistent_token_id=grant.id,
        status=grant.status,
        failure=grant.failure,
        failure_detail=_failure_details(grant.failure_detail),
        task_id=grant.task_ids[0] if grant.task_ids else None,
        task_ids=list(grant.task_ids) or None,
        account=None
        if grant.account == grant.owner
        else Account(issuer=grant.account.issuer, subject=grant.account.sub),
        token_type=grant.token_type,
        provider=grant.provider,
        scopes=sorted(grant.scopes),
        services=sorted(grant.limits.services),
        created_at=grant.created_at,
        activated_at=grant.activated_at,
        last_used_at=grant.last_used_at,
        last_refreshed_at=grant.last_refreshed_at,
        expires_at=grant.expires_at,
        not_after=grant.limits.not_after,
        max_uses=grant.limits.max_uses,
        uses=grant.uses,
        kept_alive=grant.kept_alive,
    )


def _failure_details(detail: FailureDetail | None) -> FailureDetails | None:
    if detail is None:
        return None
    return FailureDetails(status=detail.status, error=detail.error, check=detail.check)
