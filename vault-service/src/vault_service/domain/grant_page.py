"""The order of an owner's grants, live ones first, and the position at which the next page begins."""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from vault_service.domain.grant import Grant, Status

_RANKS: Final = {Status.ACTIVE: 1, Status.PENDING: 2, Status.FAILED: 3}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_RANK: Final = 4


@dataclass(frozen=True, slots=True)
class GrantPosition:
    """Behind one grant: its rank (1 for active to 4 for ended), when it was created, and its id."""

    rank: int
    created_at: datetime
    id: UUID

    @classmethod
    def of(cls, grant: Grant) -> "GrantPosition":
        """Behind this grant."""
        return cls(_RANKS.get(grant.status, _LAST_RANK), grant.created_at, grant.id)

    @classmethod
    def parse(cls, text: str) -> "GrantPosition":
        """The position of a text that `str` has made. Raises ValueError for all other text."""
        try:
            rank, microseconds, grant_id = urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii").split(".")
            position = cls(int(rank), _EPOCH + timedelta(microseconds=int(microseconds)), UUID(grant_id))
        except (binascii.Error, UnicodeDecodeError, OverflowError) as error:
            raise ValueError("is no position") from error
        if not 1 <= position.rank <= _LAST_RANK or str(position) != text:
            raise ValueError("is no position")
        return position

    def __str__(self) -> str:
        microseconds = (self.created_at - _EPOCH) // timedelta(microseconds=1)
        return urlsafe_b64encode(f"{self.rank}.{microseconds}.{self.id}".encode()).rstrip(b"=").decode()
