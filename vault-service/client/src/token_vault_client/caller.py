"""One request to the vault's API as a flow: credentials, repetition while the vault is unavailable, errors. No I/O."""

import random
from collections.abc import Callable, Mapping
from typing import Any

from token_vault_client import wire
from token_vault_client.cache import TokenCache
from token_vault_client.credentials import Bearer, Credentials
from token_vault_client.dpop import DPoPKey, exchange
from token_vault_client.errors import VaultUnavailable
from token_vault_client.flow import Flow, HttpAnswer, Pause, Request, clock


class VaultCaller:
    """Calls one vault with one caller's credentials."""

    def __init__(
        self,
        base_url: str,
        credentials: Credentials,
        own_tokens: TokenCache,
        patience: float,
        request_id: Callable[[], str | None],
    ) -> None:
        """own_tokens: cache of the tokens with which the caller authenticates; patience: seconds. Raises ValueError."""
        if not base_url.startswith(("https://", "http://")):
            raise ValueError(f"the vault's address is {base_url!r}: it has to begin with https:// or http://")
        self.base_url = base_url.rstrip("/") + wire.PREFIX
        self.credentials = credentials
        self.patience = patience
        self._own_tokens = own_tokens
        self._request_id = request_id

    def call(
        self,
        method: str,
        path: str,
        *,
        bearer: str | None = None,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        repeatable: bool = True,
        patience: float | None = None,
        answer_seconds: float | None = None,
    ) -> Flow[Mapping[str, Any]]:
        """The members of the answer.

        While the vault is unavailable, the request is sent again after `Retry-After`, as long as that is within
        `patience` seconds. repeatable: False for a request that must not be sent twice; bearer: a person's access token
        instead of the caller's credentials; answer_seconds: the time limit of the answer.
        """
        credentials = self.credentials if bearer is None else Bearer(bearer)
        ends = clock() + (self.patience if patience is None else patience)

        def build(token: str) -> Request:
            return wire.request(
                method,
                self.base_url + path,
                bearer=token,
                query=query,
                body=body,
                request_id=self._request_id(),
                answer_seconds=answer_seconds,
            )

        while True:
            try:
                return (yield from self._authenticated(build, credentials))
            except VaultUnavailable as error:
                pause = error.retry_after * (1.0 + 0.25 * random.random())  # noqa: S311 - spreads callers, no secret
                if not repeatable or clock() + pause > ends:
                    raise
            yield Pause(pause)

    def _authenticated(self, build: Callable[[str], Request], credentials: Credentials) -> Flow[Mapping[str, Any]]:
        """Send with the caller's token, and a second time with another token when the first was not accepted."""
        key: DPoPKey | None = getattr(credentials, "dpop", None)
        token = yield from credentials.bearer(self._own_tokens)
        answer = yield from _send(build, token, key)
        if answer.status == 401:
            credentials.forget(self._own_tokens)  # its key may have been rotated since
            another = yield from credentials.bearer(self._own_tokens)
            if another != token:
                answer = yield from _send(build, another, key)
        if not 200 <= answer.status < 300:
            raise wire.error(answer)
        return wire.members(answer)


def _send(build: Callable[[str], Request], token: str, key: DPoPKey | None) -> Flow[HttpAnswer]:
    outcome = yield from exchange(lambda: build(token), key, token)
    if not isinstance(outcome, HttpAnswer):
        reason = outcome.reason if outcome else ""
        raise VaultUnavailable("vault_unavailable", f"the vault does not answer ({reason})")
    return outcome
