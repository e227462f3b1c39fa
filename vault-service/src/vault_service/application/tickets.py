"""Tickets (`domain.ticket`): their making, extension and end, and the ticket of a caller who presents one.

A ticket ends with its grant, at its time or with its last use. Its maker, the grant's owner and its holder can end it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from secrets import token_bytes
from uuid import UUID, uuid4

from vault_service.application.bounded import Bounded
from vault_service.application.errors import (
    InvalidScopeError,
    TicketNotFoundError,
    TicketOverError,
    TicketRefusedError,
    VaultServiceError,
)
from vault_service.application.ports.manage import OwnedGrants
from vault_service.application.ports.refresh import UsableGrants
from vault_service.application.ports.runtime import Clock, Telemetry
from vault_service.application.ports.tickets import Tickets
from vault_service.domain.audit import AuditedWork, Entry, Event
from vault_service.domain.grant import Subject
from vault_service.domain.ticket import SECRET_BYTES, Ticket, TicketFault, TicketSecret
from vault_service.domain.usability import Requester

REMEMBERED = 10_000
"""Tickets that a process remembers, unless told otherwise: their use needs one statement. None of them can change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketOptions:
    """The options of a new ticket. scopes: empty for all of the grant's; life: seconds from now; work: its purpose."""

    grant_id: UUID
    requester: Requester
    name: str
    scopes: frozenset[str]
    max_uses: int | None
    life: int
    work: AuditedWork | None = None


@dataclass(frozen=True, slots=True)
class TicketActor:
    """The caller who changes a ticket. service: the client id of a service; owner: the person, if it is none."""

    client: str
    request_id: str
    service: str | None = None
    owner: Subject | None = None

    def may_change(self, ticket: Ticket) -> bool:
        """True for the service that made the ticket, and for the grant's owner."""
        if self.owner is not None:
            return self.owner == ticket.owner
        return self.service == ticket.maker and not ticket.made_by_owner


class ManageTickets:
    """Makes, lists, extends and ends tickets."""

    def __init__(
        self,
        tickets: Tickets,
        grants: UsableGrants,
        owned: OwnedGrants,
        clock: Clock,
        telemetry: Telemetry,
        most: int,
    ) -> None:
        """most: how many tickets of a grant may be usable at once."""
        self._tickets = tickets
        self._grants = grants
        self._owned = owned
        self._clock = clock
        self._telemetry = telemetry
        self._most = most

    def create(self, options: TicketOptions, request_id: str) -> tuple[TicketSecret, Ticket]:
        """Make a ticket for a requester who may use the grant now.

        Raises GrantNotFoundError, ConsentPendingError, GrantUnusableError, ServiceNotAllowedError, InvalidScopeError,
        TooManyTicketsError.
        """
        grant = self._grants.authorize(options.grant_id, options.requester)
        if not options.scopes <= grant.scopes:
            raise InvalidScopeError
        secret = TicketSecret(uuid4(), token_bytes(SECRET_BYTES))
        now = self._clock.now()
        ticket = Ticket(
            id=secret.id,
            grant_id=grant.id,
            owner=grant.owner,
            name=options.name,
            scopes=options.scopes,
            maker=options.requester.client,
            made_by_owner=options.requester.is_owner,
            created_at=now,
            expires_at=now + timedelta(seconds=options.life),
            max_uses=options.max_uses,
            work=options.work,
        )
        entry = self._entry(Event.TICKET_CREATED, ticket, ticket.maker, request_id)
        self._tickets.add(ticket, secret.hash, self._most, entry)
        self._telemetry.ticket("created")
        return secret, ticket

    def of_grant(self, grant_id: UUID, owner: Subject) -> Sequence[Ticket]:
        """The usable tickets of an owner's grant, the newest first. Raises GrantNotFoundError."""
        self._owned.find(grant_id, owner)
        return self._tickets.usable_of(grant_id, owner)

    def extend(self, ticket_id: UUID, actor: TicketActor, life: int) -> Ticket:
        """Move a usable ticket's end to `life` seconds from now; the ticket as it is then.

        Raises TicketNotFoundError, TicketOverError, and what `UsableGrants.authorize` raises.
        """
        ticket = self._changeable(ticket_id, actor)
        if refusal := self._grants.refusal(ticket.grant_id, ticket.requester):
            raise refusal
        entry = self._entry(Event.TICKET_EXTENDED, ticket, actor.client, actor.request_id)
        is_extended = self._tickets.extend(ticket_id, entry.at + timedelta(seconds=life), entry)
        now = self._changeable(ticket_id, actor)
        if not is_extended:
            raise TicketOverError(now.fault_at(entry.at) or TicketFault.EXPIRED)
        self._telemetry.ticket("extended")
        return now

    def end(self, ticket_id: UUID, actor: TicketActor) -> None:
        """End a ticket. Idempotent. Raises TicketNotFoundError."""
        self._end(self._changeable(ticket_id, actor), actor.client, actor.request_id)

    def end_presented(self, text: str, request_id: str) -> None:
        """End the ticket that a caller presents; no error when it is none (RFC 7009 section 2.2)."""
        secret = TicketSecret.parse(text)
        ticket = None if secret is None else self._tickets.presented(secret.id, secret.hash)
        if ticket is not None:
            self._end(ticket, ticket.maker, request_id)

    def _changeable(self, ticket_id: UUID, actor: TicketActor) -> Ticket:
        ticket = self._tickets.find(ticket_id)
        if ticket is None or not actor.may_change(ticket):
            raise TicketNotFoundError
        return ticket

    def _end(self, ticket: Ticket, client: str, request_id: str) -> None:
        if self._tickets.end(ticket.id, self._entry(Event.TICKET_ENDED, ticket, client, request_id)):
            self._telemetry.ticket("ended")

    def _entry(self, event: Event, ticket: Ticket, client: str, request_id: str) -> Entry:
        now = self._clock.now()
        return Entry(event, ticket.grant_id, ticket.owner, client, request_id, now, via=ticket.via)


