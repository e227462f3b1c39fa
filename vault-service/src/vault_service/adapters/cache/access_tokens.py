"""Caches of access tokens: the memory of this process, and Redis, which replicas share. Both keep tokens sealed.

Correctness does not depend on them: when a cache forgets, is unreachable or answers garbage, the vault refreshes.
"""

import hashlib
from collections.abc import Callable
from datetime import datetime
from time import monotonic
from uuid import UUID

import msgspec
import redis

from vault_service.adapters.encryption.sealing import Sealer
from vault_service.adapters.metrics.telemetry import PrometheusTelemetry
from vault_service.application.errors import SealBrokenError
from vault_service.domain import seal_context
from vault_service.domain.grant import AccessToken
from vault_service.domain.seal_context import SealContext

MEMORY_SIZE = 10_000
REDIS_TIMEOUT_SECONDS = 0.25
REDIS_PAUSE_SECONDS = 1.0


def _pack(token: AccessToken) -> bytes:
    return msgspec.json.encode((token.value, token.expires_at, token.lifetime, sorted(token.scopes)))


def _unpack(packed: bytes) -> AccessToken:
    value, expires_at, lifetime, scopes = msgspec.json.decode(packed, type=tuple[str, float, float, frozenset[str]])
    return AccessToken(value, expires_at, lifetime, scopes)


class MemoryAccessTokens:
    """At most `MEMORY_SIZE` tokens in the memory of this process; the oldest are dropped."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer
        self._tokens: dict[tuple[UUID, frozenset[str]], tuple[bytes, SealContext]] = {}

    def get(self, grant_id: UUID, scopes: frozenset[str]) -> AccessToken | None:
        """The token, or None."""
        kept = self._tokens.get((grant_id, scopes))
        return None if kept is None else _unpack(self._sealer.open(*kept))

    def put(self, grant_id: UUID, scopes: frozenset[str], token: AccessToken) -> None:
        """Remember the token."""
        while len(self._tokens) >= MEMORY_SIZE:
            self._tokens.pop(next(iter(self._tokens)), None)
        context = seal_context.cached_token("memory", grant_id, scopes)
        self._tokens[grant_id, scopes] = self._sealer.seal(_pack(token), context), context


class RedisAccessTokens:
    """Tokens that replicas share. After a failure Redis is not asked for a second, so that it delays no caller."""

    def __init__(
        self,
        client: redis.Redis,
        sealer: Sealer,
        now: Callable[[], datetime],
        telemetry: PrometheusTelemetry,
        report: Callable[[Exception], None],
    ) -> None:
        """report: called with the error, once for each pause."""
        self._client = client
        self._sealer = sealer
        self._now = now
        self._telemetry = telemetry
        self._report = report
        self._paused_until = float("-inf")

    def get(self, grant_id: UUID, scopes: frozenset[str]) -> AccessToken | None:
        """The token, or None."""
        context = seal_context.cached_token("redis", grant_id, scopes)
        token, outcome = None, "unavailable"
        try:
            if not self._paused():
                sealed = self._client.get(self._name(context))
                token = _unpack(self._sealer.open(sealed, context)) if isinstance(sealed, bytes) else None
                outcome = "miss" if token is None else "hit"
        except (redis.RedisError, OSError) as error:
            self._pause(error)
        except (SealBrokenError, msgspec.MsgspecError, ValueError) as error:
            self._report(error)
        self._telemetry.read_shared(outcome)
        return token

    def put(self, grant_id: UUID, scopes: frozenset[str], token: AccessToken) -> None:
        """Share the token until just before it expires."""
        context = seal_context.cached_token("redis", grant_id, scopes)
        left = int(token.expires_at - self._now().timestamp()) - 1
        if left <= 0 or self._paused():
            return
        try:
            self._client.set(self._name(context), self._sealer.seal(_pack(token), context), ex=left)
        except (redis.RedisError, OSError) as error:
            self._pause(error)

    def ping(self) -> None:
        """Return when Redis answers. Raises redis.RedisError, OSError."""
        self._client.ping()

    def _name(self, context: SealContext) -> str:
        return f"vault:{self._sealer.pseudonym(hashlib.sha256(context.row.encode()).hexdigest())}"

    def _paused(self) -> bool:
        return monotonic() < self._paused_until

    def _pause(self, error: Exception) -> None:
        self._paused_until = monotonic() + REDIS_PAUSE_SECONDS
        self._report(error)


class NoSharedAccessTokens:
    """Used when no Redis is configured."""

    def ping(self) -> None:
        """Return: there is nothing that could be unreachable."""

    def get(self, grant_id: UUID, scopes: frozenset[str]) -> AccessToken | None:  # noqa: ARG002 - the port's shape
        """Nothing is shared."""
        return None

    def put(self, grant_id: UUID, scopes: frozenset[str], token: AccessToken) -> None:
        """Nothing is shared."""


def connect_redis(url: str) -> redis.Redis:
    """A client that connects on first use and never waits long."""
    return redis.Redis.from_url(
        url,
        socket_timeout=REDIS_TIMEOUT_SECONDS,
        socket_connect_timeout=REDIS_TIMEOUT_SECONDS,
        protocol=2,
    )
