"""Checks grants that are due to be checked, each once: siblings of a revoked grant, and grants that nobody uses.

At a server that names no sessions (no `session_state`), nobody knows which grants of an account share one: the
revocation of one may have ended the others there. A refresh shows it, so that the owner is told and nobody waits for a
dead grant.
"""

from vault_service.application.errors import GrantUnusableError, ProviderUnavailableError, VaultError
from vault_service.application.ports.ending import Siblings
from vault_service.application.ports.runtime import AuditWriter, Clock
from vault_service.application.refresh import Refresher
from vault_service.application.token_request import TokenRequest
from vault_service.domain.audit import Entry, Event
from vault_service.domain.usability import Requester

VAULT = "vault"


class CheckSiblings:
    """A background job. Several replicas may run it at once: each takes other grants."""

    def __init__(self, siblings: Siblings, refresher: Refresher, audit: AuditWriter, clock: Clock) -> None:
        self._siblings = siblings
        self._refresher = refresher
        self._audit = audit
        self._clock = clock

    def check_one(self) -> bool:
        """Check one sibling that is due; False when there is none. Raises StorageUnavailableError.

        While its server is unavailable it stays due.
        """
        due = self._siblings.take_sibling()
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
        except ProviderUnavailableError:
            return True
        except GrantUnusableError as error:
            outcome = error.reason.value
        except VaultError as error:
            outcome = type(error).__name__
        entry = Entry(
            Event.GRANT_CHECKED, due.grant_id, due.owner, VAULT, request.request_id, self._clock.now(), outcome
        )
        self._audit.append(entry)
        self._siblings.forget_sibling(due.grant_id)
        return True
