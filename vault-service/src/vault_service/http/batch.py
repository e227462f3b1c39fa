"""Many tokens in one answer: for each id its token, or the problem that a request for it alone would have had."""

from collections.abc import Sequence

from service_kit.http.problems import Problem, problem_for
from service_kit.process import logs
from vault_service.application.refresh import TokenRequest
from vault_service.domain.grant import AccessToken
from vault_service.domain.usability import Requester
from vault_service.http import callers
from vault_service.http.problems import TABLE
from vault_service.http.schemas import BatchedToken, BatchWish, issued_token
from vault_service.http.vault import Vault

log = logs.get(__name__)


def batched(vault: Vault, wish: BatchWish, requesters: Sequence[Requester]) -> list[BatchedToken]:
    """The results, in the order of the request."""
    requests: dict[int, TokenRequest] = {}
    refused: dict[int, Exception] = {}
    for place, (wanted, requester) in enumerate(zip(wish.tokens, requesters, strict=True)):
        try:
            requests[place] = TokenRequest(
                grant_id=callers.grant_id(wanted.id),
                requester=requester,
                scopes=frozenset(),
                min_valid=float(wish.min_valid),
                request_id=logs.request_id.get() or "",
            )
        except Exception as error:  # noqa: BLE001 - it is the result for this id
            refused[place] = error
    issued = zip(requests, vault.issue_many.issue(list(requests.values())), strict=True)
    outcomes: dict[int, AccessToken | Exception] = {**refused, **dict(issued)}
    return [_result(vault, wanted.id, outcomes[place]) for place, wanted in enumerate(wish.tokens)]


def _result(vault: Vault, token_id: str, outcome: AccessToken | Exception) -> BatchedToken:
    if isinstance(outcome, AccessToken):
        return BatchedToken(id=token_id, token=issued_token(callers.grant_id(token_id), outcome, vault.now()))
    problem = problem_for(outcome, TABLE)
    if problem is None:
        log.error("http.unexpected_error", exc_info=outcome)
        problem = Problem(500, "internal_error", "Something went wrong here. Quote the request id when you report it.")
    after = problem.headers.get("Retry-After")
    return BatchedToken(id=token_id, problem=problem.document(), retry_after=int(after) if after else None)
