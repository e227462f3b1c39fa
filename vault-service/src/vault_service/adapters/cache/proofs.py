"""DPoP proofs that were accepted, shared by replicas in Redis (`service_kit.tokens.dpop.SeenProofs`).

Each process remembers its own proofs too. Without Redis, and while Redis does not answer, processes share no proofs. A
stolen proof can then be used once at each other process, for a minute, for the same request with the same token.
"""

from collections.abc import Callable
from time import monotonic

import redis

from service_kit.tokens.dpop import REMEMBERED_SECONDS, ProofsInMemory

REDIS_PAUSE_SECONDS = 1.0


class ProofsInRedis:
    """Replicas accept a proof once together. After a failure Redis is not asked for a second."""

    def __init__(self, client: redis.Redis, own: ProofsInMemory, report: Callable[[Exception], None]) -> None:
        """own: proofs of this process; report: called with the error, once for each pause."""
        self._client = client
        self._own = own
        self._report = report
        self._paused_until = float("-inf")

    def is_first(self, proof: bytes) -> bool:
        """See `SeenProofs`. Redis holds a name of 32 bytes for each, until it expires."""
        if not self._own.is_first(proof):
            return False
        if monotonic() < self._paused_until:
            return True
        try:
            return bool(self._client.set(b"vault:dpop:" + proof, b"", nx=True, ex=REMEMBERED_SECONDS))
        except (redis.RedisError, OSError) as error:
            self._paused_until = monotonic() + REDIS_PAUSE_SECONDS
            self._report(error)
            return True
