"""Checks grants at their authorization servers without being asked, by a refresh each. No check counts as a use.

There are two reasons. *Siblings*: a server that names no sessions (no `session_state`) does not show which grants of an
account share one. The revocation of one grant may then have ended the others there, and a refresh shows it. *Unused
grants*: many servers end a refresh token that is not used for some time. A refresh keeps it alive.
"""

from collections.abc import Callable

from vault_service.application.errors import GrantUnusableError, ProviderUnavailableError, VaultServiceError
from vault_service.application.ports.checks import DueChecks
from vault_service.application.ports.runtime import AuditWriter, Clock
from vault_service.application.refresh import Refresher
from vault_service.application.token_request import TokenRequest
from vault_service.domain.audit import Entry, Event
from vault_service.domain.usability import Requester

VAULT = "vault"
UNAVAILABLE = "unavailable"


class CheckDue:
    """A background job for one reason. Several replicas may run it at once: each takes other grants."""

    def __init__(
        self,
        event: Event,
        due: DueChecks,
        refresher: Refresher,
        audit: AuditWriter,
        clock: Clock,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        """event: of the audit's line; report: is told each outcome: `ok`, `unavailable`, or a code."""
        self._event = event
        self._due = due
        self._refresher = refresher
        self._audit = audit
        self._clock = clock
        self._report = report

    def check_one(self) -> bool:
        """Check one grant that is due; False when there is none. Raises StorageUnavailableError.

        While its server is unavailable it stays due.
        """
        due = self._due.take()
        if due is None:
            return False
        request = TokenRequest(
            grant_id=due.grant_id,
            requester=Requester(VAULT, is_owner=True, owner=due.owner),
            scopes=frozenset(),
            min_valid=0.0,
            request_id=due.grant_id.hex,
        )
        outcome = "ok"
        try:
            self._refresher.check(request, due.provider)
        except ProviderUnavailableError as error:
            self._due.postpone(due.grant_id, error.retry_after)
            self._report(UNAVAILABLE)
            return True
        except GrantUnusableError as error:
            outcome = error.reason.value
        except VaultServiceError as error:
            outcome = type(error).__name__
        entry = Entry(self._event, due.grant_id, due.owner, VAULT, request.request_id, self._clock.now(), outcome)
        self._audit.append(entry)
        self._due.finish(due.grant_id, is_alive=outcome == "ok")
        self._report(outcome)
        return True
