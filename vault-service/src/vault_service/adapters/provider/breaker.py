"""A circuit breaker before a provider: while it is in trouble, it is left alone.

A refused client, a 429 or 503 and a refused connection pause refreshes for as long as the answer says; so do several
uncertain outcomes in a row. After the pause one caller probes, the others wait for its verdict. A refusal of a grant or
a scope is a healthy answer. Codes are redeemed and tokens revoked all the same: a code does not live long enough to
wait, and the outbox waits by itself.
"""

import threading
from collections.abc import Callable
from time import monotonic

from vault_service.application.ports import Provider, TokenAnswer
from vault_service.application.provider_errors import LateError, NotSentError, ProviderError, UncertainError
from vault_service.domain.grant import RefreshToken, Subject

UNCERTAIN_IN_A_ROW = 3
PAUSE_SECONDS = 5.0
PROBE_SECONDS = 1.0


class Breaker:
    """`application.ports.Provider` around another one; its state is this process's own."""

    def __init__(
        self, provider: Provider, report: Callable[[float], None], clock: Callable[[], float] = monotonic
    ) -> None:
        """report: told of each pause, in seconds."""
        self._provider = provider
        self._report = report
        self._clock = clock
        self._lock = threading.Lock()
        self._paused_until = float("-inf")
        self._probing = False
        self._in_trouble = False
        self._uncertain = 0

    def paused_for(self) -> float:
        """Seconds that are left of a pause; a second while somebody else probes."""
        with self._lock:
            return self._paused_for()

    def refresh(self, token: RefreshToken, scopes: frozenset[str] | None, begun: float) -> TokenAnswer:
        """Use the refresh token, unless the provider is paused. Raises NotSentError then, as when it is busy."""
        self._admit()
        try:
            answer = self._provider.refresh(token, scopes, begun)
        except ProviderError as error:
            self._note(error)
            raise
        except BaseException:
            self._note(UncertainError("an unexpected error"))
            raise
        self._note(None)
        return answer

    def authorization_url(self, *, state: str, nonce: str, code_challenge: str, scopes: frozenset[str]) -> str:
        """As the provider's."""
        return self._provider.authorization_url(state=state, nonce=nonce, code_challenge=code_challenge, scopes=scopes)

    def check_issuer(self, unverified_issuer: str | None) -> bool:
        """As the provider's."""
        return self._provider.check_issuer(unverified_issuer)

    def redeem(self, code: str, code_verifier: str, nonce: str) -> tuple[Subject, TokenAnswer]:
        """As the provider's: a code does not live long enough to wait."""
        return self._provider.redeem(code, code_verifier, nonce)

    def revoke(self, token: RefreshToken) -> None:
        """As the provider's: the outbox waits by itself."""
        self._provider.revoke(token)

    def _admit(self) -> None:
        """Let the caller through; during a pause nobody, after it one to probe."""
        with self._lock:
            left = self._paused_for()
            if left:
                raise NotSentError("the provider is paused", left)
            self._probing = self._in_trouble

    def _note(self, error: ProviderError | None) -> None:
        """Draw the conclusion from an outcome."""
        with self._lock:
            self._probing = False
            if isinstance(error, LateError):
                return  # it says nothing of the provider
            self._uncertain = self._uncertain + 1 if isinstance(error, UncertainError) else 0
            if isinstance(error, NotSentError):
                self._pause(error.retry_after)
            elif self._uncertain >= UNCERTAIN_IN_A_ROW or (self._in_trouble and self._uncertain):
                self._pause(PAUSE_SECONDS)
            elif not self._uncertain:
                self._in_trouble = False

    def _paused_for(self) -> float:
        left = self._paused_until - self._clock()
        if left > 0:
            return left
        return PROBE_SECONDS if self._in_trouble and self._probing else 0.0

    def _pause(self, seconds: float) -> None:
        self._in_trouble = True
        self._paused_until = self._clock() + seconds
        self._report(seconds)