class PresentedTickets:
    """The tickets of callers who present one instead of an access token."""

    def __init__(self, tickets: Tickets, clock: Clock, telemetry: Telemetry, remembered: int = REMEMBERED) -> None:
        """remembered: how many tickets that were used a moment ago are remembered."""
        self._tickets = tickets
        self._clock = clock
        self._telemetry = telemetry
        self._remembered: Bounded[tuple[UUID, bytes], Ticket] = Bounded(
            remembered, partial(telemetry.forgot, "tickets")
        )

    def open(self, text: str) -> Ticket:
        """The ticket, usable a moment ago. Raises TicketRefusedError, StorageUnavailableError.

        Its use is checked again, and counted, when it is recorded.
        """
        secret = TicketSecret.parse(text)
        if secret is None:
            refusal = self._refused(TicketFault.MISTYPED)
            raise refusal
        ticket = self._tickets.presented(secret.id, secret.hash)
        if ticket is None:
            refusal = self._refused(TicketFault.UNKNOWN)
            raise refusal
        if fault := ticket.fault_at(self._clock.now()):
            refusal = self._refused(fault)
            raise refusal
        self._remembered.put((secret.id, secret.hash), ticket)
        return ticket

    def remembered(self, text: str) -> Ticket | None:
        """A ticket without limited uses that `open` has returned before, perhaps no longer usable; None otherwise.

        Never blocks.
        """
        secret = TicketSecret.parse(text)
        ticket = None if secret is None else self._remembered.get((secret.id, secret.hash))
        if ticket is None or ticket.max_uses is not None or ticket.fault_at(self._clock.now()):
            return None  # its row is looked at: it may have been extended, and its uses are counted there
        return ticket

    def __len__(self) -> int:
        """The number of tickets that this process remembers."""
        return len(self._remembered)

    def refusal(self, ticket_id: UUID) -> VaultServiceError | None:
        """The reason why the ticket gives no access tokens now, or None when it may be used."""
        ticket = self._tickets.find(ticket_id)
        fault = TicketFault.UNKNOWN if ticket is None else ticket.fault_at(self._clock.now())
        return None if fault is None else self._refused(fault)

    def _refused(self, fault: TicketFault) -> TicketRefusedError:
        self._telemetry.ticket(fault.value)
        return TicketRefusedError(fault)
