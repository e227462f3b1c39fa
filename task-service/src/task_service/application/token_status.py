"""Token statuses on reads: the first reader for whom it is due asks the vault, all others see what is stored."""

from collections.abc import Iterator, Sequence
from uuid import UUID

from task_service.application.errors import TokenNotFoundError, VaultUnavailableError
from task_service.application.ports.tasks import TokenStatusStore
from task_service.application.ports.vault import LinkedGrant, OwnersVault
from task_service.domain.owner import Owner
from task_service.domain.task import TokenStatus

ASK_AT_MOST = 100
"""Linked tokens that one check asks for; a person with more has them checked in turn."""
CONFIRM_AT_MOST = 5
"""Tokens missing in the vault's answer that one check asks for singly."""


class RefreshTokenStatuses:
    """Keeps the stored status of linked tokens close to the vault's."""

    def __init__(self, statuses: TokenStatusStore, vault: OwnersVault) -> None:
        self._statuses = statuses
        self._vault = vault

    def when_due(self, owner: Owner) -> None:
        """Ask the vault when that is due. While it is unavailable, the last known statuses stand.

        A check costs one request, and at most CONFIRM_AT_MOST more when tokens are missing in an answer. A token that a
        list lacks has not failed; it has failed when the vault says so about this token alone.
        """
        if not self._statuses.claim_check(owner):
            return
        asked = self._statuses.next_linked(owner, ASK_AT_MOST)
        if not asked:
            return
        try:
            found = {grant.persistent_token_id: grant.status for grant in self._vault.linked(owner, asked)}
            missing = [token_id for token_id in asked if token_id not in found]
            found |= {grant.persistent_token_id: grant.status for grant in self._confirmed(owner, missing)}
        except VaultUnavailableError:
            return
        self._statuses.update(owner, found)

    def _confirmed(self, owner: Owner, missing: Sequence[UUID]) -> Iterator[LinkedGrant]:
        for token_id in missing[:CONFIRM_AT_MOST]:
            try:
                yield self._vault.grant(token_id, owner)
            except TokenNotFoundError:
                yield LinkedGrant(token_id, TokenStatus.FAILED)
