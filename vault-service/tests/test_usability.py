"""The rule by which a grant gives access tokens, over all its states."""

from dataclasses import replace
from itertools import product

import pytest

from vault_service.domain.grant import Failure, Status, Subject
from vault_service.domain.usability import (
    GrantState,
    Obstacle,
    Refusal,
    Requester,
    refusal_of_check,
    refusal_of_use,
)

ALICE = Subject("https://issuer.example", "alice-sub")
OWNER = Requester("dev-cli", is_owner=True, owner=ALICE)
NAMED = Requester("task-service", is_owner=False, owner=ALICE)
OTHER = Requester("another", is_owner=False, owner=ALICE)
STATE = GrantState(
    status=Status.ACTIVE,
    failure=None,
    services=frozenset({"task-service"}),
    consent_expired=False,
    ended=False,
    has_token=True,
)
BOTH = (True, False)
CASES: list[tuple[dict[str, object], Refusal | None]] = [
    ({}, None),
    ({"consent_expired": True}, None),
    ({"ended": True}, Failure.TOKEN_EXPIRED),
    ({"status": Status.PENDING}, Obstacle.CONSENT_PENDING),
    ({"status": Status.PENDING, "ended": True}, Obstacle.CONSENT_PENDING),
    ({"status": Status.PENDING, "consent_expired": True}, Failure.CONSENT_EXPIRED),
    ({"status": Status.FAILED}, Failure.REAUTHORIZATION_REQUIRED),
    ({"status": Status.FAILED, "failure": Failure.WRONG_USER}, Failure.WRONG_USER),
    ({"status": Status.REVOKED}, Failure.TOKEN_REVOKED),
    ({"status": Status.EXPIRED}, Failure.TOKEN_EXPIRED),
]


@pytest.mark.parametrize(("members", "refusal"), CASES, ids=str)
def test_whoever_may_use_a_grant_is_told_its_state(members: dict[str, object], refusal: Refusal | None) -> None:
    """The owner, and the services that the owner named; whether a token is kept or not."""
    for requester, has_token in product((OWNER, NAMED), BOTH):
        assert refusal_of_use(replace(STATE, has_token=has_token, **members), requester) is refusal  # type: ignore[arg-type]


@pytest.mark.parametrize(("members", "_refusal"), CASES, ids=str)
def test_another_service_is_told_nothing_of_it(members: dict[str, object], _refusal: object) -> None:
    """Whatever the state."""
    state = replace(STATE, **members)  # type: ignore[arg-type]
    assert refusal_of_use(state, OTHER) is Obstacle.SERVICE_NOT_ALLOWED


@pytest.mark.parametrize(("members", "refusal"), CASES, ids=str)
def test_an_owner_can_have_a_failed_grant_checked_while_its_token_is_kept(
    members: dict[str, object], refusal: Refusal | None
) -> None:
    """Else the check is refused as a use would be."""
    is_failed = members.get("status") is Status.FAILED
    assert refusal_of_check(replace(STATE, **members)) is (None if is_failed else refusal)  # type: ignore[arg-type]
    assert refusal_of_check(replace(STATE, has_token=False, **members)) is refusal  # type: ignore[arg-type]
