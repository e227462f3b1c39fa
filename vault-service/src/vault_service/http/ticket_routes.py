"""Tickets: a service or the owner makes them; the maker or the owner extends and ends them; the owner lists them."""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

import msgspec
from flask import Response, request

from service_kit.http import inputs, problems
from service_kit.http.app import authenticate, is_public, respond
from service_kit.http.inputs import Input, Output
from service_kit.http.openapi import Api
from service_kit.http.text import LINE, VISIBLE
from service_kit.process import logs
from service_kit.tokens.bearer import Claims
from vault_service.application.errors import (
    ConsentPendingError,
    GrantNotFoundError,
    GrantUnusableError,
    InvalidScopeError,
    PublicMintRefusedError,
    ServiceNotAllowedError,
    TicketNotFoundError,
    TicketOverError,
    TooManyTicketsError,
    VaultServiceError,
)
from vault_service.application.tickets import TicketActor, TicketOptions
from vault_service.domain.audit import AuditedWork
from vault_service.domain.ticket import Ticket
from vault_service.http import callers
from vault_service.http.schemas import Line, Moment, ScopeName
from vault_service.http.vault import Vault

USUAL_LIFE = 3600
"""Seconds that a ticket lives when the caller does not say; less where `VAULT_TICKET_MAX_LIFE` is less."""
Seconds = Annotated[int, msgspec.Meta(ge=1, le=31_622_400)]


class NewTicket(Input, frozen=True, kw_only=True):
    """A ticket to make.

    id: a persistent token id; name: what the ticket is for, which people read; subject: the owner for whom a service
    acts; scopes: a part of the token's, all without them; maxUses: how many access tokens it may give; expiresIn:
    seconds, an hour without it; taskId, attempt: what a service makes it for, in its own words; each line of the audit
    about the ticket has them.
    """

    id: str
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=LINE, extra_json_schema=VISIBLE)]
    subject: Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=LINE)] | None = None
    scopes: Annotated[tuple[ScopeName, ...], msgspec.Meta(max_length=20)] = ()
    max_uses: Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)] | None = None
    expires_in: Seconds | None = None
    task_id: Line | None = None
    attempt: Annotated[int, msgspec.Meta(ge=1, le=2**53 - 1)] | None = None

    def work(self) -> AuditedWork | None:
        """The attempt of a task that it is for. Problem: 422 `invalid_input` when one of both is missing."""
        if (self.task_id is None) != (self.attempt is None):
            raise inputs.invalid("/attempt", "taskId and attempt are given together")
        return None if self.task_id is None or self.attempt is None else AuditedWork(self.task_id, self.attempt)


class TicketExtension(Input, frozen=True, kw_only=True):
    """expiresIn: seconds from now to the ticket's new end, an hour without it."""

    expires_in: Seconds | None = None


class TicketView(Output, frozen=True, kw_only=True):
    """A ticket without its secret.

    scopes: absent when it has all of the token's; maker: the client that made it; madeByOwner: false when a service
    made it; uses: access tokens given; taskId, attempt: what it was made for.
    """

    ticket_id: UUID
    persistent_token_id: UUID
    name: str
    maker: str
    made_by_owner: bool
    created_at: Moment
    expires_at: Moment
    uses: int
    scopes: tuple[str, ...] = ()
    max_uses: int | None = None
    last_used_at: Moment | None = None
    task_id: str | None = None
    attempt: int | None = None


class MadeTicket(TicketView, frozen=True, kw_only=True):
    """A ticket that was just made. ticket: its text, which is shown this once."""

    ticket: str

    def __repr__(self) -> str:
        return "***"


class TicketList(Output, frozen=True, kw_only=True):
    """The usable tickets of an offline token, the newest first."""

    tickets: list[TicketView]


class EndedTicket(Output, frozen=True, kw_only=True):
    """The ticket has ended: no replica gives an access token for it."""

    status: str
    ticket_id: UUID


def add_routes(api: Api, vault: Vault, tag: str) -> None:
    """Declare the routes."""
    _creation(api, vault, tag)
    _listing(api, vault, tag)
    _changes(api, vault, tag)


