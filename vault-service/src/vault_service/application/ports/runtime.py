"""Ports that several use cases share: time, the lock of a grant, caches of access tokens, the audit, measurements."""

from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from vault_service.domain.audit import Entry
from vault_service.domain.grant import AccessToken
from vault_service.domain.grant_terms import RequestedTerms

TokenKey = tuple[UUID, frozenset[str]]
"""By which access tokens are cached: the grant, and the scopes of the request."""


class Clock(Protocol):
    """Time by the database's clock, so that all replicas agree."""

    def now(self) -> datetime:
        """The time now, aware, in UTC. Raises StorageUnavailableError only when it was never read."""
        ...


class Locks(Protocol):
    """One refresh at a time for each grant, across processes and replicas."""

    def hold(self, grant_id: UUID) -> AbstractContextManager[None]:
        """Wait for the grant's lock and hold it during the block.

        Raises ProviderUnavailableError when it is not free in time, StorageUnavailableError.
        """
        ...

    def try_hold(self, grant_id: UUID) -> AbstractContextManager[bool]:
        """Hold the grant's lock during the block if it is free; yields whether it is held."""
        ...


class AccessTokens(Protocol):
    """A cache of access tokens, by grant and scopes. It may forget at any time, and it never raises."""

    def get(self, grant_id: UUID, scopes: frozenset[str]) -> AccessToken | None:
        """The token, or None."""
        ...

    def put(self, grant_id: UUID, scopes: frozenset[str], token: AccessToken) -> None:
        """Keep the token until shortly before it expires."""
        ...


class SharedToken(NamedTuple):
    """A token that replicas share. terms: those of its grant, which the sharing replica has verified."""

    token: AccessToken
    terms: RequestedTerms


class SharedAccessTokens(Protocol):
    """A cache of access tokens that replicas share. Reading it costs a round trip. It never raises."""

    def get(self, grant_id: UUID, scopes: frozenset[str]) -> SharedToken | None:
        """The token, or None."""
        ...

    def get_soon(self, keys: Sequence[TokenKey]) -> Future[Sequence[SharedToken | None]]:
        """The tokens, or None, in the order of the keys, without waiting. The future never raises."""
        ...

    def put(self, grant_id: UUID, scopes: frozenset[str], shared: SharedToken) -> None:
        """Share the token until shortly before it expires."""
        ...


class AuditWriter(Protocol):
    """Adds lines to the audit. Most lines are written by the ports that make the change itself."""

    def append(self, entry: Entry) -> None:
        """Add a line by itself. Raises StorageUnavailableError."""
        ...


class Telemetry(Protocol):
    """Measurements. Nothing depends on them, and they never raise. Durations are in seconds."""

    def issued(self, outcome: str) -> None:
        """An access token was requested; outcome: `memory` (cached), `obtained`, or the name of the error."""
        ...

    def forgot(self, kind: str) -> None:
        """A memory of this process was full, and its oldest entry gave way; kind: `terms`, `tickets` or `clients`."""
        ...

    def refused(self, outcome: str) -> None:
        """A service was refused an access token; outcome: the name of the error."""
        ...

    def ticket(self, event: str) -> None:
        """A ticket was `created`, `extended`, `ended` or `used`, or refused with this code."""
        ...

    def refreshed(self, provider: str, outcome: str, seconds: float) -> None:
        """A refresh request has ended; outcome: `ok`, or `ProviderError.outcome`."""
        ...

    def replayed(self, provider: str, *, is_refused: bool) -> None:
        """A refresh token was sent again because the first answer was lost, and the server has accepted or refused."""
        ...

    def lock_waited(self, seconds: float) -> None:
        """A thread has waited so long for a grant's lock."""
        ...

    def paused(self, provider: str, seconds: float) -> None:
        """No refresh request is sent to this provider for so long."""
        ...
