"""An authorization server in memory: it rotates refresh tokens, detects their reuse, and fails as scripted."""

import threading
from collections import deque
from collections.abc import Callable
from itertools import count

from vault_service.application.ports.provider import TokenAnswer
from vault_service.application.provider_errors import GrantRefusedError, ProviderError
from vault_service.domain.grant import Failure, RefreshToken, Subject, TokenIdentity

SCOPES = frozenset({"openid", "profile", "email", "offline_access"})


class ScriptedProvider:
    """`application.ports.Provider`.

    script: what happens to the next refreshes, in order: an error to raise before (`"lost"`: after) the token was used,
    or a callable that is run first. lifetime: seconds of the access tokens it gives; session: what it names the
    session behind them; identity, claimed_person: what access tokens and id_tokens say; granted_told: whether answers
    have a scope; is_client_refused: what a probe of the client says.
    """

    issuer = "https://issuer.example/realms/demo"

    def __init__(self, person: Subject, *, max_reuse: int = 0) -> None:
        self.person = person
        self.max_reuse = max_reuse
        self.lifetime = 300.0
        self.granted = SCOPES
        self.session: str | None = None
        self.identity: TokenIdentity | None = None
        self.claimed_person: TokenIdentity | None = None
        self.is_client_refused: bool | None = True
        self.granted_told = True
        self.is_session_bound = False
        self.refuses_to_revoke: ProviderError | None = None
        self.refresh_expires_in: float | None = None
        self.script: deque[ProviderError | Callable[[], None]] = deque()
        self.after: deque[ProviderError] = deque()
        self.refreshes = 0
        self.revoked: list[str] = []
        self._uses: dict[str, int] = {}
        self._dead = False
        self._numbers = count(1)
        self._lock = threading.Lock()

    def paused_for(self) -> float:
        """Always 0: this server has no breaker before it."""
        return 0.0

    def authorization_url(self, *, state: str, nonce: str, code_challenge: str, scopes: frozenset[str]) -> str:
        """The URL at which the person would consent."""
        return f"{self.issuer}/auth?state={state}&nonce={nonce}&code_challenge={code_challenge}&scope={sorted(scopes)}"

    def check_issuer(self, unverified_issuer: str | None) -> bool:
        """True for this server's issuer."""
        return unverified_issuer == self.issuer

    def redeem(self, code: str, code_verifier: str, nonce: str) -> tuple[Subject, TokenAnswer]:
        """Exchange a code."""
        if code == "bad":
            raise GrantRefusedError(Failure.REAUTHORIZATION_REQUIRED)
        return self.person, self._answer()

    def refresh(self, token: RefreshToken, scopes: frozenset[str] | None, begun: float = 0.0) -> TokenAnswer:
        """Use a refresh token. The session ends when one is used too often."""
        step = self.script.popleft() if self.script else None
        if isinstance(step, ProviderError):
            raise step
        if step is not None:
            step()
        with self._lock:
            self.refreshes += 1
            self._uses[token.value] = self._uses.get(token.value, 0) + 1
            if self._uses[token.value] > 1 + self.max_reuse:
                self._dead = True
            if self._dead:
                raise GrantRefusedError(Failure.REAUTHORIZATION_REQUIRED)
            answer = self._answer(scopes)
        if self.after:
            raise self.after.popleft()
        return answer

    def refuses_client(self) -> bool | None:
        """As scripted."""
        return self.is_client_refused

    def revoke(self, token: RefreshToken) -> None:
        """End the session."""
        if self.refuses_to_revoke is not None:
            raise self.refuses_to_revoke
        self.revoked.append(token.value)

    def _answer(self, scopes: frozenset[str] | None = None) -> TokenAnswer:
        number = next(self._numbers)
        return TokenAnswer(
            access_token=f"access-{number}",
            expires_in=self.lifetime,
            scopes=(scopes or self.granted) if self.granted_told else None,
            refresh_token=RefreshToken(f"refresh-{number}"),
            refresh_expires_in=self.refresh_expires_in,
            session=self.session,
            identity=self.identity,
            person=self.claimed_person,
            is_session_bound=self.is_session_bound,
        )
