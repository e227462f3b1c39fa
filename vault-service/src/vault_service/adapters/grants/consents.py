"""Pending grants and their consent requests: `application.ports.consent.Consents`."""

import hmac
from typing import Any
from uuid import UUID

import msgspec

from service_kit.postgres import queries
from service_kit.postgres.database import Database, Row
from vault_service.adapters.audit.log import AuditLog
from vault_service.adapters.encryption.sealing import Sealer
from vault_service.adapters.grants.grant_rows import detail_row, log_refusal, new_grant_row, owned
from vault_service.adapters.grants.grant_tokens import GrantTokens
from vault_service.adapters.grants.outbox import Discarded, Outbox
from vault_service.application.errors import (
    CONSENT_INVALID,
    ConfirmationRefusedError,
    ConsentError,
    ConsentNotOpenError,
    GrantNotFoundError,
    SealBrokenError,
    TooManyPendingConsentsError,
)
from vault_service.application.ports.consent import ClaimedConsent, NewGrant, OpenQuestion, StoredConsentRequest
from vault_service.application.ports.provider import TokenAnswer
from vault_service.domain import seal_context
from vault_service.domain.audit import Entry
from vault_service.domain.grant import Failure, FailureDetail, ObtainedToken, Subject, TokenType
from vault_service.domain.grant_terms import GrantTerms, QuestionTerms, RequestedTerms, requested_of
from vault_service.domain.return_address import ReturnTo
from vault_service.domain.seal_context import SealContext

_QUERIES = queries.load(__package__, "consents.sql")
_FIRST_GENERATION = 1