def _creation(api: Api, vault: Vault, tag: str) -> None:
    @api.route(
        "POST",
        "/tickets",
        tag=tag,
        body=NewTicket,
        answers={201: MadeTicket},
        raises=(
            InvalidScopeError,
            ServiceNotAllowedError,
            PublicMintRefusedError,
            GrantNotFoundError,
            ConsentPendingError,
            GrantUnusableError,
            TooManyTicketsError,
        ),
    )
    def create_ticket() -> Response:
        """Make a ticket.

        A ticket is a bearer credential for one offline token, for a place that holds no other. The caller is a service
        with the role to mint, which names the owner in `subject`; or the owner, through a client that is allowed to.
        """
        claims = authenticate(vault.verifier)
        wanted = inputs.body(request, NewTicket)
        try:
            requester = vault.policy.requester(claims, wanted.subject, is_public=is_public())
        except VaultServiceError as error:
            callers.refused(vault.refusals, claims, wanted.id, wanted.subject, error)
            raise
        options = TicketOptions(
            grant_id=callers.grant_id(wanted.id),
            requester=requester,
            name=wanted.name,
            scopes=frozenset(wanted.scopes),
            max_uses=wanted.max_uses,
            life=_life(wanted.expires_in, vault.ticket_max_life),
            work=wanted.work(),
        )
        secret, ticket = vault.tickets.create(options, logs.request_id.get() or "")
        return respond(MadeTicket(ticket=secret.reveal(), **_members(ticket)), 201)


def _listing(api: Api, vault: Vault, tag: str) -> None:
    @api.route(
        "GET",
        "/tokens/<token_id>/tickets",
        tag=tag,
        answers={200: TicketList},
        raises=(problems.FORBIDDEN, GrantNotFoundError),
    )
    def list_tickets(token_id: str) -> Response:
        """List the usable tickets of an offline token.

        The newest comes first. A ticket that has ended is not listed; the audit tells of it.
        """
        owner = vault.policy.person(authenticate(vault.verifier))
        tickets = vault.tickets.of_grant(callers.grant_id(token_id), owner)
        return respond(_listed(tickets))


def _changes(api: Api, vault: Vault, tag: str) -> None:
    @api.route(
        "POST",
        "/tickets/<ticket_id>/extend",
        tag=tag,
        body=TicketExtension,
        answers={200: TicketView},
        raises=(
            TicketNotFoundError,
            TicketOverError,
            ServiceNotAllowedError,
            GrantNotFoundError,
            ConsentPendingError,
            GrantUnusableError,
        ),
    )
    def extend_ticket(ticket_id: str) -> Response:
        """Extend a ticket.

        For its maker and the owner. A ticket that has ended stays so.
        """
        claims = authenticate(vault.verifier)
        life = _life(inputs.optional_body(request, TicketExtension).expires_in, vault.ticket_max_life)
        ticket = vault.tickets.extend(_ticket_id(ticket_id), _actor(vault, claims), life)
        return respond(TicketView(**_members(ticket)))

    @api.route("DELETE", "/tickets/<ticket_id>", tag=tag, answers={200: EndedTicket}, raises=(TicketNotFoundError,))
    def end_ticket(ticket_id: str) -> Response:
        """End a ticket.

        For its maker and the owner. Idempotent.
        """
        claims = authenticate(vault.verifier)
        known = _ticket_id(ticket_id)
        vault.tickets.end(known, _actor(vault, claims))
        return respond(EndedTicket(status="ended", ticket_id=known))


def _actor(vault: Vault, claims: Claims) -> TicketActor:
    return callers.ticket_actor(claims, vault.policy.mint_role, logs.request_id.get() or "")


def _life(wanted: int | None, most: int) -> int:
    if wanted is None:
        return min(USUAL_LIFE, most)
    if wanted > most:
        raise inputs.invalid("/expiresIn", f"is more than {most} seconds")
    return wanted


def _ticket_id(text: str) -> UUID:
    """Parse a ticket's public id. Raises TicketNotFoundError for text that is not a UUID in canonical form."""
    try:
        return callers.grant_id(text)
    except GrantNotFoundError:
        raise TicketNotFoundError from None


def _members(ticket: Ticket) -> dict[str, Any]:
    return {
        "ticket_id": ticket.id,
        "persistent_token_id": ticket.grant_id,
        "name": ticket.name,
        "maker": ticket.maker,
        "made_by_owner": ticket.made_by_owner,
        "created_at": ticket.created_at,
        "expires_at": ticket.expires_at,
        "uses": ticket.uses,
        "scopes": tuple(sorted(ticket.scopes)),
        "max_uses": ticket.max_uses,
        "last_used_at": ticket.last_used_at,
        "task_id": ticket.work.task_id if ticket.work else None,
        "attempt": ticket.work.attempt if ticket.work else None,
    }


def _listed(tickets: Sequence[Ticket]) -> TicketList:
    return TicketList(tickets=[TicketView(**_members(ticket)) for ticket in tickets])
