"""Many access tokens in one answer: for each id its token, or the problem of a request for that id alone."""

from collections.abc import Sequence

from service_kit.http.problems import answer_for
from service_kit.process import logs
from vault_service.application.errors import GrantNotFoundError, ServiceNotAllowedError
from vault_service.application.token_request import TokenRequest
from vault_service.domain.grant import AccessToken
from vault_service.domain.usability import Requester
from vault_service.http import callers
from vault_service.http.problems import TABLE
from vault_service.http.token_schemas import TokenBatchRequest, TokenBatchResult, issued_token
from vault_service.http.vault import Vault


def batched(vault: Vault, wanted: TokenBatchRequest, requesters: Sequence[Requester]) -> list[TokenBatchResult]:
    """The results, in the order of the request. requesters: one for each wanted token."""
    requests: dict[int, TokenRequest] = {}
    refused: dict[int, Exception] = {}
    for place, (item, requester) in enumerate(zip(wanted.tokens, requesters, strict=True)):
        try:
            requests[place] = TokenRequest(
                grant_id=callers.grant_id(item.id),
                requester=requester,
                scopes=frozenset(),
                min_valid=float(wanted.min_valid),
                request_id=logs.request_id.get() or "",
            )
        except Exception as error:  # noqa: BLE001 - it becomes this item's result
            refused[place] = error
    issued = list(zip(requests, vault.issue_many.issue(list(requests.values())), strict=True))
    for place, outcome in issued:
        if isinstance(outcome, GrantNotFoundError | ServiceNotAllowedError):
            by = requesters[place]
            vault.refusals.note(by.client, requests[place].grant_id, by.owner, requests[place].request_id, outcome)
    outcomes: dict[int, AccessToken | Exception] = {**refused, **dict(issued)}
    return [_result(vault, item.id, outcomes[place]) for place, item in enumerate(wanted.tokens)]


def _result(vault: Vault, token_id: str, outcome: AccessToken | Exception) -> TokenBatchResult:
    if isinstance(outcome, AccessToken):
        return TokenBatchResult(id=token_id, token=issued_token(callers.grant_id(token_id), outcome, vault.now()))
    problem = answer_for(outcome, TABLE)
    after = problem.headers.get("Retry-After")
    return TokenBatchResult(id=token_id, problem=problem.document(), retry_after=int(after) if after else None)
