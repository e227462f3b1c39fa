"""The fast path of `access-token` (`service_kit.server.fast_path`): cached tokens, without a thread for each request.

It serves callers whose own token was verified a moment ago, from the access tokens that this process remembers. All
other requests are answered by the route.
"""

import time

from service_kit.http import app as http
from service_kit.http import inputs
from service_kit.http.problems import Problem, problem_for
from service_kit.process import logs
from service_kit.server import fast_path
from service_kit.server.fast_path import Answer, Head
from service_kit.server.gathered import Gathered
from vault_service.application.errors import VaultError
from vault_service.application.refresh import TokenRequest
from vault_service.domain.grant import AccessToken
from vault_service.http import callers
from vault_service.http.problems import TABLE
from vault_service.http.schemas import TokenQuery, issued_token
from vault_service.http.vault import Vault


class CachedTokens:
    """`service_kit.server.fast_path.FastPath`: records the use of a remembered token, then sends the token."""

    path = "/api/auth/manager/access-token"

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._records = Gathered(vault.issue.record_soon)

    async def answer(self, head: Head) -> Answer | None:
        """The token, once its use is on the disk; the problem when it cannot be recorded now; None otherwise."""
        started = time.perf_counter()
        try:
            claims = self._vault.verifier.remembered(http.bearer_token_in(head.authorization))
            if claims is None:
                return None
            query = inputs.parsed_query(head.query, TokenQuery)
            request = callers.token_request(query, self._vault.policy, claims, http.request_id_from(head.request_id))
        except (Problem, VaultError):
            return None
        token = self._vault.issue.remembered(request)
        answer = None if token is None else await self._issued(request, token)
        if answer is not None:
            logs.request_id.set(request.request_id)
            http.record("GET", self.path, answer.status, route=self.path, started=started, client=claims.client)
        return answer

    async def _issued(self, request: TokenRequest, token: AccessToken) -> Answer | None:
        try:
            is_recorded = await self._records.submit(request)
        except VaultError as error:
            problem = problem_for(error, TABLE)
            return None if problem is None else fast_path.problem(problem, request.request_id)
        if not is_recorded:
            return None
        return fast_path.json(issued_token(request.grant_id, token, self._vault.now()), request.request_id)
