"""Authorization: maps a caller's verified claims to the requester or owner that the use cases expect."""

from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

from service_kit.http.inputs import invalid
from service_kit.http.problems import FORBIDDEN
from service_kit.process import logs
from service_kit.tokens.bearer import Claims
from vault_service.application.errors import (
    GrantNotFoundError,
    InvalidScopeError,
    PublicMintRefusedError,
    ServiceNotAllowedError,
    TicketMisplacedError,
    VaultServiceError,
)
from vault_service.application.issue import parse_scope
from vault_service.application.refusals import RecordRefusals
from vault_service.application.tickets import TicketActor
from vault_service.application.token_request import TokenRequest
from vault_service.domain.grant import Subject
from vault_service.domain.ticket import Ticket, is_ticket
from vault_service.domain.usability import Requester
from vault_service.http.token_schemas import TokenQuery


@dataclass(frozen=True)
class CallerPolicy:
    """Client ids and the role that the settings name.

    browser_clients: clients of browsers, which get no access token; owner_clients: clients through which an owner gets
    one; mint_role: the role with which a service gets one; consent_role: the one with which a service asks for consent;
    public_mints: True when a service may get access tokens through the gateway.
    """

    browser_clients: frozenset[str]
    owner_clients: frozenset[str]
    mint_role: str
    consent_role: str
    public_mints: bool = False

    def is_service(self, claims: Claims) -> bool:
        """True for a service with a token of its own."""
        return bool({self.mint_role, self.consent_role} & claims.roles)

    def person(self, claims: Claims) -> Subject:
        """The calling person. Problem: 403 `forbidden` for a service account, which owns no grant."""
        if self.is_service(claims):
            raise FORBIDDEN.problem("Only a person may do this; the caller is a service.")
        return owner(claims)

    def reader(self, claims: Claims, subject: str | None) -> tuple[Subject, str | None]:
        """The owner whose grants the caller looks at: the caller, or, for a service, `subject`.

        The second member is the service, whose view is limited to the grants that it may use. Problems: 422
        `invalid_input` when a person names a subject; 403 `forbidden` for a service that names none.
        """
        if not self.is_service(claims):
            if subject is not None:
                raise invalid("/subject", "only a service names a person")
            return owner(claims), None
        if subject is None:
            raise FORBIDDEN.problem("A service must name the owner of the tokens that it looks at in `subject`.")
        return Subject(claims.issuer, subject), claims.client

    def ender(self, claims: Claims, subject: str | None, *, is_public: bool) -> tuple[Subject, str | None]:
        """Whose grant the caller ends, as in `reader`.

        Problem: 403 `forbidden` too for a service that comes through the gateway and may get no access tokens there.
        """
        found = self.reader(claims, subject)
        if found[1] is not None and is_public and not self.public_mints:
            raise FORBIDDEN.problem("Services end tokens inside the network, not through the public gateway.")
        return found

    def requester(self, claims: Claims, subject: str | None, *, is_public: bool) -> Requester:
        """The requester of an access token: a service for the owner that it names, or the owner with an allowed client.

        is_public: True when the request came through the gateway. Raises PublicMintRefusedError for a service that may
        not come from there, ServiceNotAllowedError for all others. Problem: 422 `invalid_input` when a service names no
        owner.
        """
        if claims.client in self.browser_clients:
            raise ServiceNotAllowedError
        if self.mint_role in claims.roles:
            if is_public and not self.public_mints:
                raise PublicMintRefusedError
            if subject is None:
                raise invalid("subject", "a service must name the owner for whom it acts")
            return Requester(claims.client, is_owner=False, owner=Subject(claims.issuer, subject))
        if claims.client in self.owner_clients and subject in {None, claims.subject}:
            return Requester(claims.client, is_owner=True, owner=owner(claims))
        raise ServiceNotAllowedError


def token_request(
    query: TokenQuery, policy: CallerPolicy, claims: Claims, request_id: str, *, is_public: bool
) -> TokenRequest:
    """The request of a caller of `access-token` with an access token of its own. is_public: see `Policy.requester`.

    Problem: 422 `invalid_input` without `id`. Raises what `Policy.requester`, `grant_id` and `parse_scope` raise.
    """
    if query.id is None:
        raise invalid("/id", "is required, except with a ticket")
    return TokenRequest(
        grant_id=grant_id(query.id),
        requester=policy.requester(claims, query.subject, is_public=is_public),
        scopes=parse_scope(query.scope),
        min_valid=float(query.min_valid),
        request_id=request_id,
        refused=query.refused_hash,
    )


def ticket_request(query: TokenQuery, ticket: Ticket, request_id: str) -> TokenRequest:
    """The request of a caller of `access-token` with a ticket; `id` and `subject` must be the ticket's, if given.

    Raises what `parse_scope` raises; InvalidScopeError for scopes that the ticket does not have; GrantNotFoundError and
    ServiceNotAllowedError for another id or subject.
    """
    if query.id is not None and grant_id(query.id) != ticket.grant_id:
        raise GrantNotFoundError
    if query.subject not in {None, ticket.owner.sub}:
        raise ServiceNotAllowedError
    scopes = parse_scope(query.scope)
    if ticket.scopes and not scopes <= ticket.scopes:
        raise InvalidScopeError
    return TokenRequest(
        grant_id=ticket.grant_id,
        requester=ticket.requester,
        scopes=scopes or ticket.scopes,
        min_valid=float(query.min_valid),
        request_id=request_id,
        refused=query.refused_hash,
    )


REFUSALS = (GrantNotFoundError, ServiceNotAllowedError, PublicMintRefusedError)
"""What a service that tries what it may not is answered with."""


def refused(
    refusals: RecordRefusals, claims: Claims, token_id: str | None, subject: str | None, error: VaultServiceError
) -> None:
    """Record that a client other than the owner's was refused."""
    if not isinstance(error, REFUSALS) or subject in {None, claims.subject}:
        return
    with suppress(VaultServiceError):
        refusals.note(
            claims.client,
            grant_id(token_id or ""),
            Subject(claims.issuer, subject or ""),
            logs.request_id.get() or "",
            error,
        )


def ticket_actor(claims: Claims, mint_role: str, request_id: str) -> TicketActor:
    """The caller who extends or ends a ticket: a service, or a person."""
    if mint_role in claims.roles:
        return TicketActor(claims.client, request_id, service=claims.client)
    return TicketActor(claims.client, request_id, owner=owner(claims))


def owner(claims: Claims) -> Subject:
    """The person whose token the claims are of: (`iss`, `sub`)."""
    return Subject(claims.issuer, claims.subject)


@lru_cache(maxsize=4096)
def grant_id(text: str) -> UUID:
    """Parse a grant's id.

    Raises GrantNotFoundError for text that is not a UUID in canonical form (RFC 9562); TicketMisplacedError for a
    ticket.
    """
    if is_ticket(text):
        raise TicketMisplacedError
    try:
        parsed = UUID(text)
    except ValueError:
        raise GrantNotFoundError from None
    if str(parsed) != text.lower():
        raise GrantNotFoundError
    return parsed
