"""Consent: a request is claimed once and bound to the person, and a token that must not be kept is revoked."""

from collections.abc import Callable
from dataclasses import replace
from unittest.mock import Mock

import pytest
from replica import ALICE, Replica, answer, wish

from vault_service.application.authorization_request import code_challenge
from vault_service.application.errors import (
    ConsentError,
    ConsentPendingError,
    GrantUnusableError,
    StorageUnavailableError,
)
from vault_service.application.provider_errors import NotSentError
from vault_service.domain.grant import Failure, Subject

Rows = Callable[..., list[tuple[object, ...]]]


def test_a_consent_activates_the_grant_it_was_asked_for(vault: Replica, rows: Rows) -> None:
    """The grant is pending, then active; the audit has both steps."""
    started = vault.consent.request(wish())
    with pytest.raises(ConsentPendingError):
        vault.issue(started.grant_id)
    granted = vault.consent.complete(answer(started.state, vault.provider))
    assert (granted.grant_id, granted.task_id) == (started.grant_id, "task-1")
    assert rows("select event, outcome from audit order by id") == [
        ("consent.requested", "ok"),
        ("consent.granted", "ok"),
    ]


def test_nothing_that_is_stored_shows_a_secret(vault: Replica, rows: Rows) -> None:
    """State, verifier, nonce and token are stored hashed or sealed."""
    started = vault.consent.request(wish())
    vault.consent.complete(answer(started.state, vault.provider))
    stored = "".join(str(row) for table in ("grants", "consent_requests") for row in rows(f"select * from {table}"))
    assert started.state not in stored
    assert "refresh-1" not in stored
    assert started.state not in repr(started)


@pytest.mark.parametrize("attempt", ["replay", "unknown"])
def test_a_request_is_claimed_once(vault: Replica, attempt: str) -> None:
    """A replayed callback changes nothing."""
    started = vault.consent.request(wish())
    vault.consent.complete(answer(started.state, vault.provider))
    state = started.state if attempt == "replay" else "unknown"
    with pytest.raises(ConsentError) as refused:
        vault.consent.complete(answer(state, vault.provider, error="access_denied"))
    assert refused.value.code == "consent_invalid"
    assert vault.issue(started.grant_id).value


def test_a_late_answer_is_expired(vault: Replica, rows: Rows) -> None:
    """After ten minutes the request has expired, and the grant shows it."""
    started = vault.consent.request(wish())
    rows("update consent_requests set expires_at = now() - interval '1 second' returning 1")
    rows("update grants set consent_expires_at = now() - interval '1 second' returning 1")
    with pytest.raises(ConsentError) as refused:
        vault.consent.complete(answer(started.state, vault.provider))
    assert (refused.value.code, refused.value.task_id) == ("consent_expired", "task-1")
    assert vault.manage.find(started.grant_id, ALICE).failure is Failure.CONSENT_EXPIRED
    with pytest.raises(GrantUnusableError):
        vault.issue(started.grant_id)


@pytest.mark.parametrize(
    ("changes", "failure"),
    [
        ({"error": "access_denied", "code": None}, Failure.CONSENT_DENIED),
        ({"error": "server_error", "code": None}, Failure.PROVIDER_ERROR),
        ({"code": None}, Failure.PROVIDER_ERROR),
        ({"unverified_issuer": "https://attacker.example"}, Failure.PROVIDER_ERROR),
        ({"code": "bad"}, Failure.PROVIDER_ERROR),
    ],
    ids=str,
)
def test_an_answer_that_is_no_consent_fails_the_grant(
    vault: Replica, changes: dict[str, str | None], failure: Failure
) -> None:
    """Each failure has its code, in the row and in the audit."""
    started = vault.consent.request(wish())
    with pytest.raises(ConsentError) as refused:
        vault.consent.complete(answer(started.state, vault.provider, **changes))
    assert refused.value.code == failure.value
    assert vault.manage.find(started.grant_id, ALICE).failure is failure


def test_the_wrong_persons_token_is_not_kept_but_revoked(vault: Replica) -> None:
    """The token of another person is never stored under the id of the person who asked."""
    started = vault.consent.request(wish())
    vault.provider.person = Subject(ALICE.issuer, "bob-sub")
    with pytest.raises(ConsentError) as refused:
        vault.consent.complete(answer(started.state, vault.provider))
    assert refused.value.code == "wrong_user"
    vault.deliver.deliver_one()
    assert vault.provider.revoked == ["refresh-1"]


def test_a_token_that_is_not_offline_is_refused(vault: Replica) -> None:
    """The server granted no `offline_access`, and the refresh token itself says that it ends with the session."""
    vault.provider.granted, vault.provider.is_session_bound = frozenset({"openid"}), True
    started = vault.consent.request(wish())
    with pytest.raises(ConsentError) as refused:
        vault.consent.complete(answer(started.state, vault.provider))
    assert refused.value.code == "provider_error"


@pytest.mark.parametrize("told", [None, frozenset({"openid"})], ids=["no scope", "not echoed"])
def test_an_offline_scope_that_is_granted_without_an_echo_counts(vault: Replica, told: frozenset[str] | None) -> None:
    """A refresh token came. Absent scopes are those that were requested (RFC 6749 section 5.1)."""
    vault.provider.granted, vault.provider.granted_told = told or frozenset(), told is not None
    grant = vault.manage.find(vault.grant(), ALICE)
    assert grant.scopes == {"openid", "offline_access"}


def test_the_cookie_is_demanded_and_a_wrong_one_uses_nothing_up(vault: Replica) -> None:
    """The answer to a browser client's request must come through the same browser."""

    started = vault.consent.request(replace(wish(), browser_bound=True))
    for cookie in (None, "wrong"):
        with pytest.raises(ConsentError) as refused:
            vault.consent.complete(answer(started.state, vault.provider, browser_secret=cookie))
        assert refused.value.code == "consent_invalid"
    vault.consent.complete(answer(started.state, vault.provider, browser_secret=started.browser_secret))


def test_a_grant_deleted_during_its_consent_stays_deleted(vault: Replica, rows: Rows) -> None:
    """The token of the late answer is revoked."""
    started = vault.consent.request(wish())
    vault.manage.revoke(started.grant_id, ALICE, "task-ui", "request-3")
    with pytest.raises(ConsentError):
        vault.consent.complete(answer(started.state, vault.provider))
    vault.deliver.deliver_one()
    assert vault.provider.revoked == ["refresh-1"]
    assert rows("select status from grants") == [("revoked",)]


def test_a_token_that_cannot_be_stored_is_revoked(vault: Replica, monkeypatch: pytest.MonkeyPatch, rows: Rows) -> None:
    """The token would be lost otherwise."""
    started = vault.consent.request(wish())
    monkeypatch.setattr(vault.consents, "activate", Mock(side_effect=StorageUnavailableError))
    with pytest.raises(StorageUnavailableError):
        vault.consent.complete(answer(started.state, vault.provider))
    vault.deliver.deliver_one()
    assert vault.provider.revoked == ["refresh-1"]


def test_without_discovery_the_provider_is_unavailable(vault: Replica, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only its discovery document tells whether `iss` is required."""
    started = vault.consent.request(wish())
    monkeypatch.setattr(vault.provider, "check_issuer", Mock(side_effect=NotSentError("away")))
    with pytest.raises(ConsentError) as refused:
        vault.consent.complete(answer(started.state, vault.provider))
    assert (refused.value.code, refused.value.task_id) == ("provider_unavailable", "task-1")


def test_the_challenge_is_the_rfcs() -> None:
    """The example of RFC 7636 appendix B."""
    challenge = code_challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    assert challenge == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
