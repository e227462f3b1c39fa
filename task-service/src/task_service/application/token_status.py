"""Token statuses on reads: the first reader for whom it is due asks the vault, all others see what is stored."""

from task_service.application.errors import VaultUnavailableError
from task_service.application.ports import OwnersVault, TokenStatusStore
from task_service.domain.owner import Owner


class RefreshTokenStatuses:
    """Keeps the stored status of linked tokens close to the vault's."""

    def __init__(self, statuses: TokenStatusStore, vault: OwnersVault) -> None:
        self._statuses = statuses
        self._vault = vault

    def when_due(self, owner: Owner, bearer: str) -> None:
        """Ask the vault when that is due. While it is unavailable, the last known statuses stand."""
        if not self._statuses.claim_check(owner):
            return
        try:
            grants = self._vault.grants(bearer)
        except VaultUnavailableError:
            return
        self._statuses.update(owner, {grant.persistent_token_id: grant.status for grant in grants})
