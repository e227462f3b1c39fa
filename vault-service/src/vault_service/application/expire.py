"""Expires grants that have ended: their tokens are removed here and revoked at the authorization server.

Nothing depends on when this runs: a grant that has ended gives no token, whatever its row says.
"""

from collections.abc import Callable
from uuid import UUID, uuid4

from vault_service.application.ports.ending import ExpiringGrants
from vault_service.application.ports.runtime import Clock
from vault_service.domain.audit import Entry, Event
from vault_service.domain.grant import Subject


class ExpireGrants:
    """A background job. Several replicas may run it at once: each takes other rows."""

    def __init__(self, grants: ExpiringGrants, clock: Clock, days: int) -> None:
        """days: after which a failed grant that was neither used nor checked is expired."""
        self._grants = grants
        self._clock = clock
        self._days = days

    def expire_ended(self) -> int:
        """Expire all grants whose time or uses are up; their number. Raises StorageUnavailableError."""
        return _repeat(lambda: self._grants.expire_ended(self._entry))

    def expire_forgotten(self) -> int:
        """Expire all grants that failed so long ago; their number. Raises StorageUnavailableError."""
        return _repeat(lambda: self._grants.expire_forgotten(self._days, self._entry))

    def _entry(self, grant_id: UUID, owner: Subject) -> Entry:
        return Entry(Event.GRANT_EXPIRED, grant_id, owner, "vault", uuid4().hex, self._clock.now())


def _repeat(step: Callable[[], bool]) -> int:
    """Repeat a step until it has nothing more to do; how often it had."""
    done = 0
    while step():
        done += 1
    return done
