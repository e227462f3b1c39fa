"""The vault's API: called with a person's token for that person, with the service's own for a worker."""

from collections.abc import Sequence
from uuid import UUID

import token_vault_client as client
from task_service.application.errors import TokenNotFoundError, TokenRefusedError, VaultUnavailableError
from task_service.application.ports import LinkedGrant, OwnerToken
from task_service.domain.owner import Owner
from task_service.domain.task import TokenStatus, public_id

_STATUSES = {"pending": TokenStatus.PENDING, "active": TokenStatus.ACTIVE}


class VaultOverHttp:
    """`application.ports.OwnersVault` and `TokenSource`."""

    def __init__(self, vault: client.TokenVaultClient) -> None:
        self._vault = vault

    def grant(self, persistent_token_id: UUID, bearer: str) -> LinkedGrant:
        """One token of the person."""
        try:
            return _linked(self._vault.grant(str(persistent_token_id), bearer))
        except client.TokenNotFound:
            raise TokenNotFoundError from None
        except client.VaultError as error:
            raise _unavailable(error) from error

    def grants(self, bearer: str, task_id: UUID | None = None) -> Sequence[LinkedGrant]:
        """The person's tokens, newest first."""
        try:
            grants = self._vault.grants(bearer, task_id=public_id(task_id) if task_id else None)
        except client.VaultError as error:
            raise _unavailable(error) from error
        return [_linked(grant) for grant in grants]

    def linked(self, bearer: str, ids: Sequence[UUID]) -> Sequence[LinkedGrant]:
        """Those of these tokens that are the person's."""
        try:
            grants = self._vault.grants(bearer, ids=[str(each) for each in ids])
        except client.VaultError as error:
            raise _unavailable(error) from error
        return [_linked(grant) for grant in grants]

    def access_token(self, persistent_token_id: UUID, owner: Owner, min_valid: int) -> OwnerToken:
        """A fresh access token, in the service's own name and on the owner's behalf."""
        try:
            token = self._vault.access_token(str(persistent_token_id), owner.sub, min_valid=min_valid)
        except (client.TokenNotFound, client.ConsentPending, client.GrantUnusable, client.NotAllowed) as error:
            raise TokenRefusedError from error
        except client.VaultError as error:
            raise _unavailable(error) from error
        return OwnerToken(token.value, token.expires_at, token.scopes)


def _linked(grant: client.Grant) -> LinkedGrant:
    ends = [end for end in (grant.expires_at, grant.not_after) if end is not None]
    return LinkedGrant(
        UUID(grant.persistent_token_id), _STATUSES.get(grant.status, TokenStatus.FAILED), min(ends, default=None)
    )


def _unavailable(error: client.VaultError) -> VaultUnavailableError:
    return VaultUnavailableError(error.retry_after if isinstance(error, client.VaultUnavailable) else 2.0)
