"""Token statuses on reads: when the vault is asked, for which tokens, and what its answers mean."""

from collections.abc import Callable
from uuid import UUID

import pytest
from scripted_vault import ScriptedVault

from service_kit.postgres.database import Database
from task_service.adapters.postgres.token_statuses import PostgresTokenStatuses
from task_service.application.execute import ExecuteTasks
from task_service.application.listing import ListTasks
from task_service.application.manage import ManageTasks, Person
from task_service.application.token_status import ASK_AT_MOST, CONFIRM_AT_MOST
from task_service.domain.owner import Owner
from task_service.domain.task import TokenStatus

Look = Callable[..., list[tuple[object, ...]]]
DUE = "update owners set token_checked_at = 'epoch' returning 1"


def many_linked(look: Look, alice: Person, number: int, status: str = "active") -> list[UUID]:
    """Tasks of hers, each with a token of its own; the tokens in order."""
    rows = look(
        "insert into tasks (id, issuer, subject, name, description, persistent_token_id, token_status)"
        " select gen_random_uuid(), %s, %s, 'n', '', gen_random_uuid(), %s from generate_series(1, %s)"
        " returning persistent_token_id",
        alice.owner.issuer,
        alice.owner.sub,
        status,
        number,
    )
    return sorted(UUID(str(row[0])) for row in rows)


def test_the_vault_is_asked_seldom_on_reads(
    manage: ManageTasks, listing: ListTasks, execution: ExecuteTasks, vault: ScriptedVault, alice: Person, look: Look
) -> None:
    """Once for many polls; a status that changed there is seen here."""
    task = manage.create(alice, "a", "")
    token_id = vault.knows(alice.owner, TokenStatus.PENDING)
    execution.link(alice, task.id, token_id)
    asked = vault.asked
    for _ in range(10):
        listing.version(alice)
    assert vault.asked == asked + 1
    vault.says(alice.owner, token_id, TokenStatus.ACTIVE)
    look("update owners set token_checked_at = now() - interval '2 seconds' returning 1")
    assert manage.find(alice, task.id).token_status is TokenStatus.ACTIVE
    vault._grants.clear()
    look("update owners set token_checked_at = now() - interval '16 seconds' returning 1")
    assert manage.find(alice, task.id).token_status is TokenStatus.FAILED


def test_a_failed_token_may_live_again(
    manage: ManageTasks, execution: ExecuteTasks, vault: ScriptedVault, alice: Person, look: Look
) -> None:
    """The person was enabled again and checked the token. The task shows it after the next request to the vault."""
    task = manage.create(alice, "a", "")
    token_id = vault.knows(alice.owner, TokenStatus.FAILED)
    execution.link(alice, task.id, token_id)
    vault.says(alice.owner, token_id, TokenStatus.ACTIVE)
    look("update owners set token_checked_at = now() - interval '16 seconds' returning 1")
    assert manage.find(alice, task.id).token_status is TokenStatus.ACTIVE


def test_only_linked_tokens_are_asked_for_in_bounded_requests_and_each_in_its_turn(
    listing: ListTasks, vault: ScriptedVault, alice: Person, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many the person has granted."""
    linked = many_linked(look, alice, 2 * ASK_AT_MOST + 50)
    for token_id in linked:
        vault.says(alice.owner, token_id, TokenStatus.ACTIVE)
    vault.knows(alice.owner, TokenStatus.ACTIVE)
    asked: list[list[UUID]] = []
    answer = vault.linked

    def noted(owner: Owner, ids: list[UUID]) -> object:
        asked.append(list(ids))
        return answer(owner, ids)

    monkeypatch.setattr(vault, "linked", noted)
    for _ in range(3):
        look(DUE)
        listing.version(alice)
    assert [len(each) for each in asked] == [ASK_AT_MOST, ASK_AT_MOST, 50]
    assert [token_id for each in asked for token_id in each] == linked
    look(DUE)
    listing.version(alice)
    assert asked[3] == asked[0]
    assert vault.asked == 4


def test_a_token_beyond_any_list_of_the_vaults_does_not_fail(
    listing: ListTasks, vault: ScriptedVault, alice: Person, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Absence is no failure: the vault is asked for the very token, and what it says then counts."""
    linked = many_linked(look, alice, 3)
    for token_id in linked[:2]:
        vault.says(alice.owner, token_id, TokenStatus.ACTIVE)
    monkeypatch.setattr(vault, "linked", lambda *_: [])
    look(DUE)
    listing.version(alice)
    rows = look("select token_status from tasks order by persistent_token_id")
    assert rows == [("active",), ("active",), ("failed",)]


def test_of_many_missing_tokens_a_check_confirms_a_few(
    listing: ListTasks, vault: ScriptedVault, alice: Person, look: Look
) -> None:
    """The others keep their status until their turn comes."""
    many_linked(look, alice, 20)
    look(DUE)
    listing.version(alice)
    assert vault.asked == 1 + CONFIRM_AT_MOST
    assert look("select count(*) from tasks where token_status = 'failed'") == [(CONFIRM_AT_MOST,)]


def test_awaited_consents_are_asked_for_first(database: Database, alice: Person, look: Look) -> None:
    """But leave room for the others; a token of many tasks is asked for once."""
    many_linked(look, alice, 30)
    pending = many_linked(look, alice, 8, "pending")
    look(
        "insert into tasks (id, issuer, subject, name, description, persistent_token_id, token_status)"
        " select gen_random_uuid(), issuer, subject, name, '', persistent_token_id, token_status"
        " from tasks, generate_series(1, 20) where token_status = 'pending' returning 1"
    )
    statuses = PostgresTokenStatuses(database)
    first = statuses.next_linked(alice.owner, 10)
    assert first[:5] == pending[:5]
    assert len(first) == len(set(first)) == 10 or set(first) & set(pending)
    seen = set(first)
    for _ in range(10):
        seen |= set(statuses.next_linked(alice.owner, 10))
    assert len(seen) == 38


def test_the_vault_is_not_asked_for_a_person_without_linked_tokens(
    manage: ManageTasks, listing: ListTasks, vault: ScriptedVault, alice: Person, look: Look
) -> None:
    """Nor is an answer of the vault's needed."""
    manage.create(alice, "a", "")
    look(DUE)
    listing.version(alice)
    assert vault.asked == 0


def test_other_peoples_tasks_keep_their_statuses(database: Database, alice: Person, bob: Person, look: Look) -> None:
    """Also when they are linked to the same id."""
    (token_id,) = many_linked(look, alice, 1)
    PostgresTokenStatuses(database).update(bob.owner, {token_id: TokenStatus.FAILED})
    assert look("select token_status from tasks") == [("active",)]
    PostgresTokenStatuses(database).update(alice.owner, {token_id: TokenStatus.FAILED})
    assert look("select token_status from tasks") == [("failed",)]