class PostgresConsents:
    """Stores consent requests with their secrets sealed, and the grants that come of them."""

    def __init__(
        self,
        database: Database,
        sealer: Sealer,
        audit: AuditLog,
        outbox: Outbox,
        assumed_idle: int | None,
        most_pending: int = 100,
    ) -> None:
        """assumed_idle: seconds after which an unused grant ends where nothing else is known, None: never.

        most_pending: how many requests of one person may wait for an answer.
        """
        self._most_pending = most_pending
        self._database = database
        self._sealer = sealer
        self._tokens = GrantTokens(sealer)
        self._audit = audit
        self._outbox = outbox
        self._assumed_idle = assumed_idle

    def add(self, grant: NewGrant, request: StoredConsentRequest, entry: Entry) -> None:
        """Store a pending grant, and the request whose answer activates it."""
        with self._database.transaction() as connection:
            connection.execute(_QUERIES["lock_owner"], owned(grant.owner))
            pending, expires_in = connection.execute(_QUERIES["pending"], owned(grant.owner)).fetchone() or (0, 1.0)
            if pending >= self._most_pending:
                raise TooManyPendingConsentsError(expires_in)
            connection.execute(_QUERIES["add_grant"], new_grant_row(grant, *self._audit.key()))
            connection.execute(_QUERIES["add_request"], self._request_row(request, grant.owner))
            self._audit.append_within(connection, entry)

    def add_question(self, grant: NewGrant, most: int, entry: Entry) -> bool:
        """Store a pending grant, unless `most` questions of this service wait for this person."""
        row = new_grant_row(grant, *self._audit.key())
        with self._database.transaction() as connection:
            waiting = connection.execute(_QUERIES["count_questions"], row).fetchone()
            if waiting is not None and waiting[0] >= most:
                return False
            connection.execute(_QUERIES["add_grant"], row)
            self._audit.append_within(connection, entry)
        return True

    def open_question(self, grant_id: UUID, owner: Subject) -> OpenQuestion:
        """A question that its owner has not answered."""
        row = self._database.one(_QUERIES["open_question"], owned(owner, id=grant_id))
        if row is None:
            raise GrantNotFoundError
        provider, scopes, asked_by, return_to, is_open = row
        if not is_open:
            raise ConsentNotOpenError
        self._requested(grant_id, owner)  # who asks, and where the browser goes
        return OpenQuestion(provider, frozenset(scopes), _back(grant_id, asked_by, return_to))

    def add_request(self, request: StoredConsentRequest, owner: Subject) -> None:
        """Store a request of a question; the grant stays pending at least as long."""
        row = self._request_row(request, owner)
        with self._database.transaction() as connection:
            connection.execute(_QUERIES["add_request"], row)
            connection.execute(_QUERIES["hold_open"], row)

    def decline(self, grant_id: UUID, failure: Failure, entry: Entry) -> None:
        """Make a pending grant failed."""
        self._audit.append_if(_QUERIES["fail"], {"id": grant_id, "failure": failure.value, "detail": None}, entry)

    def claim(self, state_hash: bytes, browser_hash: bytes | None, provider: str) -> ClaimedConsent:
        """Take the request, once. Raises ConsentError: `consent_invalid` or `consent_expired`."""
        parameters = {"state_hash": state_hash, "browser_hash": browser_hash, "provider": provider}
        row = self._database.one(_QUERIES["claim"], parameters)
        if row is None:
            unclaimed = self._database.one(_QUERIES["unclaimed"], parameters)
            if unclaimed is None or not unclaimed[0]:
                raise ConsentError(CONSENT_INVALID)
            raise ConsentError(Failure.CONSENT_EXPIRED.value, unclaimed[1], _back(*unclaimed[2:]))
        claimed, _ = self._claimed(row, row[7])
        return claimed

    def keep(self, claimed: ClaimedConsent, code: str, confirmation_hash: bytes, seconds: float) -> bool:
        """Keep the code, sealed together with the other secrets."""
        context = seal_context.consent_secrets(claimed.state_hash, claimed.owner, claimed.grant_id, confirmation_hash)
        row = {
            "state_hash": claimed.state_hash,
            "secrets": self._sealed(context, claimed.code_verifier, claimed.nonce, code),
            "confirmation_hash": confirmation_hash,
            "seconds": seconds,
        }
        return self._database.one(_QUERIES["keep"], row) is not None

    def take_kept(self, grant_id: UUID, owner: Subject, confirmation_hash: bytes) -> tuple[ClaimedConsent, str]:
        """Take the code that was kept, once."""
        parameters = owned(owner, id=grant_id, confirmation_hash=confirmation_hash)
        row = self._database.one(_QUERIES["take_kept"], parameters)
        if row is not None:
            return self._claimed(row, confirmation_hash, is_confirmed=True)
        if self._database.one(_QUERIES["is_owned"], parameters) is None:
            raise GrantNotFoundError
        raise ConfirmationRefusedError

    def _claimed(
        self, row: Row, secret_hash: bytes | None, *, is_confirmed: bool = False
    ) -> tuple[ClaimedConsent, str]:
        """The request, and its code: empty when none is kept. secret_hash: of what the browser had to bring."""
        grant_id, issuer, subject, provider, token_type, task_id, scopes, browser_hash = row[:8]
        asked_by, return_to, state_hash, sealed = row[8:]
        owner = Subject(issuer, subject)
        self._requested(grant_id, owner)  # the code goes to the provider that was asked for
        context = seal_context.consent_secrets(bytes(state_hash), owner, grant_id, secret_hash)
        secrets = self._sealer.open(sealed, context)
        code_verifier, nonce, *code = msgspec.json.decode(secrets, type=tuple[str, ...])
        claimed = ClaimedConsent(
            state_hash=bytes(state_hash),
            grant_id=grant_id,
            owner=owner,
            provider=provider,
            token_type=TokenType(token_type),
            task_id=task_id,
            scopes=frozenset(scopes),
            browser_bound=browser_hash is not None,
            is_confirmed=is_confirmed,
            back=_back(grant_id, asked_by, return_to),
            code_verifier=code_verifier,
            nonce=nonce,
        )
        return claimed, "".join(code)

    def _request_row(self, request: StoredConsentRequest, owner: Subject) -> dict[str, Any]:
        context = seal_context.consent_secrets(request.state_hash, owner, request.grant_id, request.browser_hash)
        return {
            "state_hash": request.state_hash,
            "grant_id": request.grant_id,
            "secrets": self._sealed(context, request.code_verifier, request.nonce),
            "browser_hash": request.browser_hash,
            "expires_at": request.expires_at,
        }

    def _sealed(self, context: SealContext, *secrets: str) -> bytes:
        return self._sealer.seal(msgspec.json.encode(secrets), context)

    def activate(
        self, grant_id: UUID, account: Subject, answer: TokenAnswer, scopes: frozenset[str], entry: Entry
    ) -> RequestedTerms | None:
        """Make a pending grant active with its first token. answer: must have a refresh token."""
        if answer.refresh_token is None:
            raise ValueError("an answer without a refresh token activates no grant")
        identity = answer.identity.readable() if answer.identity else None
        requested = self._requested(grant_id, entry.owner)
        terms = GrantTerms(requested, scopes, account, identity).digest()
        parameters = {
            "id": grant_id,
            "generation": _FIRST_GENERATION,
            "scopes": sorted(scopes),
            "provider_session": answer.session,
            "account_issuer": account.issuer,
            "account_subject": account.sub,
            "token_identity": None if identity is None else list(identity),
            "refresh_token": self._tokens.seal(answer.refresh_token, grant_id, entry.owner, _FIRST_GENERATION, terms),
            "access_lifetime": answer.expires_in,
            "refresh_expires_in": answer.refresh_expires_in,
            "assumed_idle": self._assumed_idle,
        }
        return requested if self._audit.append_if(_QUERIES["activate"], parameters, entry) else None

    def _requested(self, grant_id: UUID, owner: Subject) -> RequestedTerms:
        """The terms for which the owner was asked. Raises SealBrokenError when the row was changed since."""
        row = self._database.one(_QUERIES["requested"], {"id": grant_id})
        if row is None:
            raise SealBrokenError(f"there is no grant {grant_id}")
        is_of_older_version, key_id, mac, scopes, asked_by, return_to, *columns = row
        requested, asked = requested_of(columns), QuestionTerms(frozenset(scopes), asked_by, return_to)
        key = self._audit.key_of(key_id) if key_id is not None else None
        is_authentic = key is not None and hmac.compare_digest(
            requested.mac(key, grant_id, owner, asked), bytes(mac or b"")
        )
        if not is_authentic and not is_of_older_version:
            raise SealBrokenError(f"the terms of grant {grant_id} were changed")
        return requested

    def fail(self, claimed: ClaimedConsent, failure: Failure, entry: Entry, detail: FailureDetail) -> None:
        """Make a pending grant failed."""
        row = {"id": claimed.grant_id, "failure": failure.value, "detail": detail_row(detail)}
        self._audit.append_if(_QUERIES["fail"], row, entry)
        log_refusal("consent.failed", claimed.grant_id, claimed.provider, failure, detail)

    def discard(self, claimed: ClaimedConsent, obtained: ObtainedToken | None) -> None:
        """Put a token that must not be kept, if there is one, into the outbox."""
        if obtained is None:
            return
        discarded = Discarded(claimed.grant_id, claimed.owner, claimed.provider, obtained.token, obtained.session)
        with self._database.transaction() as connection:
            self._outbox.add(connection, discarded)


def _back(grant_id: UUID, asked_by: str | None, return_to: str | None) -> ReturnTo | None:
    """The address to which the browser returns, when a service has asked."""
    return None if asked_by is None or return_to is None else ReturnTo(asked_by, return_to, grant_id)
