"""The fast path of `access-token` (`service_kit.server.fast_path`): cached tokens, without a thread for each request.

It serves callers whose own token was verified a moment ago, or whose ticket was used before, from the access tokens
that this process remembers, or that another replica shares. All other requests are answered by the route.
"""

import time

from service_kit.http import app as http
from service_kit.http import inputs
from service_kit.http.problems import Problem, problem_for
from service_kit.process import logs
from service_kit.server import fast_path
from service_kit.server.fast_path import FastAnswer, Head
from service_kit.server.gathered import Gathered
from vault_service.application.errors import VaultServiceError
from vault_service.application.token_request import TokenRequest
from vault_service.domain.grant import AccessToken
from vault_service.domain.ticket import is_ticket
from vault_service.http import callers
from vault_service.http.problems import TABLE
from vault_service.http.token_schemas import TokenQuery, issued_token
from vault_service.http.vault import Vault


class CachedTokens:
    """`service_kit.server.fast_path.FastPath`: records the use of a cached token, then sends the token."""

    path = "/api/auth/manager/access-token"

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._shared = Gathered(vault.issue.find_soon)
        self._records = Gathered(vault.issue.record_soon)

    async def answer(self, head: Head) -> FastAnswer | None:
        """The token, once its use is on the disk; the problem when it cannot be recorded now; None otherwise."""
        started = time.perf_counter()
        try:
            request = self._request(head)
        except (Problem, VaultServiceError):
            return None
        if request is None:
            return None
        token = self._vault.issue.remembered(request)
        if token is None:
            token = self._vault.issue.found(request, await self._shared.submit(request))
        answer = None if token is None else await self._issued(request, token)
        if answer is not None:
            logs.request_id.set(request.request_id)
            http.record(
                "GET", self.path, answer.status, route=self.path, started=started, client=request.requester.client
            )
        return answer

    def _request(self, head: Head) -> TokenRequest | None:
        """The request of a caller whose access token or ticket is remembered, or None. Raises Problem, VaultError."""
        bearer, request_id = http.bearer_token_in(head.authorization), http.request_id_from(head.request_id)
        if is_ticket(bearer):
            ticket = self._vault.presented.remembered(bearer)
            query = inputs.parsed_query(head.query, TokenQuery)
            return None if ticket is None else callers.ticket_request(query, ticket, request_id)
        claims = self._vault.verifier.remembered(bearer)
        if claims is None:
            return None
        query = inputs.parsed_query(head.query, TokenQuery)
        return callers.token_request(query, self._vault.policy, claims, request_id, is_public=head.is_public)

    async def _issued(self, request: TokenRequest, token: AccessToken) -> FastAnswer | None:
        try:
            is_recorded = await self._records.submit(request)
        except VaultServiceError as error:
            problem = problem_for(error, TABLE)
            return None if problem is None else fast_path.problem(problem, request.request_id)
        if not is_recorded:
            return None
        return fast_path.json(issued_token(request.grant_id, token, self._vault.now()), request.request_id)
