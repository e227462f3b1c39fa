"""Requests access tokens from the vault, one or a hundred at a time. No I/O."""

from collections.abc import Mapping, Sequence
from typing import Any

from token_vault_client import wire
from token_vault_client.cache import Demand, Fetched, TokenCache
from token_vault_client.caller import VaultCaller
from token_vault_client.errors import UNKNOWN_PARAMETER, NotAllowed, UnexpectedAnswer, VaultError
from token_vault_client.flow import Flow, clock
from token_vault_client.model import FreshAccessToken, sha256

BATCH_SIZE = 100


class TokenFetcher:
    """Fetches access tokens of grants. cache: of access tokens, None for none."""

    def __init__(self, vault: VaultCaller, cache: TokenCache | None) -> None:
        self._vault = vault
        self._cache = cache

    def key(self, persistent_token_id: str | None, subject: str | None, scope: str = "") -> tuple[Any, ...]:
        """The key under which a token is cached."""
        return self._vault.base_url, self._vault.credentials.identity, persistent_token_id, subject, scope

    def fetch(self, asked: Mapping[str, str], demand: Demand, patience: float) -> Flow[Fetched]:
        """Request a token.

        The request is repeated without a wish that the vault or its authorization server cannot fulfil, unless the
        caller demands it.
        """
        min_valid, longest = max(demand.min_valid, demand.prefer_valid), False
        extra = {"min_valid": str(int(min_valid))} if min_valid else {}
        if demand.refused:
            extra["refused"] = sha256(demand.refused)
        while True:
            started = clock()
            try:
                body = yield from self._vault.call("GET", "/access-token", query={**asked, **extra}, patience=patience)
            except NotAllowed as error:
                if error.code == "min_valid_unattainable" and min_valid > demand.min_valid:
                    min_valid, longest = demand.min_valid, True
                    extra["min_valid"] = str(int(min_valid))
                elif error.code in UNKNOWN_PARAMETER and "refused" in extra:
                    del extra["refused"]  # a vault that does not know it
                else:
                    raise
            else:
                return _fetched(body, started, longest=longest)

    def fetch_batch(
        self, pairs: Sequence[tuple[str, str]], min_valid: int
    ) -> Flow[dict[tuple[str, str], FreshAccessToken | VaultError]]:
        """Request the tokens of at most `BATCH_SIZE` pairs of persistent token id and subject, and cache them."""
        started = clock()
        tokens = [{"id": token_id, "subject": subject} for token_id, subject in pairs]
        body = yield from self._vault.call("POST", "/access-tokens", body={"tokens": tokens, "minValid": min_valid})
        results = wire.read(lambda members: [_result(entry, started) for entry in members["results"]], body)
        if len(results) != len(pairs):
            raise UnexpectedAnswer("unexpected_answer", f"{len(results)} results for {len(pairs)} tokens")
        if self._cache is not None:
            for pair, result in zip(pairs, results, strict=True):
                if isinstance(result, Fetched):
                    self._cache.keep(self.key(*pair), result)
        found = [result.token if isinstance(result, Fetched) else result for result in results]
        return dict(zip(pairs, found, strict=True))


def _fetched(body: Mapping[str, Any], started: float, *, longest: bool = False) -> Fetched:
    token = wire.read(wire.access_token, body)
    return Fetched(token, started, started + token.expires_in, longest)


def _result(entry: Mapping[str, Any], started: float) -> Fetched | VaultError:
    """One result of a batch."""
    if "token" in entry:
        return _fetched(entry["token"], started)
    problem = entry["problem"]
    return wire.problem(int(problem["status"]), problem, float(entry.get("retryAfter", wire.DEFAULT_RETRY_SECONDS)))
