"""The steps of a refresh in PostgreSQL: `application.ports.refresh.Refreshes`.

A change and its audit line are one transaction. The outcome of a refresh is stored by one statement of its own.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import psycopg

from service_kit.postgres import queries
from service_kit.postgres.database import Database
from service_kit.postgres.statement import Statement
from vault_service.adapters.audit.log import AuditLog
from vault_service.adapters.encryption.sealing import Sealer
from vault_service.adapters.grants.grant_rows import detail_row, fence, log_refusal, owned
from vault_service.adapters.grants.grant_tokens import GrantTokens
from vault_service.adapters.grants.outbox import Discarded, Outbox
from vault_service.adapters.grants.spool import Spool, Spooled
from vault_service.adapters.grants.uses import use_of
from vault_service.adapters.postgres.locks import AdvisoryLocks
from vault_service.application.errors import (
    CheckedTooOftenError,
    GrantNotFoundError,
    RefusedTooOftenError,
    StorageUnavailableError,
    VaultServiceError,
    error_of,
)
from vault_service.application.ports.provider import TokenAnswer
from vault_service.application.ports.refresh import USABLE, Alone, CallerUse, Finished, StoredGrant, Verdict
from vault_service.domain.audit import AuditPlace, Entry, Event
from vault_service.domain.grant import (
    Failure,
    FailureDetail,
    ObtainedToken,
    RefreshToken,
    Status,
    Subject,
)
from vault_service.domain.grant_terms import GrantTerms, terms_of
from vault_service.domain.usability import GrantState, Requester, refusal_of_check, refusal_of_use

_QUERIES = queries.load(__package__, "refreshes.sql")
_STATE, _BEGIN_ALONE, _FINISH = (Statement(_QUERIES[name]) for name in ("state", "begin_alone", "finish"))
"""The statements of each refresh."""
_STATE_COLUMNS = (
    "status",
    "failure",
    "generation",
    "refresh_token",
    "access_lifetime",
    "lifetime_age",
    "intent_age",
    "is_consent_late",
    "refusals",
    "pause",
    "ended",
    "ends_in",
)
"""The columns of `state` before the grant's terms, in their order."""


