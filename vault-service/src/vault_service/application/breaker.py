"""A circuit breaker before a provider (`domain.circuit`): refreshes are paused while the provider is in trouble.

Codes are redeemed and tokens revoked during a pause as well: a code expires too soon to wait, and the outbox has delays
of its own. When a refresh is told that the vault's client is refused, the client itself is probed, so that one grant's
trouble does not pause others.
"""

import hashlib
import threading
from collections.abc import Callable
from time import monotonic

from vault_service.application.ports.provider import Provider, TokenAnswer
from vault_service.application.provider_errors import (
    BusyError,
    LateError,
    NotSentError,
    ProviderError,
    RefusedForNowError,
    UncertainError,
    VaultClientRefusedError,
)
from vault_service.domain.circuit import Circuit
from vault_service.domain.grant import RefreshToken, Subject


class Breaker:
    """`application.ports.provider.GuardedProvider` around another provider. Each process has its own state."""

    def __init__(
        self, provider: Provider, report: Callable[[float], None], clock: Callable[[], float] = monotonic
    ) -> None:
        """report: called at the beginning of each pause, with its seconds."""
        self._provider = provider
        self._report = report
        self._clock = clock
        self._lock = threading.Lock()
        self._circuit = Circuit()

    def paused_for(self) -> float:
        """Seconds that are left of a pause; a second while another caller probes; 0 when the provider may be asked."""
        with self._lock:
            return self._circuit.paused_for(self._clock())

    def refresh(self, token: RefreshToken, scopes: frozenset[str] | None, begun: float) -> TokenAnswer:
        """Use the refresh token, unless the provider is paused: that raises NotSentError."""
        self._admit()
        try:
            answer = self._provider.refresh(token, scopes, begun)
        except VaultClientRefusedError as error:
            judged = self._judged(error, token)
            raise judged from error
        except ProviderError as error:
            self._note(error, token)
            raise
        except BaseException:
            self._note(UncertainError("an unexpected error"), token)
            raise
        self._note(None, token)
        return answer

    def authorization_url(self, *, state: str, nonce: str, code_challenge: str, scopes: frozenset[str]) -> str:
        """That of the provider."""
        return self._provider.authorization_url(state=state, nonce=nonce, code_challenge=code_challenge, scopes=scopes)

    def check_issuer(self, unverified_issuer: str | None) -> bool:
        """That of the provider."""
        return self._provider.check_issuer(unverified_issuer)

    def redeem(self, code: str, code_verifier: str, nonce: str) -> tuple[Subject, TokenAnswer]:
        """That of the provider, also during a pause."""
        return self._provider.redeem(code, code_verifier, nonce)

    def revoke(self, token: RefreshToken) -> None:
        """That of the provider, also during a pause."""
        self._provider.revoke(token)

    def refuses_client(self) -> bool | None:
        """That of the provider, also during a pause."""
        return self._provider.refuses_client()

    def _judged(self, error: VaultClientRefusedError, token: RefreshToken) -> ProviderError:
        """The error itself when the server refuses the client for everybody, else a refusal of this grant alone."""
        try:
            is_refused = self._provider.refuses_client()
        except BaseException:
            self._note(error, token)
            raise
        if is_refused is False:
            refused = RefusedForNowError(error.detail.error or "client_refused", error.detail)
            self._note(refused, token)
            return refused
        if is_refused is None:
            busy = BusyError(str(error), error.retry_after, error.detail)
            self._note(busy, token)
            return busy
        self._note(error, token)
        return error

    def _admit(self) -> None:
        with self._lock:
            left = self._circuit.paused_for(self._clock())
            if left:
                raise NotSentError("the provider is paused", left)
            self._circuit.begin()

    def _note(self, error: ProviderError | None, token: RefreshToken) -> None:
        """token: a grant that is in trouble keeps its token, which therefore tells it apart from others."""
        grant = hashlib.sha256(token.value.encode()).digest()
        pause = 0.0
        with self._lock:
            match error:
                case LateError():
                    self._circuit.ignore()
                case BusyError():
                    pause = self._circuit.busy(self._clock(), grant, error.retry_after)
                case NotSentError():
                    pause = self._circuit.refused(self._clock(), error.retry_after)
                case UncertainError():
                    pause = self._circuit.uncertain(self._clock(), grant)
                case _:
                    self._circuit.succeeded()
            if pause:
                self._report(pause)
