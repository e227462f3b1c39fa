"""Revocation: here at once, at the authorization server through the outbox, and never of another grant."""

from collections.abc import Callable
from dataclasses import replace
from uuid import uuid4

import pytest
from replica import ALICE, Replica, answer, wish

from vault_service.application.errors import ConsentError, GrantNotFoundError
from vault_service.application.provider_errors import NotSentError
from vault_service.domain.grant import RefreshToken, Status, Subject

Rows = Callable[..., list[tuple[object, ...]]]
BOB = Subject(ALICE.issuer, "bob-sub")


def revoke(vault: Replica, grant_id: object) -> None:
    """Revoke the grant as its owner."""
    vault.manage.revoke(grant_id, ALICE, "task-ui", "request-3")  # type: ignore[arg-type]


def test_a_revocation_is_sent_and_recorded(vault: Replica, rows: Rows) -> None:
    """The token is sent once, and the row keeps nothing of it."""
    grant_id = vault.grant()
    revoke(vault, grant_id)
    delivery = vault.deliver.deliver_one()
    assert delivery is not None
    assert (delivery.grant_id, delivery.outcome) == (grant_id, "revoked")
    assert vault.deliver.deliver_one() is None
    assert vault.provider.revoked == ["refresh-1"]
    assert rows("select outcome, refresh_token from revocations") == [("revoked", None)]
    assert rows("select refresh_token from grants") == [(None,)]
    assert rows("select event, outcome from audit order by id desc limit 2") == [
        ("revocation.sent", "revoked"),
        ("grant.revoked", "ok"),
    ]


def test_revoking_twice_is_revoking_once(vault: Replica, rows: Rows) -> None:
    """Revoking is idempotent."""
    grant_id = vault.grant()
    revoke(vault, grant_id)
    revoke(vault, grant_id)
    assert rows("select count(*) from revocations") == [(1,)]


def test_an_unreachable_server_is_tried_again(vault: Replica, rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    """The delays grow until it succeeds."""
    grant_id = vault.grant()
    revoke(vault, grant_id)

    def away(_: RefreshToken) -> None:
        raise NotSentError("down")

    with monkeypatch.context() as broken:
        broken.setattr(vault.provider, "revoke", away)
        delivery = vault.deliver.deliver_one()
        assert delivery is not None
        assert delivery.outcome == "postponed"
        assert vault.deliver.deliver_one() is None
    rows("update revocations set next_attempt_at = now() returning 1")
    vault.deliver.deliver_one()
    assert rows("select attempts, outcome from revocations") == [(2, "revoked")]


def test_only_the_owner_can_revoke(vault: Replica) -> None:
    """Another person's grant is not found."""
    grant_id = vault.grant()
    for owner, which in ((BOB, grant_id), (ALICE, uuid4())):
        with pytest.raises(GrantNotFoundError):
            vault.manage.revoke(which, owner, "task-ui", "request-3")
    assert vault.manage.find(grant_id, ALICE).status is Status.ACTIVE


def test_a_session_is_revoked_with_its_last_grant(vault: Replica, rows: Rows) -> None:
    """Keycloak gives two consents in one browser one session: revoking the first token there would end the second."""
    vault.provider.session = "one-browser"
    first, second = vault.grant(), vault.grant()
    revoke(vault, first)
    assert vault.deliver.deliver_one() is None
    assert vault.issue(second).value
    assert rows("select outcome from audit where event = 'grant.revoked'") == [("session_shared",)]
    revoke(vault, second)
    vault.deliver.deliver_one()
    assert len(vault.provider.revoked) == 1


def test_a_stranger_who_followed_a_link_keeps_their_session(vault: Replica) -> None:
    """The stranger's token is neither kept nor revoked: the stranger's own grant lives on that session."""
    vault.provider.session = "bobs-browser"
    vault.provider.person = BOB
    started = vault.consent.request(replace(wish(), owner=BOB))
    vault.consent.complete(answer(started.state, vault.provider))
    trap = vault.consent.request(wish())
    with pytest.raises(ConsentError):
        vault.consent.complete(answer(trap.state, vault.provider))
    assert vault.deliver.deliver_one() is None
