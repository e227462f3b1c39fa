"""Access tokens that an API has refused: refreshed when they are the current ones, within a budget for each grant."""

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from uuid import UUID

import pytest
import replica
from replica import REFUSED_BUDGET, SERVICE, Replica

from vault_service.application.errors import ProviderUnavailableError, RefusedTooOftenError
from vault_service.application.ports.runtime import SharedToken, TokenKey
from vault_service.application.provider_errors import NotSentError
from vault_service.application.token_request import TokenRequest

Rows = Callable[..., list[tuple[object, ...]]]


class SharedMemory:
    """A cache that several replicas have in common."""

    def __init__(self) -> None:
        self.tokens: dict[tuple[UUID, frozenset[str]], SharedToken] = {}

    def get(self, grant_id: UUID, scopes: frozenset[str]) -> SharedToken | None:
        """The token."""
        return self.tokens.get((grant_id, scopes))

    def get_soon(self, keys: Sequence[TokenKey]) -> Future[Sequence[SharedToken | None]]:
        """The tokens."""
        found: Future[Sequence[SharedToken | None]] = Future()
        found.set_result([self.get(*key) for key in keys])
        return found

    def put(self, grant_id: UUID, scopes: frozenset[str], shared: SharedToken) -> None:
        """Keep the token."""
        self.tokens[grant_id, scopes] = shared


def hash_of(value: str) -> bytes:
    """The hash by which callers name a token."""
    return hashlib.sha256(value.encode()).digest()


def request(grant_id: UUID, refused: str | None) -> TokenRequest:
    """A request that names a refused token."""
    return TokenRequest(
        grant_id=grant_id,
        requester=SERVICE,
        scopes=frozenset(),
        min_valid=0.0,
        request_id="request-1",
        refused=None if refused is None else hash_of(refused),
    )


def test_the_current_token_is_refreshed_and_an_older_one_is_not(vault: Replica) -> None:
    """A caller that names an older token gets the current one, also when another process has refreshed it."""
    grant_id = vault.grant()
    first = vault.issue(grant_id).value
    second = vault.issuing.issue(request(grant_id, first)).value
    refreshes = vault.provider.refreshes
    assert second != first
    assert vault.issuing.found(request(grant_id, second), None) is None
    for older in (first, "never given"):
        assert vault.issuing.remembered(request(grant_id, older)) is None
        found = vault.issuing.found(request(grant_id, older), None)
        assert found is not None
        assert found.value == vault.issuing.issue(request(grant_id, older)).value == second
    assert vault.provider.refreshes == refreshes


def test_callers_of_two_replicas_who_name_one_token_cause_one_refresh(
    new_replica: Callable[[], Replica], database_url: str
) -> None:
    """And take one of the budget; what one replica has fetched serves the other one."""
    first = new_replica()
    shared = SharedMemory()
    replicas = [replica.create(database_url, first.provider, shared) for _ in range(2)]
    try:
        grant_id = first.grant()
        refused = replicas[0].issue(grant_id).value
        assert replicas[1].issue(grant_id).value == refused
        before = first.provider.refreshes
        with ThreadPoolExecutor(24) as pool:
            calls = pool.map(lambda n: replicas[n % 2].issuing.issue(request(grant_id, refused)).value, range(24))
            (value,) = set(calls)
        assert value != refused
        assert first.provider.refreshes == before + 1
    finally:
        for each in replicas:
            each.close()


def test_a_replica_that_remembers_an_older_token_gives_the_one_that_all_share(
    new_replica: Callable[[], Replica], database_url: str
) -> None:
    """The older one ends at some servers when it is replaced. The caller gets the new one when all replicas know it."""
    first = new_replica()
    shared = SharedMemory()
    one, other = (replica.create(database_url, first.provider, shared) for _ in range(2))
    with closing(one), closing(other):
        grant_id = first.grant()
        old = one.issue(grant_id).value
        assert other.issue(grant_id).value == old
        new = other.issuing.issue(request(grant_id, old)).value
        assert shared.tokens[grant_id, frozenset()].token.value == new
        assert one.issuing.remembered(request(grant_id, "an even older one")) is None
        assert one.issuing.issue(request(grant_id, "an even older one")).value == new


def test_the_budget_of_a_grant_is_for_all_replicas_and_an_hour(new_replica: Callable[[], Replica], rows: Rows) -> None:
    """Beyond it callers are told when to come again; other grants have budgets of their own."""
    replicas = [new_replica(), new_replica()]
    grant_id, other = replicas[0].grant(), replicas[0].grant()
    current = [each.issue(grant_id).value for each in replicas]
    for number in range(REFUSED_BUDGET):
        at = number % 2
        current[at] = replicas[at].issuing.issue(request(grant_id, current[at])).value
    for at in (0, 1):
        with pytest.raises(RefusedTooOftenError) as refused:
            replicas[at].issuing.issue(request(grant_id, current[at]))
        assert 3000 < refused.value.retry_after <= 3600
        assert replicas[at].issue(grant_id).value == current[at]
    token = replicas[0].issue(other).value
    assert replicas[0].issuing.issue(request(other, token)).value != token
    rows("update grants set refused_since = refused_since - interval '1 hour' returning 1")
    assert replicas[0].issuing.issue(request(grant_id, current[0])).value != current[0]
    assert rows("select refused_refreshes from grants where id = %s", grant_id) == [(1,)]


def test_a_refused_token_is_not_given_when_the_server_is_unavailable(vault: Replica) -> None:
    """Though others still get it."""
    grant_id = vault.grant()
    token = vault.issue(grant_id).value
    vault.provider.script.append(NotSentError(5.0))
    with pytest.raises(ProviderUnavailableError):
        vault.issuing.issue(request(grant_id, token))
    assert vault.issue(grant_id).value == token
