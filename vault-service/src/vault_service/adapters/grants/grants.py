"""Grants in PostgreSQL: `application.ports.Grants`. Tokens are sealed before they reach a statement's parameters.

A change and its line in the audit are one transaction; only a refresh is stored by itself before it is recorded.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import psycopg

from service_kit.postgres import queries
from service_kit.postgres.database import Database, Row
from vault_service.adapters.audit.log import AuditLog
from vault_service.adapters.encryption.sealing import Sealer
from vault_service.adapters.grants.grant_rows import (
    account_of,
    fence,
    grant_of,
    new_grant_row,
    owned,
    raise_unless_usable,
)
from vault_service.adapters.grants.outbox import Discarded, Outbox
from vault_service.adapters.grants.spool import Spool, Spooled
from vault_service.adapters.grants.uses import Uses
from vault_service.application.errors import (
    CONSENT_INVALID,
    CheckedTooOftenError,
    ConsentError,
    GrantNotFoundError,
    SealBrokenError,
    ServiceNotAllowedError,
    StorageUnavailableError,
)
from vault_service.application.ports import (
    ClaimedConsent,
    ConsentRequest,
    NewGrant,
    Requester,
    StoredGrant,
    TokenAnswer,
)
from vault_service.domain import seal_context
from vault_service.domain.audit import Entry, Event
from vault_service.domain.grant import Failure, Grant, Identity, RefreshToken, Status, Subject, TokenType

_GRANTS = queries.load(__package__, "grants.sql")


class PostgresGrants:
    """The vault's grants."""

    def __init__(
        self, database: Database, sealer: Sealer, audit: AuditLog, uses: Uses, outbox: Outbox, spool: Spool
    ) -> None:
        self._database = database
        self._uses = uses
        self._sealer = sealer
        self._audit = audit
        self._outbox = outbox
        self._spool = spool

    # consent

    def add(self, grant: NewGrant, request: ConsentRequest, entry: Entry) -> None:
        """Store a pending grant and the request that will activate it."""
        secrets = msgspec.json.encode((request.code_verifier, request.nonce))
        with self._database.transaction() as connection:
            connection.execute(_GRANTS["add_grant"], new_grant_row(grant))
            connection.execute(
                _GRANTS["add_consent_request"],
                {
                    "state_hash": request.state_hash,
                    "grant_id": request.grant_id,
                    "secrets": self._sealer.seal(
                        secrets, seal_context.consent_secrets(request.state_hash, grant.owner)
                    ),
                    "browser_hash": request.browser_hash,
                    "expires_at": request.expires_at,
                },
            )
            self._audit.append_within(connection, entry)

    def claim_consent(self, state_hash: bytes, browser_hash: bytes | None) -> ClaimedConsent:
        """Take the request, once. Raises ConsentError: `consent_invalid` or `consent_expired`."""
        parameters = {"state_hash": state_hash, "browser_hash": browser_hash}
        row = self._database.one(_GRANTS["claim_consent"], parameters)
        if row is None:
            late = self._database.one(_GRANTS["why_not_claimed"], parameters)
            if late and late[0]:
                raise ConsentError(Failure.CONSENT_EXPIRED.value, late[1])
            raise ConsentError(CONSENT_INVALID)
        grant_id, issuer, subject, provider, token_type, task_id, browser_bound, sealed = row
        owner = Subject(issuer, subject)
        secrets = self._sealer.open(sealed, seal_context.consent_secrets(state_hash, owner))
        code_verifier, nonce = msgspec.json.decode(secrets, type=tuple[str, str])
        return ClaimedConsent(
            grant_id=grant_id,
            owner=owner,
            provider=provider,
            token_type=TokenType(token_type),
            task_id=task_id,
            browser_bound=browser_bound,
            code_verifier=code_verifier,
            nonce=nonce,
        )

    def activate(self, grant_id: UUID, account: Subject, answer: TokenAnswer, entry: Entry) -> bool:
        """Make a pending grant active with its first token."""
        parameters = {
            "id": grant_id,
            "generation": 1,
            "scopes": sorted(answer.scopes),
            "provider_session": answer.session,
            "account_issuer": account.issuer,
            "account_subject": account.sub,
            "token_identity": list(answer.identity) if answer.identity else None,
            **self._sealed_answer(grant_id, entry.owner, 1, answer, None),
        }
        return self._change("activate", parameters, entry)

    def fail_consent(self, grant_id: UUID, failure: Failure, entry: Entry) -> None:
        """Make a pending grant failed."""
        self._change("fail_consent", {"id": grant_id, "failure": failure.value}, entry)

    # the owner's view

    def of_owner(self, owner: Subject, task_id: str | None = None) -> Sequence[Grant]:
        """The owner's grants, newest first."""
        return [
            grant_of(row) for row in self._database.all(_GRANTS["of_owner"], owned(owner, task_id=task_id, id=None))
        ]

    def find(self, grant_id: UUID, owner: Subject) -> Grant:
        """One grant of that owner."""
        row = self._database.one(_GRANTS["of_owner"], owned(owner, task_id=None, id=grant_id))
        if row is None:
            raise GrantNotFoundError
        return grant_of(row)

    def revoke(self, grant_id: UUID, owner: Subject, entry: Entry) -> None:
        """Make it revoked for good and put its token into the outbox."""
        with self._database.transaction() as connection:
            rows = connection.execute(_GRANTS["for_update"], owned(owner, id=grant_id)).fetchall()
            own = next((row[1:] for row in rows if row[0]), None)
            if own is None:
                raise GrantNotFoundError
            status, generation, sealed, provider, issuer, subject = own
            if (issuer, subject) != (owner.issuer, owner.sub):
                raise GrantNotFoundError
            if status == Status.REVOKED:
                return
            token = self._opened(sealed, grant_id, owner, generation)
            if token is not None and not self._outbox.add(connection, Discarded(grant_id, owner, provider, token)):
                entry = replace(entry, outcome="session_shared")
            connection.execute(_GRANTS["revoke"], {"id": grant_id})
            self._audit.append_within(connection, entry)

    def revoke_later(self, claimed: ClaimedConsent, answer: TokenAnswer) -> None:
        """Put a token that must not be kept into the outbox of revocations."""
        if answer.refresh_token is not None:
            discarded = Discarded(
                claimed.grant_id, claimed.owner, claimed.provider, answer.refresh_token, answer.session
            )
            with self._database.transaction() as connection:
                self._outbox.add(connection, discarded)

    # issuing and refreshing

    def issue(self, requester: Requester, entry: Entry) -> bool:
        """In one statement: check the grant, count the use and record it."""
        return self._uses.record(requester, entry)

    def issue_soon(
        self,
        uses: Sequence[tuple[Requester, Entry]],
        done: Callable[[Sequence[bool | Exception]], None],
    ) -> None:
        """The same for several, without waiting."""
        self._uses.record_soon(uses, done)

    def authorize(self, grant_id: UUID, requester: Requester) -> StoredGrant:
        """The grant, for a requester that may use it now."""
        status, failure, provider, services, *token, late, over = self._row(grant_id, requester.owner)
        if not requester.is_owner and requester.client not in services:
            raise ServiceNotAllowedError
        raise_unless_usable(status, failure, late=late, over=over)
        return self._stored(grant_id, requester.owner, provider, status, token)

    def claim_check(self, grant_id: UUID, owner: Subject) -> StoredGrant:
        """The grant, when it may be checked now."""
        grant = self.checkable(grant_id, owner)
        if self._database.one(_GRANTS["claim_check"], {"id": grant_id}) is None:
            row = self._database.one(_GRANTS["next_check"], {"id": grant_id})
            raise CheckedTooOftenError(row[0] if row else 1.0)
        return grant

    def checkable(self, grant_id: UUID, owner: Subject) -> StoredGrant:
        """The grant, active or failed, as long as its token is kept."""
        status, failure, provider, _, *token, late, over = self._row(grant_id, owner)
        if status != Status.FAILED or token[2] is None:
            raise_unless_usable(status, failure, late=late, over=over)
        return self._stored(grant_id, owner, provider, status, token)

    def _row(self, grant_id: UUID, owner: Subject) -> Row:
        row = self._database.one(_GRANTS["authorize"], owned(owner, id=grant_id))
        if row is None:
            raise GrantNotFoundError
        return row

    def _stored(self, grant_id: UUID, owner: Subject, provider: str, status: str, row: list[Any]) -> StoredGrant:
        scopes, generation, sealed, lifetime, intent_age, account_issuer, account_subject, identity = row
        token = self._sealer.open(sealed, seal_context.grant_token(grant_id, owner, generation))
        return StoredGrant(
            id=grant_id,
            owner=owner,
            account=account_of(owner, account_issuer, account_subject),
            identity=Identity(*identity) if identity else None,
            provider=provider,
            status=Status(status),
            scopes=frozenset(scopes),
            generation=generation,
            intent_age=intent_age,
            lifetime=lifetime,
            refresh_token=RefreshToken(token.decode()),
        )

    def begin_refresh(self, grant: StoredGrant) -> datetime | None:
        """Write down that a refresh begins."""
        seen = {"status": grant.status.value, "is_idle": grant.intent_age is None}
        row = self._database.one(_GRANTS["begin_refresh"], {**fence(grant), **seen})
        return None if row is None else row[0]

    def finish_refresh(self, grant: StoredGrant, answer: TokenAnswer, entry: Entry) -> bool:
        """Store the outcome, fenced by the generation: first thing and alone, so that nothing can roll it back."""
        sealed = self._sealed_answer(grant.id, grant.owner, grant.generation + 1, answer, grant.refresh_token)
        try:
            stored = self._store_outcome({**fence(grant), **sealed}, entry)
        except (StorageUnavailableError, psycopg.Error) as error:
            with suppress(OSError):  # without a disk too, only the replay of the old token is left
                self._spool.keep(_spooled(grant, sealed, entry))
            raise StorageUnavailableError from error
        if not stored and answer.refresh_token is not None:
            self._discard_if_over(grant.id, grant.owner, answer.refresh_token)
        return stored

    def replay_spool(self) -> int:
        """Store the outcomes that the database did not take before; how many. Raises StorageUnavailableError."""
        return self._spool.replay(self._store_spooled)

    def abandon_refresh(self, grant: StoredGrant, intent: datetime) -> None:
        """Take the intent back."""
        self._database.one(_GRANTS["abandon_refresh"], {**fence(grant), "intent": intent})

    def fail(self, grant: StoredGrant, failure: Failure, entry: Entry) -> bool:
        """Make it failed, fenced by the generation."""
        return self._change("fail", {**fence(grant), "failure": failure.value}, entry)

    # parts

    def _change(self, query: str, parameters: dict[str, Any], entry: Entry) -> bool:
        """Run a fenced update and, when it changed something, record it, in one transaction."""
        with self._database.transaction() as connection:
            changed = connection.execute(_GRANTS[query], parameters).fetchone() is not None
            if changed:
                self._audit.append_within(connection, entry)
        return changed

    def _store_outcome(self, write: dict[str, Any], entry: Entry) -> bool:
        if self._database.one(_GRANTS["finish_refresh"], {**write, **self._audit.row(entry)}) is not None:
            return True
        # or it was stored, and the connection broke before that was said
        stored = {"id": write["id"], "refresh_token": write["refresh_token"]}
        return self._database.one(_GRANTS["is_stored"], stored) is not None

    def _store_spooled(self, outcome: Spooled) -> None:
        write = {
            "id": outcome.grant_id,
            "generation": outcome.generation,
            "refresh_token": outcome.refresh_token,
            "access_lifetime": outcome.access_lifetime,
            "refresh_expires_in": outcome.refresh_expires_in,
        }
        entry = Entry(
            Event.GRANT_REFRESHED,
            outcome.grant_id,
            Subject(outcome.issuer, outcome.subject),
            outcome.actor,
            outcome.request_id,
            outcome.at,
            "spooled",
        )
        if not self._store_outcome(write, entry):
            token = self._opened(outcome.refresh_token, outcome.grant_id, entry.owner, outcome.generation + 1)
            if token is not None:
                self._discard_if_over(outcome.grant_id, entry.owner, token)
            self._audit.append(replace(entry, outcome="spooled_too_late"))

    def _discard_if_over(self, grant_id: UUID, owner: Subject, token: RefreshToken) -> None:
        """A token that came after its grant had ended is revoked; one that lost a race stays as it is."""
        with self._database.transaction() as connection:
            row = connection.execute(_GRANTS["provider_if_over"], {"id": grant_id}).fetchone()
            if row is not None:
                self._outbox.add(connection, Discarded(grant_id, owner, row[0], token))

    def _sealed_answer(
        self, grant_id: UUID, owner: Subject, generation: int, answer: TokenAnswer, old: RefreshToken | None
    ) -> dict[str, Any]:
        token = answer.refresh_token or old
        if token is None:
            raise ValueError("an answer without a refresh token cannot be kept")
        return {
            "refresh_token": self._sealer.seal(
                token.value.encode(), seal_context.grant_token(grant_id, owner, generation)
            ),
            "access_lifetime": answer.expires_in,
            "refresh_expires_in": answer.refresh_expires_in,
        }

    def _opened(self, sealed: bytes | None, grant_id: UUID, owner: Subject, generation: int) -> RefreshToken | None:
        """The token, or None when there is none or it cannot be opened: revoking must work all the same."""
        if sealed is None:
            return None
        try:
            return RefreshToken(
                self._sealer.open(sealed, seal_context.grant_token(grant_id, owner, generation)).decode()
            )
        except SealBrokenError:
            return None


def _spooled(grant: StoredGrant, sealed: dict[str, Any], entry: Entry) -> Spooled:
    return Spooled(
        grant_id=grant.id,
        generation=grant.generation,
        issuer=grant.owner.issuer,
        subject=grant.owner.sub,
        actor=entry.actor,
        request_id=entry.request_id,
        at=entry.at,
        **sealed,
    )