class PostgresRefreshes:
    """Grants as the refresh protocol reads and writes them."""

    def __init__(
        self,
        database: Database,
        sealer: Sealer,
        audit: AuditLog,
        outbox: Outbox,
        spool: Spool,
        locks: AdvisoryLocks,
        refused_budget: int,
        assumed_idle: int | None,
    ) -> None:
        """refused_budget: how many refreshes of a grant callers may force in an hour.

        assumed_idle: seconds after which an unused grant ends where nothing else is known, None: never.
        """
        self._database = database
        self._tokens = GrantTokens(sealer)
        self._audit = audit
        self._outbox = outbox
        self._spool = spool
        self._locks = locks
        self._refused_budget = refused_budget
        self._assumed_idle = assumed_idle

    def authorize(self, grant_id: UUID, requester: Requester) -> StoredGrant:
        """The grant, for a requester that may use it now."""
        state, row = self._read(grant_id, requester.owner)
        if refusal := refusal_of_use(state, requester):
            raise error_of(refusal)
        return self._stored(grant_id, requester.owner, state, row)

    def refusal(self, grant_id: UUID, requester: Requester) -> VaultServiceError | None:
        """The error for a requester that may not use the grant now, or None when it may."""
        try:
            state, _ = self._read(grant_id, requester.owner)
        except GrantNotFoundError as error:
            return error
        refusal = refusal_of_use(state, requester)
        return error_of(refusal) if refusal else None

    def claim_check(self, grant_id: UUID, owner: Subject) -> StoredGrant:
        """The grant, once a minute at most."""
        grant = self.checkable(grant_id, owner)
        if self._database.one(_QUERIES["claim_check"], {"id": grant_id}) is None:
            row = self._database.one(_QUERIES["next_check"], {"id": grant_id})
            raise CheckedTooOftenError(row[0] if row else 1.0)
        return grant

    def checkable(self, grant_id: UUID, owner: Subject) -> StoredGrant:
        """The grant when it is active, or failed with its token kept."""
        state, row = self._read(grant_id, owner)
        if refusal := refusal_of_check(state):
            raise error_of(refusal)
        return self._stored(grant_id, owner, state, row)

    def claim_forced(self, grant_id: UUID) -> None:
        """Take one of the grant's refreshes for refused tokens in this hour."""
        claim = {"id": grant_id, "budget": self._refused_budget}
        if self._database.one(_QUERIES["claim_forced"], claim) is None:
            row = self._database.one(_QUERIES["next_forced"], {"id": grant_id})
            raise RefusedTooOftenError(row[0] if row else 1.0)

    @contextmanager
    def begin_alone(self, grant: StoredGrant) -> Iterator[Alone]:
        """Take the grant's lock if it is free, and write the intent, in one statement."""

        def work(connection: psycopg.Connection, lock: int) -> tuple[bool, datetime | None]:
            return self._begun_alone(connection, {**fence(grant), "status": grant.status.value, "lock": lock})

        with self._locks.try_hold_and(grant.id, work) as (is_held, intent):
            yield Alone(is_held, intent)

    def _begun_alone(
        self, connection: psycopg.Connection, parameters: Mapping[str, Any]
    ) -> tuple[bool, datetime | None]:
        row = _BEGIN_ALONE.one(connection, parameters)
        return (False, None) if row is None else (row[0], row[1])

    def begin(self, grant: StoredGrant) -> datetime | None:
        """Write the intent to refresh."""
        seen = {"status": grant.status.value, "is_idle": grant.intent_age is None}
        row = self._database.one(_QUERIES["begin"], {**fence(grant), **seen})
        return None if row is None else row[0]

    def finish(
        self,
        grant: StoredGrant,
        answer: TokenAnswer,
        entry: Entry,
        verdict: Verdict = USABLE,
        use: CallerUse | None = None,
    ) -> Finished:
        """Store the outcome first, so that nothing else can roll it back."""
        obtained = answer.obtained or ObtainedToken(grant.refresh_token, answer.refresh_expires_in)
        outcome = self._outcome(grant, obtained, entry, verdict, answer.expires_in)
        return self._finish(grant, obtained, outcome, entry, use)

    def keep(self, grant: StoredGrant, obtained: ObtainedToken, entry: Entry, verdict: Verdict) -> bool:
        """The same for an answer of which only the refresh token can be used."""
        outcome = self._outcome(grant, obtained, entry, verdict, None)
        return self._finish(grant, obtained, outcome, entry, None).is_stored

    def _outcome(
        self,
        grant: StoredGrant,
        obtained: ObtainedToken,
        entry: Entry,
        verdict: Verdict,
        access_lifetime: float | None,
    ) -> Spooled:
        if verdict.detail is not None:
            log_refusal("grant.answer_refused", grant.id, grant.provider, verdict.failure, verdict.detail)
        return Spooled(
            grant_id=grant.id,
            generation=grant.generation,
            refresh_token=self._tokens.seal(obtained.token, grant.id, grant.owner, grant.generation + 1, grant.terms),
            access_lifetime=access_lifetime,
            refresh_expires_in=obtained.expires_in,
            issuer=grant.owner.issuer,
            subject=grant.owner.sub,
            actor=entry.actor,
            request_id=entry.request_id,
            at=entry.at,
            is_usable=verdict.is_usable,
            failure=verdict.failure.value if verdict.failure else None,
            detail=detail_row(verdict.detail),
            pause=verdict.pause,
            terms=grant.terms,
        )

    def _finish(
        self, grant: StoredGrant, obtained: ObtainedToken, outcome: Spooled, entry: Entry, use: CallerUse | None
    ) -> Finished:
        try:
            finished = self._store(outcome, entry, use)
        except (StorageUnavailableError, psycopg.Error) as error:
            with suppress(OSError):  # without a disk either, only the replay of the old token is left
                self._spool.keep(outcome)
            raise StorageUnavailableError from error
        if not finished.is_stored and obtained.token != grant.refresh_token:
            self._discard_if_ended(grant.id, grant.owner, obtained.token)
        return finished

    def abandon(self, grant: StoredGrant, intent: datetime) -> None:
        """Remove the intent."""
        self._database.one(_QUERIES["abandon"], {**fence(grant), "intent": intent})

    def postpone(self, grant: StoredGrant, seconds: float, detail: FailureDetail) -> None:
        """Send no refresh of this grant for so many seconds."""
        is_idle = grant.intent_age is None
        row = {**fence(grant), "seconds": seconds, "detail": detail_row(detail), "is_idle": is_idle}
        self._database.one(_QUERIES["postpone"], row)

    def refuse(self, grant: StoredGrant, word: str, seconds: float, detail: FailureDetail) -> None:
        """Record a refusal that is not final yet."""
        row = {**fence(grant), "word": word, "seconds": seconds, "detail": detail_row(detail)}
        self._database.one(_QUERIES["refuse"], row)
        log_refusal("grant.refresh_refused", grant.id, grant.provider, None, detail)

    def fail(self, grant: StoredGrant, failure: Failure, entry: Entry, detail: FailureDetail) -> bool:
        """Make the grant failed, fenced by the generation."""
        row = {**fence(grant), "failure": failure.value, "detail": detail_row(detail)}
        is_failed = self._audit.append_if(_QUERIES["fail"], row, entry)
        if is_failed:
            log_refusal("grant.failed", grant.id, grant.provider, failure, detail)
        return is_failed

    def replay_spool(self) -> int:
        """Store the outcomes that are in the spool; their number."""
        return self._spool.replay(self._store_spooled)

    def _read(self, grant_id: UUID, owner: Subject) -> tuple[GrantState, Mapping[str, Any]]:
        found = self._database.one(_STATE, owned(owner, id=grant_id))
        if found is None:
            raise GrantNotFoundError
        row = dict(zip(_STATE_COLUMNS, found[: len(_STATE_COLUMNS)], strict=True))
        terms = row["terms"] = terms_of(owner, found[len(_STATE_COLUMNS) :])
        state = GrantState(
            status=Status(row["status"]),
            failure=Failure(row["failure"]) if row["failure"] else None,
            services=terms.requested.limits.services,
            consent_expired=row["is_consent_late"],
            ended=row["ended"],
            has_token=row["refresh_token"] is not None,
        )
        return state, row

    def _stored(self, grant_id: UUID, owner: Subject, state: GrantState, row: Mapping[str, Any]) -> StoredGrant:
        terms: GrantTerms = row["terms"]
        digest = terms.digest()
        return StoredGrant(
            id=grant_id,
            owner=owner,
            account=terms.account,
            identity=terms.identity,
            provider=terms.requested.provider,
            requested=terms.requested,
            terms=digest,
            status=state.status,
            scopes=terms.scopes,
            generation=row["generation"],
            intent_age=row["intent_age"],
            lifetime=row["access_lifetime"],
            lifetime_age=row["lifetime_age"],
            refresh_token=self._tokens.open(row["refresh_token"], grant_id, owner, row["generation"], digest),
            refusals=tuple(row["refusals"]),
            pause=row["pause"] or 0.0,
            ends_in=row["ends_in"],
        )

    def _store(self, outcome: Spooled, entry: Entry, use: CallerUse | None = None) -> Finished:
        write = {
            "id": outcome.grant_id,
            "generation": outcome.generation,
            "refresh_token": outcome.refresh_token,
            "access_lifetime": outcome.access_lifetime,
            "refresh_expires_in": outcome.refresh_expires_in,
            "assumed_idle": self._assumed_idle,
            "is_usable": outcome.is_usable,
            "failure": outcome.failure,
            "detail": outcome.detail,
            "pause": outcome.pause,
        }
        is_used = self._stored_with(write, entry, use)
        if is_used is not None:
            return Finished(is_stored=True, is_used=is_used)
        # A connection can break after its commit: then the outcome was stored although nobody was told.
        stored = {"id": outcome.grant_id, "refresh_token": outcome.refresh_token}
        return Finished(self._database.one(_QUERIES["is_stored"], stored) is not None)

    def _stored_with(self, write: Mapping[str, Any], entry: Entry, use: CallerUse | None) -> bool | None:
        """True when the use was recorded with the outcome; None when the outcome was not stored."""
        if use is not None:
            with suppress(psycopg.Error):  # a fault in the use must not affect the outcome

                def as_written(place: AuditPlace) -> str:
                    return msgspec.json.encode([use_of(self._audit, *use, place)]).decode()

                return self._audit.record_with_use(_FINISH, write, entry, as_written)
        is_stored = self._audit.record(_FINISH, {**write, "uses": "[]"}, entry)
        return False if is_stored else None

    def _store_spooled(self, outcome: Spooled) -> None:
        grant_id, owner = outcome.grant_id, Subject(outcome.issuer, outcome.subject)
        actor, request_id = outcome.actor, outcome.request_id
        entry = Entry(Event.GRANT_REFRESHED, grant_id, owner, actor, request_id, outcome.at, "spooled")
        if self._store(outcome, entry).is_stored:
            return
        generation = outcome.generation + 1
        token = self._tokens.open_if_readable(outcome.refresh_token, grant_id, owner, generation, outcome.terms)
        if token is not None:
            self._discard_if_ended(grant_id, owner, token)
        self._audit.append(replace(entry, outcome="spooled_too_late"))

    def _discard_if_ended(self, grant_id: UUID, owner: Subject, token: RefreshToken) -> None:
        """Revoke a token that came after its grant had ended; one that lost a race against another refresh is left."""
        with self._database.transaction() as connection:
            row = connection.execute(_QUERIES["provider_if_ended"], {"id": grant_id}).fetchone()
            if row is not None:
                self._outbox.add(connection, Discarded(grant_id, owner, row[0], token))
