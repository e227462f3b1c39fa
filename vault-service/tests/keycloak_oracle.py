"""An authorization server in memory with Keycloak's rule of rotation and reuse. It counts the uses of each token."""

from collections import Counter
from dataclasses import dataclass, field, replace

from scripted_provider import ScriptedProvider

from vault_service.application.ports.provider import TokenAnswer
from vault_service.application.provider_errors import GrantRefusedError
from vault_service.domain.grant import Failure, RefreshToken, Subject


@dataclass
class ServerSession:
    """The session of one consent. refreshes: answered with tokens; late_calls: refreshes after its end."""

    name: str
    person: Subject
    refreshes: int = 0
    newest_used: int = 0
    ended: str = ""
    late_calls: int = 0
    uses: Counter[str] = field(default_factory=Counter)


class KeycloakOracle(ScriptedProvider):
    """A token may be used `1 + max_reuse` times, but not after its successor was used; otherwise its session ends.

    Its tokens say whose they are: `person/session/number`. The code of a consent is the person's `sub`.
    """

    def __init__(self, people: dict[str, Subject], max_reuse: int) -> None:
        super().__init__(next(iter(people.values())), max_reuse=max_reuse)
        self._people = people
        self._sessions: list[ServerSession] = []
        self._parents: dict[str, tuple[ServerSession, int]] = {}
        self.last_used = ""

    def newest_session(self) -> ServerSession:
        """The latest session."""
        return self._sessions[-1]

    def redeem(self, code: str, code_verifier: str, nonce: str) -> tuple[Subject, TokenAnswer]:
        """Begin a session."""
        person = self._people[code]
        session = ServerSession(f"s{next(self._numbers)}", person)
        self._sessions.append(session)
        return person, self._next(session, 0)

    def refresh(self, token: RefreshToken, scopes: frozenset[str] | None, begun: float = 0.0) -> TokenAnswer:
        """Rotate."""
        with self._lock:
            session, generation = self._parents[token.value]
            if session.ended:
                session.late_calls += 1
                raise GrantRefusedError(Failure.TOKEN_REVOKED)
            self.last_used = token.value
            session.uses[token.value] += 1
            if session.uses[token.value] > 1 + self.max_reuse or generation < session.newest_used:
                session.ended = "detached"
                raise GrantRefusedError(Failure.REAUTHORIZATION_REQUIRED)
            session.newest_used = generation
            session.refreshes += 1
            return self._next(session, generation + 1, scopes)

    def revoke(self, token: RefreshToken) -> None:
        """End the session."""
        session, _ = self._parents[token.value]
        session.ended = session.ended or "revoked"

    def _next(self, session: ServerSession, generation: int, scopes: frozenset[str] | None = None) -> TokenAnswer:
        words = f"{session.person.sub}/{session.name}/{next(self._numbers)}"
        refresh_token = RefreshToken(f"refresh/{words}")
        self._parents[refresh_token.value] = (session, generation)
        return replace(self._answer(scopes), access_token=words, refresh_token=refresh_token)
