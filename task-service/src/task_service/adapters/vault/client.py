"""The vault's API: called with the service's own credentials, on behalf of a person that each call names."""

from collections.abc import Callable, Sequence
from uuid import UUID

import token_vault_client as client
from task_service.application.errors import (
    TicketExpiredError,
    TicketLimitReachedError,
    TokenNotFoundError,
    TokenRefusedError,
    VaultUnavailableError,
)
from task_service.application.ports.vault import AttemptTicket, LinkedGrant, OwnerToken
from task_service.domain.attempt import Attempt
from task_service.domain.owner import Owner
from task_service.domain.task import TokenStatus, parse_id, public_id

_STATUSES = {"pending": TokenStatus.PENDING, "active": TokenStatus.ACTIVE}

_REFUSALS = (client.TokenNotFound, client.ConsentPending, client.GrantUnusable, client.NotAllowed)
TOO_MANY = "too_many_tickets"
SHARED = "service_not_allowed"
"""Code of the vault when a service would end what other services may use."""
EXPIRED = frozenset({"ticket_expired", "ticket_unknown"})
"""Codes of tickets that were not extended in time, or that a restored vault does not know."""


class VaultOverHttp:
    """`application.ports.OwnersVault`."""

    def __init__(self, vault: client.TokenVaultClient) -> None:
        self._vault = vault

    def grant(self, persistent_token_id: UUID, owner: Owner) -> LinkedGrant:
        """One token of the person."""
        try:
            return _linked(self._vault.grant(str(persistent_token_id), subject=owner.sub))
        except client.TokenNotFound:
            raise TokenNotFoundError from None
        except client.VaultError as error:
            raise _unavailable(error) from error

    def grants(self, owner: Owner, task_id: UUID | None = None) -> Sequence[LinkedGrant]:
        """The person's tokens, newest first."""
        try:
            grants = self._vault.grants(subject=owner.sub, task_id=public_id(task_id) if task_id else None)
        except client.VaultError as error:
            raise _unavailable(error) from error
        return [_linked(grant) for grant in grants]

    def revoke(self, persistent_token_id: UUID, owner: Owner) -> bool:
        """Revoke a token of the person that no other service may use."""
        try:
            self._vault.revoke(str(persistent_token_id), subject=owner.sub)
        except client.TokenNotFound:
            raise TokenNotFoundError from None
        except client.VaultError as error:
            if error.code == SHARED:
                return False
            raise _unavailable(error) from error
        return True

    def linked(self, owner: Owner, ids: Sequence[UUID]) -> Sequence[LinkedGrant]:
        """The tokens among these that are the person's."""
        try:
            grants = self._vault.grants(subject=owner.sub, ids=[str(each) for each in ids])
        except client.VaultError as error:
            raise _unavailable(error) from error
        return [_linked(grant) for grant in grants]


class TicketsOverHttp:
    """`application.ports.TicketVault`."""

    def __init__(self, vault: client.TokenVaultClient, by_ticket: Callable[[str], client.TokenVaultClient]) -> None:
        """vault: with the service's own credentials; by_ticket: a client that has a ticket and nothing else."""
        self._vault = vault
        self._by_ticket = by_ticket

    def open(self, attempt: Attempt, seconds: int) -> AttemptTicket:
        """Make a ticket that names task and attempt, so that the vault's audit does."""
        task_id = public_id(attempt.key.task_id)
        try:
            made = self._vault.create_ticket(
                str(attempt.persistent_token_id),
                f"{task_id}, attempt {attempt.key.fence}",
                subject=attempt.owner.sub,
                expires_in=seconds,
                task_id=task_id,
                attempt=attempt.key.fence,
            )
        except _REFUSALS as error:
            raise (TicketLimitReachedError if error.code == TOO_MANY else TokenRefusedError) from error
        except client.VaultError as error:
            raise _unavailable(error) from error
        return AttemptTicket(UUID(made.info.ticket_id), made.value)

    def extend(self, ticket_id: UUID, seconds: int) -> None:
        """Move its end; the attempt finds out by itself when the ticket or its grant has ended."""
        self._change(lambda: self._vault.extend_ticket(str(ticket_id), expires_in=seconds))

    def end(self, ticket_id: UUID) -> None:
        """End it; one that is gone has ended."""
        self._change(lambda: self._vault.end_ticket(str(ticket_id)))

    def access_token(self, ticket: AttemptTicket) -> OwnerToken:
        """A fresh access token by the ticket alone."""
        return access_token_by(self._by_ticket(ticket.value))

    def _change(self, call: Callable[[], object]) -> None:
        try:
            call()
        except _REFUSALS:
            return
        except client.VaultError as error:
            raise _unavailable(error) from error


def access_token_by(vault: client.TokenVaultClient) -> OwnerToken:
    """A fresh access token by the ticket that is the client's credential.

    Raises TicketExpiredError, TokenRefusedError, VaultUnavailableError.
    """
    try:
        token = vault.access_token()
    except client.NotAuthenticated as error:
        if error.code in EXPIRED:
            raise TicketExpiredError from error
        if error.code.startswith("ticket_"):
            raise TokenRefusedError from error
        raise _unavailable(error) from error
    except _REFUSALS as error:
        raise TokenRefusedError from error
    except client.VaultError as error:
        raise _unavailable(error) from error
    return OwnerToken(token.value, token.expires_at, token.scopes, token.expires_in)


def _linked(grant: client.GrantInfo) -> LinkedGrant:
    ends = [end for end in (grant.expires_at, grant.not_after) if end is not None]
    return LinkedGrant(
        persistent_token_id=UUID(grant.persistent_token_id),
        status=_STATUSES.get(grant.status, TokenStatus.FAILED),
        ends_at=min(ends, default=None),
        task_ids=frozenset(filter(None, map(parse_id, grant.task_ids))),
    )


def _unavailable(error: client.VaultError) -> VaultUnavailableError:
    return VaultUnavailableError(error.retry_after if isinstance(error, client.VaultUnavailable) else 2.0)
