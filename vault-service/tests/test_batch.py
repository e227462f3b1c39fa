"""Batches of access tokens: each id has its own outcome."""

import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from replica import SERVICE, Replica

from vault_service.application import issue
from vault_service.application.errors import GrantNotFoundError, GrantUnusableError, ProviderUnavailableError
from vault_service.application.issue import IssueMany
from vault_service.application.token_request import TokenRequest
from vault_service.domain.grant import AccessToken


def need(grant_id: object) -> TokenRequest:
    """A request for any token of a grant."""
    return TokenRequest(grant_id=grant_id, requester=SERVICE, scopes=frozenset(), min_valid=0.0, request_id="r")  # type: ignore[arg-type]


def test_one_bad_id_does_not_affect_the_others(vault: Replica) -> None:
    """Outcomes are in the order of the requests; the same id twice causes one refresh."""
    grants = [vault.grant() for _ in range(12)]
    outcomes = IssueMany(vault.issuing).issue([need(g) for g in (*grants[:6], uuid4(), *grants[6:], grants[0])])
    assert [type(outcome) for outcome in outcomes] == [
        *[AccessToken] * 6,
        GrantNotFoundError,
        *[AccessToken] * 7,
    ]
    assert outcomes[0] == outcomes[-1]
    assert vault.provider.refreshes == 12


def test_what_takes_too_long_is_unavailable(vault: Replica, monkeypatch: pytest.MonkeyPatch) -> None:
    """The batch ends after `BATCH_SECONDS`."""
    monkeypatch.setattr(issue, "BATCH_SECONDS", 0.5)
    release = threading.Event()
    slow_id, quick_id = vault.grant(), vault.grant()
    vault.issue(quick_id)
    vault.provider.script.append(release.wait)  # type: ignore[arg-type]
    slow, quick = IssueMany(vault.issuing).issue([need(slow_id), need(quick_id)])
    release.set()
    assert isinstance(slow, ProviderUnavailableError)
    assert isinstance(quick, AccessToken)


def test_remembered_tokens_do_not_wait_for_the_others(vault: Replica, monkeypatch: pytest.MonkeyPatch) -> None:
    """Remembered tokens are recorded together, even while other batches wait. A grant that ended meanwhile gives its
    error.
    """
    monkeypatch.setattr(issue, "BATCH_THREADS", 1)
    many = IssueMany(vault.issuing)
    slow, *quick, limited, revoked = [vault.grant() for _ in range(5)] + [vault.grant(max_uses=5), vault.grant()]
    for grant_id in (*quick, limited, revoked):
        vault.issue(grant_id)
    vault.manage.revoke(revoked, SERVICE.owner, "task-ui", "request-3")
    release = threading.Event()
    vault.provider.script.append(release.wait)  # type: ignore[arg-type]
    with ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(many.issue, [need(slow)])
        at_hand = pool.submit(many.issue, [need(grant_id) for grant_id in quick])
        assert all(isinstance(outcome, AccessToken) for outcome in at_hand.result(10))
        assert not waiting.done()
        release.set()
    counted, gone = many.issue([need(limited), need(revoked)])
    assert isinstance(counted, AccessToken)
    assert isinstance(gone, GrantUnusableError)
