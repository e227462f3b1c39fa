"""Cached access tokens, without a thread for each request (`service_kit.server.fast_path`).

For callers whose own token was good a moment ago, and who are owed nothing but a token. Everything else is for the
route, which does the same and says what is wrong.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from service_kit.http import app as http
from service_kit.http import inputs
from service_kit.http.problems import problem_for
from service_kit.process import logs
from service_kit.server import fast_path
from service_kit.server.fast_path import Answer, Head
from vault_service.application.refresh import TokenRequest
from vault_service.domain.grant import AccessToken
from vault_service.http import callers
from vault_service.http.problems import TABLE
from vault_service.http.schemas import TokenQuery, issued_token
from vault_service.http.vault import Vault


@dataclass(frozen=True, slots=True)
class _Begun:
    """started: by `time.perf_counter`; client: of the caller's token."""

    need: TokenRequest
    token: AccessToken
    started: float
    client: str


class CachedTokens:
    """`service_kit.server.fast_path.FastPath`: records the uses of all tokens that are ready in one statement."""

    path = "/api/auth/manager/access-token"

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def begin(self, head: Head) -> _Begun | None:
        """A token from memory, to be recorded before it leaves."""
        started = time.perf_counter()
        claims = self._vault.verifier.remembered(http.bearer_token_in(head.fields.get("AUTHORIZATION", "")))
        if claims is None:
            return None
        query = inputs.parsed_query(head.query.encode(), TokenQuery)
        need = callers.token_request(
            query, self._vault.policy, claims, http.request_id_from(head.fields.get("X-REQUEST-ID", ""))
        )
        token = self._vault.issue.remembered(need)
        return None if token is None else _Begun(need, token, started, claims.client)

    def wait(self, begun: Sequence[_Begun], done: Callable[[Sequence[bool | Exception]], None]) -> None:
        """Until the uses are on the disk."""
        self._vault.issue.record_soon([each.need for each in begun], done)

    def finish(self, begun: _Begun, outcome: bool | Exception) -> Answer | None:
        """The token, if its use is recorded; what the use case raises otherwise."""
        need = begun.need
        if outcome is True:
            answer = fast_path.json(issued_token(need.grant_id, begun.token, self._vault.now()), need.request_id)
        else:
            problem = problem_for(outcome, TABLE) if isinstance(outcome, Exception) else None
            if problem is None:
                return None
            answer = fast_path.problem(problem, need.request_id)
        before = logs.request_id.set(need.request_id)
        http.record("GET", self.path, answer.status, route=self.path, started=begun.started, client=begun.client)
        logs.request_id.reset(before)
        return answer
