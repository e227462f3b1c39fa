"""Caches of access tokens: the memory of this process, and Redis, which replicas share. Both keep tokens sealed.

Correctness does not depend on them: when a cache forgets, is unreachable or answers garbage, the vault refreshes.
"""

import hashlib
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import datetime
from time import monotonic
from typing import NamedTuple
from uuid import UUID

import msgspec
import redis

from service_kit.process.grouped import Grouped
from vault_service.adapters.encryption.sealing import Sealer
from vault_service.adapters.metrics.telemetry import PrometheusTelemetry
from vault_service.application.errors import SealBrokenError
from vault_service.application.ports.runtime import SharedToken, TokenKey
from vault_service.domain import seal_context
from vault_service.domain.grant import AccessToken
from vault_service.domain.seal_context import SealContext

REDIS_TIMEOUT_SECONDS = 0.25
REDIS_PAUSE_SECONDS = 1.0


def _pack(token: AccessToken) -> bytes:
    return msgspec.json.encode((token.value, token.expires_at, token.lifetime, sorted(token.scopes)))


def _unpack(packed: bytes) -> AccessToken:
    value, expires_at, lifetime, scopes = msgspec.json.decode(packed, type=tuple[str, float, float, frozenset[str]])
    return AccessToken(value, expires_at, lifetime, scopes)


class _Kept(NamedTuple):
    sealed: bytes
    context: SealContext
    expires_at: float


class MemoryAccessTokens:
    """Tokens in the memory of this process, up to a number; those that came first are dropped for new ones."""

    def __init__(self, sealer: Sealer, size: int, now: Callable[[], datetime], telemetry: PrometheusTelemetry) -> None:
        """size: the number; 0: nothing is remembered."""
        self._sealer = sealer
        self._size = size
        self._now = now
        self._telemetry = telemetry
        self._tokens: dict[TokenKey, _Kept] = {}
        self._changing = threading.Lock()

    def get(self, grant_id: UUID, scopes: frozenset[str]) -> AccessToken | None:
        """The token, or None."""
        kept = self._tokens.get((grant_id, scopes))
        return None if kept is None else _unpack(self._sealer.open(kept.sealed, kept.context))

    def put(self, grant_id: UUID, scopes: frozenset[str], token: AccessToken) -> None:
        """Remember the token."""
        if not self._size:
            return
        context = seal_context.cached_token("memory", grant_id, scopes)
        kept = _Kept(self._sealer.seal(_pack(token), context), context, token.expires_at)
        with self._changing:
            self._tokens.pop((grant_id, scopes), None)  # a renewed token counts as new
            if len(self._tokens) >= self._size:
                self._drop_first()
            self._tokens[grant_id, scopes] = kept

    def _drop_first(self) -> None:
        dropped = self._tokens.pop(next(iter(self._tokens)))
        if dropped.expires_at > self._now().timestamp():
            self._telemetry.evicted()

    def __len__(self) -> int:
        return len(self._tokens)


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
        self._reads: Grouped[TokenKey, SharedToken | None] = Grouped(self._read, "shared-tokens")
        self._paused_until = float("-inf")

    def get(self, grant_id: UUID, scopes: frozenset[str]) -> SharedToken | None:
        """The token, or None."""
        (token,) = self._read([(grant_id, scopes)])
        return token

    def get_soon(self, keys: Sequence[TokenKey]) -> Future[Sequence[SharedToken | None]]:
        """The tokens, or None, without waiting: one request to Redis for all that are wanted at the same time."""
        if not self._is_paused():
            return self._reads.submit(keys)
        return _nothing(keys)

    def put(self, grant_id: UUID, scopes: frozenset[str], shared: SharedToken) -> None:
        """Share the token until just before it expires."""
        context = seal_context.cached_token("redis", grant_id, scopes)
        left = int(shared.token.expires_at - self._now().timestamp()) - 1
        if left <= 0 or self._is_paused():
            return
        try:
            self._client.set(self._name(context), self._sealer.seal(msgspec.json.encode(shared), context), ex=left)
        except (redis.RedisError, OSError) as error:
            self._pause(error)

    def ping(self) -> None:
        """Return when Redis answers. Raises redis.RedisError, OSError."""
        self._client.ping()

    def measure(self) -> None:
        """Measure how full Redis is, and what it has evicted. Nothing is measured while it is unavailable."""
        try:
            told = self._client.info()
        except (redis.RedisError, OSError):
            return
        self._telemetry.shared_cache(told.get("used_memory", 0), told.get("maxmemory", 0), told.get("evicted_keys", 0))

    def _read(self, keys: Sequence[TokenKey]) -> list[SharedToken | None]:
        """The tokens, or None for those that are not there, cannot be opened or cannot be read now."""
        contexts = {key: seal_context.cached_token("redis", *key) for key in keys}
        found: dict[TokenKey, SharedToken | None] = {}
        outcome = "unavailable"
        try:
            if not self._is_paused():
                values = self._client.mget([self._name(context) for context in contexts.values()])
                found = {key: self._opened(sealed, contexts[key]) for key, sealed in zip(contexts, values, strict=True)}
                outcome = "miss"
        except (redis.RedisError, OSError) as error:
            self._pause(error)
        for key in keys:
            self._telemetry.read_shared("hit" if found.get(key) else outcome)
        return [found.get(key) for key in keys]

    def _opened(self, sealed: object, context: SealContext) -> SharedToken | None:
        if not isinstance(sealed, bytes):
            return None
        try:
            return msgspec.json.decode(self._sealer.open(sealed, context), type=SharedToken)
        except (SealBrokenError, msgspec.MsgspecError, ValueError) as error:
            self._report(error)
            return None

    def _name(self, context: SealContext) -> str:
        return f"vault:2:{self._sealer.pseudonym(hashlib.sha256(context.row.encode()).hexdigest())}"

    def _is_paused(self) -> bool:
        return monotonic() < self._paused_until

    def _pause(self, error: Exception) -> None:
        self._paused_until = monotonic() + REDIS_PAUSE_SECONDS
        self._report(error)


class NoSharedAccessTokens:
    """Used when no Redis is configured."""

    def ping(self) -> None:
        """Return: there is nothing that could be unreachable."""

    def get(self, grant_id: UUID, scopes: frozenset[str]) -> SharedToken | None:  # noqa: ARG002 - the port's shape
        """Nothing is shared."""
        return None

    def get_soon(self, keys: Sequence[TokenKey]) -> Future[Sequence[SharedToken | None]]:
        """Nothing is shared."""
        return _nothing(keys)

    def put(self, grant_id: UUID, scopes: frozenset[str], shared: SharedToken) -> None:
        """Nothing is shared."""

    def measure(self) -> None:
        """There is nothing to measure."""


def _nothing(keys: Sequence[TokenKey]) -> Future[Sequence[SharedToken | None]]:
    nothing: Future[Sequence[SharedToken | None]] = Future()
    nothing.set_result([None] * len(keys))
    return nothing


def connect_redis(url: str) -> redis.Redis:
    """A client that connects on first use and never waits long."""
    return redis.Redis.from_url(
        url,
        socket_timeout=REDIS_TIMEOUT_SECONDS,
        socket_connect_timeout=REDIS_TIMEOUT_SECONDS,
        protocol=2,
    )
