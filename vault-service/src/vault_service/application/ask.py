"""Consents that services ask for: the owner sees who asks and for what, then proceeds to the authorization server or
declines.

Nothing is sent to an authorization server before the owner has seen the question. An unanswered question expires.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from vault_service.application.authorization_request import AuthorizationRequests
from vault_service.application.consent import CONSENT_LIFETIME, ConsentOptions, ConsentStarted, pending_grant
from vault_service.application.errors import TooManyConsentsError
from vault_service.application.ports.consent import AskedConsents
from vault_service.application.ports.runtime import Clock
from vault_service.domain.audit import Entry, Event
from vault_service.domain.grant import Failure, Subject
from vault_service.domain.return_address import ReturnTo
from vault_service.domain.terms import Terms

MOST_OPEN = 20
"""How many open questions one service may have for one person."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question that waits for its owner, until `expires_at`."""

    grant_id: UUID
    expires_at: datetime


class AskConsent:
    """Stores the questions of services, and the owners' answers before the authorization server is involved."""

    def __init__(
        self,
        asked: AskedConsents,
        requests: AuthorizationRequests,
        terms: Mapping[str, Terms],
        clock: Clock,
        life: timedelta,
    ) -> None:
        """life: of a question."""
        self._asked = asked
        self._requests = requests
        self._terms = terms
        self._clock = clock
        self._life = life

    def ask(self, options: ConsentOptions) -> Question:
        """Store a pending grant for which its owner is to be asked. Raises TooManyConsentsError."""
        now = self._clock.now()
        grant = pending_grant(options, self._terms[options.provider], uuid4(), now + self._life)
        entry = Entry(Event.CONSENT_REQUESTED, grant.id, options.owner, options.client, options.request_id, now)
        if not self._asked.add_question(grant, MOST_OPEN, entry):
            raise TooManyConsentsError
        return Question(grant.id, grant.consent_expires_at)

    def begin(self, grant_id: UUID, owner: Subject, *, browser_bound: bool) -> ConsentStarted:
        """The URL at which the owner consents, after the owner has accepted the question.

        Raises GrantNotFoundError, ConsentNotOpenError, ProviderUnavailableError.
        """
        question = self._asked.open_question(grant_id, owner)
        expires_at = self._clock.now() + CONSENT_LIFETIME
        made = self._requests.make(
            grant_id, owner, question.provider, question.scopes, browser_bound=browser_bound, expires_at=expires_at
        )
        self._asked.add_request(made.stored, owner)
        return ConsentStarted(
            grant_id=grant_id,
            url=made.url,
            expires_at=expires_at,
            state=made.state,
            browser_secret=made.browser_secret,
        )

    def decline(self, grant_id: UUID, owner: Subject, client: str, request_id: str) -> ReturnTo | None:
        """End the question with the owner's no; the address to which the browser returns. Raises GrantNotFoundError,
        ConsentNotOpenError.
        """
        question = self._asked.open_question(grant_id, owner)
        denied = Failure.CONSENT_DENIED
        now = self._clock.now()
        entry = Entry(Event.CONSENT_DENIED, grant_id, owner, client, request_id, now, denied.value)
        self._asked.decline(grant_id, denied, entry)
        return question.back
