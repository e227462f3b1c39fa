"""The owner's check: whether a grant lives, or lives again."""

from collections.abc import Callable
from uuid import uuid4

import pytest
from replica import ALICE, SERVICE, Replica, wish

from vault_service.application.errors import (
    CheckedTooOftenError,
    ConsentPendingError,
    GrantNotFoundError,
    GrantUnusableError,
    ProviderUnavailableError,
)
from vault_service.application.provider_errors import GrantRefusedError, NotSentError
from vault_service.domain.grant import Failure, Grant, Status, Subject

Rows = Callable[..., list[tuple[object, ...]]]


@pytest.fixture
def check(vault: Replica, rows: Rows) -> Callable[..., Grant]:
    """Check, as if the last time were long ago."""

    def run(grant_id: object) -> Grant:
        rows("update grants set checked_at = null returning 1")
        return vault.manage.check(grant_id, ALICE, "task-ui", "request-7")  # type: ignore[arg-type]

    return run


def outcomes(rows: Rows) -> list[object]:
    """What the audit says of checks."""
    return [outcome for (outcome,) in rows("select outcome from audit where event = 'grant.checked' order by id")]


def test_an_enabled_person_gets_the_grant_back(vault: Replica, rows: Rows, check: Callable[..., Grant]) -> None:
    """Failed, asked again, still failed; then it lives, and tokens are issued as before."""
    grant_id = vault.grant()
    vault.provider.script.append(GrantRefusedError(Failure.REAUTHORIZATION_REQUIRED))
    with pytest.raises(GrantUnusableError):
        vault.issue(grant_id)
    vault.provider.script.append(GrantRefusedError(Failure.TOKEN_EXPIRED))
    failed = check(grant_id)
    assert (failed.status, failed.failure) == (Status.FAILED, Failure.TOKEN_EXPIRED)
    assert check(grant_id).status is Status.ACTIVE
    assert vault.issue(grant_id).value == "access-2"
    assert vault.provider.refreshes == 1
    assert outcomes(rows) == ["token_expired", "ok"]


def test_an_active_grant_is_really_asked_for(vault: Replica, check: Callable[..., Grant]) -> None:
    """A cached token says nothing about the authorization server; what it refuses is over."""
    grant_id = vault.grant()
    vault.issue(grant_id)
    assert check(grant_id).status is Status.ACTIVE
    assert vault.provider.refreshes == 2
    vault.provider.script.append(GrantRefusedError(Failure.TOKEN_REVOKED))
    grant = check(grant_id)
    assert (grant.status, grant.failure) == (Status.FAILED, Failure.TOKEN_REVOKED)
    with pytest.raises(GrantUnusableError):
        vault.issue(grant_id)


def test_once_a_minute(vault: Replica, new_replica: Callable[[], Replica], rows: Rows) -> None:
    """On whatever replica; then again."""
    grant_id = vault.grant()
    vault.manage.check(grant_id, ALICE, "task-ui", "request-7")
    with pytest.raises(CheckedTooOftenError) as refused:
        new_replica().manage.check(grant_id, ALICE, "task-ui", "request-8")
    assert 50 < refused.value.retry_after <= 60
    assert vault.provider.refreshes == 1
    rows("update grants set checked_at = checked_at - interval '1 minute' returning 1")
    assert vault.manage.check(grant_id, ALICE, "task-ui", "request-9").status is Status.ACTIVE


def test_a_provider_that_is_away_says_nothing_about_the_grant(
    vault: Replica, rows: Rows, check: Callable[..., Grant]
) -> None:
    """It stays as it is."""
    grant_id = vault.grant()
    vault.provider.script.append(NotSentError("no connection", 3.0))
    with pytest.raises(ProviderUnavailableError):
        check(grant_id)
    assert outcomes(rows) == ["provider_unavailable"]
    assert vault.issue(grant_id, SERVICE).value


def test_there_is_nothing_to_check(vault: Replica, check: Callable[..., Grant]) -> None:
    """Unknown, another person's, pending, and revoked grants."""
    with pytest.raises(GrantNotFoundError):
        check(uuid4())
    grant_id = vault.grant()
    with pytest.raises(GrantNotFoundError):
        vault.manage.check(grant_id, Subject(ALICE.issuer, "bob-sub"), "task-ui", "request-7")
    vault.manage.revoke(grant_id, ALICE, "task-ui", "request-8")
    with pytest.raises(GrantUnusableError):
        check(grant_id)
    with pytest.raises(ConsentPendingError):
        check(vault.consent.request(wish()).grant_id)
    assert vault.provider.refreshes == 0
