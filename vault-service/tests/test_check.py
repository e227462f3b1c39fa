"""The owner's check: whether a grant works, or works again."""

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
    """Check the grant, as if the last check were long ago."""

    def run(grant_id: object) -> Grant:
        rows("update grants set checked_at = null returning 1")
        return vault.manage.check(grant_id, ALICE, "task-ui", "request-7")  # type: ignore[arg-type]

    return run


def outcomes(rows: Rows) -> list[object]:
    """The outcomes of checks in the audit."""
    return [outcome for (outcome,) in rows("select outcome from audit where event = 'grant.checked' order by id")]


def test_an_enabled_person_gets_the_grant_back(vault: Replica, rows: Rows, check: Callable[..., Grant]) -> None:
    """The grant fails, is checked, fails again; once the person is enabled, a check makes it active."""
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


def test_a_check_asks_the_server_though_a_token_is_cached(vault: Replica, check: Callable[..., Grant]) -> None:
    """A check does not use the cache; a refusal makes the grant failed."""
    grant_id = vault.grant()
    vault.issue(grant_id)
    assert check(grant_id).status is Status.ACTIVE
    assert vault.provider.refreshes == 2
    vault.provider.script.append(GrantRefusedError(Failure.TOKEN_REVOKED))
    grant = check(grant_id)
    assert (grant.status, grant.failure) == (Status.FAILED, Failure.TOKEN_REVOKED)
    with pytest.raises(GrantUnusableError):
        vault.issue(grant_id)


def test_a_grant_is_checked_once_a_minute(vault: Replica, new_replica: Callable[[], Replica], rows: Rows) -> None:
    """The limit holds over all replicas."""
    grant_id = vault.grant()
    vault.manage.check(grant_id, ALICE, "task-ui", "request-7")
    with pytest.raises(CheckedTooOftenError) as refused:
        new_replica().manage.check(grant_id, ALICE, "task-ui", "request-8")
    assert 50 < refused.value.retry_after <= 60
    assert vault.provider.refreshes == 1
    rows("update grants set checked_at = checked_at - interval '1 minute' returning 1")
    assert vault.manage.check(grant_id, ALICE, "task-ui", "request-9").status is Status.ACTIVE


def test_an_unreachable_provider_does_not_change_the_grant(
    vault: Replica, rows: Rows, check: Callable[..., Grant]
) -> None:
    """The grant's status stays."""
    grant_id = vault.grant()
    vault.provider.script.append(NotSentError("no connection", 3.0))
    with pytest.raises(ProviderUnavailableError):
        check(grant_id)
    assert outcomes(rows) == ["provider_unavailable"]
    assert vault.issue(grant_id, SERVICE).value


def test_grants_without_a_token_cannot_be_checked(vault: Replica, check: Callable[..., Grant]) -> None:
    """Unknown, another person's, pending, and revoked grants cannot be checked."""
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
