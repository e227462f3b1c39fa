"""Seals the refresh tokens of grants, each for its grant, owner, generation and terms."""

from uuid import UUID

from vault_service.adapters.encryption.sealing import Sealer
from vault_service.application.errors import SealBrokenError
from vault_service.domain import seal_context
from vault_service.domain.grant import RefreshToken, Subject


class GrantTokens:
    """Tokens are sealed before they reach a statement's parameters, and opened after they were read."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def seal(self, token: RefreshToken, grant_id: UUID, owner: Subject, generation: int, terms: bytes) -> bytes:
        """The sealed token. generation, terms: those that the row has once the token is stored; terms: their digest."""
        return self._sealer.seal(token.value.encode(), seal_context.grant_token(grant_id, owner, generation, terms))

    def open(self, sealed: bytes, grant_id: UUID, owner: Subject, generation: int, terms: bytes) -> RefreshToken:
        """The token. Raises SealBrokenError."""
        context = seal_context.grant_token(grant_id, owner, generation, terms)
        return RefreshToken(self._sealer.open(sealed, context).decode())

    def open_if_readable(
        self, sealed: bytes, grant_id: UUID, owner: Subject, generation: int, terms: bytes
    ) -> RefreshToken | None:
        """The token, or None when it cannot be opened: a grant must end all the same."""
        try:
            return self.open(sealed, grant_id, owner, generation, terms)
        except SealBrokenError:
            return None
