"""Many tokens at once: each has its own outcome."""

import threading
from uuid import uuid4

import pytest
from replica import SERVICE, Replica

from vault_service.application import issue
from vault_service.application.errors import GrantNotFoundError, ProviderUnavailableError
from vault_service.application.issue import IssueMany
from vault_service.application.refresh import Need
from vault_service.domain.grant import AccessToken


def need(grant_id: object) -> Need:
    """Any token of a grant."""
    return Need(grant_id=grant_id, requester=SERVICE, scopes=frozenset(), min_valid=0.0, request_id="r")  # type: ignore[arg-type]


def test_one_bad_id_spoils_no_other(vault: Replica) -> None:
    """In the order in which they were asked for; the same id twice is one refresh."""
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
    """Nobody waits for it longer than for the whole batch."""
    monkeypatch.setattr(issue, "BATCH_SECONDS", 0.5)
    release = threading.Event()
    slow_id, quick_id = vault.grant(), vault.grant()
    vault.issue(quick_id)
    vault.provider.script.append(release.wait)  # type: ignore[arg-type]
    slow, quick = IssueMany(vault.issuing).issue([need(slow_id), need(quick_id)])
    release.set()
    assert isinstance(slow, ProviderUnavailableError)
    assert isinstance(quick, AccessToken)
