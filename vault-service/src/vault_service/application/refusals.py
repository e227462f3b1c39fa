"""Records that a service was refused an access token: a stolen client that tries what it may not leaves lines.

A caller can be refused without end, so that a process writes a bounded number of lines for each client and minute. The
first line of a later minute tells how many were left out.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from uuid import UUID

from vault_service.application.errors import StorageUnavailableError, VaultServiceError
from vault_service.application.ports.issue import GrantOwners
from vault_service.application.ports.runtime import AuditWriter, Clock, Telemetry
from vault_service.domain.audit import Entry, Event
from vault_service.domain.grant import Subject

LINES_A_MINUTE = 10
MOST_CLIENTS = 1000


@dataclass(slots=True)
class _Minute:
    """The lines of one client in one minute. left_out: refusals without a line since the last one."""

    began: float
    lines: int = 0
    left_out: int = 0


class RecordRefusals:
    """Writes the lines of one process. Thread-safe; it never raises."""

    def __init__(
        self,
        owners: GrantOwners,
        audit: AuditWriter,
        clock: Clock,
        telemetry: Telemetry,
        timer: Callable[[], float] = monotonic,
    ) -> None:
        """timer: seconds, monotonic."""
        self._owners = owners
        self._audit = audit
        self._clock = clock
        self._telemetry = telemetry
        self._timer = timer
        self._lock = threading.Lock()
        self._minutes: dict[str, _Minute] = {}

    def note(self, client: str, grant_id: UUID, named: Subject, request_id: str, error: VaultServiceError) -> None:
        """A client was refused an access token. named: the owner for whom it acts, as it says.

        The line is the real owner's, if there is such a grant.
        """
        self._telemetry.refused(type(error).__name__)
        left_out = self._admitted(client)
        if left_out is None:
            return
        reason = f"{left_out} more were not recorded" if left_out else None
        try:
            owner = self._owners.owner_of(grant_id) or named
            now = self._clock.now()
            outcome = type(error).__name__.removesuffix("Error")
            self._audit.append(
                Entry(Event.TOKEN_REFUSED, grant_id, owner, client, request_id, now, outcome, reason=reason)
            )
        except StorageUnavailableError:
            return  # nothing was given, so nothing has to be recorded

    def _admitted(self, client: str) -> int | None:
        """The number of refusals left out since the client's last line; None when this one is left out, too."""
        now = self._timer()
        with self._lock:
            minute = self._minutes.get(client)
            if minute is None:
                if len(self._minutes) >= MOST_CLIENTS:
                    del self._minutes[next(iter(self._minutes))]
                    self._telemetry.forgot("clients")
                minute = self._minutes[client] = _Minute(now)
            if now - minute.began >= 60.0:
                minute.began, minute.lines = now, 0
            if minute.lines >= LINES_A_MINUTE:
                minute.left_out += 1
                return None
            minute.lines += 1
            left_out, minute.left_out = minute.left_out, 0
            return left_out
