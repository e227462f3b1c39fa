"""Access that is already granted: create with it, replace it by a second consent, revoke it with the last task."""

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest
from scripted_vault import ScriptedVault

from task_service.application.errors import TaskNotFoundError, TokenNotFoundError, VaultUnavailableError
from task_service.application.execute import ExecuteAnswer, ExecuteTasks
from task_service.application.manage import ManageTasks, Person
from task_service.domain.task import Task, TokenStatus


def consented(vault: ScriptedVault, person: Person, task: Task, status: TokenStatus = TokenStatus.ACTIVE) -> UUID:
    """A token that the person was asked for, for that task."""
    return vault.knows(person.owner, status, task.id)


def test_a_task_is_created_with_a_token_of_ones_own(
    manage: ManageTasks, execution: ExecuteTasks, vault: ScriptedVault, alice: Person, bob: Person
) -> None:
    """The task can be executed at once, and one consent serves many tasks. Another person's token is not found."""
    token_id = vault.knows(alice.owner, TokenStatus.ACTIVE)
    for _ in range(3):
        task = manage.create(alice, "a", "", persistent_token_id=token_id)
        assert (task.persistent_token_id, task.token_status) == (token_id, TokenStatus.ACTIVE)
        assert execution.execute(alice, task.id).answer is ExecuteAnswer.EXECUTING
    for foreign in (token_id, uuid4()):
        with pytest.raises(TokenNotFoundError):
            manage.create(bob, "b", "", persistent_token_id=foreign)
    vault.unavailable = True
    with pytest.raises(VaultUnavailableError):
        manage.create(alice, "a", "", persistent_token_id=token_id)
    assert manage.create(alice, "without", "").persistent_token_id is None


def test_a_second_consent_for_a_task_revokes_the_first_once_it_is_given(
    manage: ManageTasks, execution: ExecuteTasks, vault: ScriptedVault, alice: Person
) -> None:
    """As the page links it: pending before the consent, active after it."""
    task = manage.create(alice, "a", "")
    first = consented(vault, alice, task)
    execution.link(alice, task.id, first)
    second = consented(vault, alice, task, TokenStatus.PENDING)
    execution.link(alice, task.id, second)
    assert vault.revoked == []
    vault.says(alice.owner, second, TokenStatus.ACTIVE)
    for _ in range(2):
        execution.link(alice, task.id, second)
        assert vault.revoked == [first]


def test_a_second_consent_that_is_denied_revokes_nothing(
    manage: ManageTasks, execution: ExecuteTasks, vault: ScriptedVault, alice: Person
) -> None:
    """The first one can be linked again, and is not in mind as replaced then."""
    task = manage.create(alice, "a", "")
    first = consented(vault, alice, task)
    execution.link(alice, task.id, first)
    second = consented(vault, alice, task, TokenStatus.PENDING)
    execution.link(alice, task.id, second)
    vault.says(alice.owner, second, TokenStatus.FAILED)
    execution.link(alice, task.id, second)
    execution.link(alice, task.id, first)
    assert execution.execute(alice, task.id).answer is ExecuteAnswer.EXECUTING
    assert vault.revoked == []
    assert manage.find(alice, task.id).replaces_token_id is None


@pytest.mark.parametrize(
    "why", ["another task uses it", "another service may", "it was asked for something else", "the new one was"]
)
def test_a_token_that_others_may_need_is_not_revoked(
    manage: ManageTasks, execution: ExecuteTasks, vault: ScriptedVault, alice: Person, why: str
) -> None:
    """Only the first consent of this very task goes."""
    task, other = (manage.create(alice, name, "") for name in "ab")
    first = consented(vault, alice, other if why == "it was asked for something else" else task)
    second = consented(vault, alice, other if why == "the new one was" else task)
    execution.link(alice, task.id, first)
    if why == "another service may":
        vault.shared.add(first)
    if why == "another task uses it":
        execution.link(alice, other.id, first)
    execution.link(alice, task.id, second)
    assert vault.revoked == []
    assert manage.find(alice, task.id).replaces_token_id is None


def test_a_revocation_that_failed_is_made_up_for(
    manage: ManageTasks, execution: ExecuteTasks, vault: ScriptedVault, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Linking is done and says so; the next link or execution revokes."""
    task = manage.create(alice, "a", "")
    first, second = consented(vault, alice, task), consented(vault, alice, task)
    execution.link(alice, task.id, first)

    def unavailable(*_: object) -> None:
        raise VaultUnavailableError

    with monkeypatch.context() as patch:
        patch.setattr(vault, "revoke", unavailable)
        assert execution.link(alice, task.id, second).persistent_token_id == second
    assert vault.revoked == []
    execution.execute(alice, task.id)
    assert vault.revoked == [first]


def test_deleting_the_last_task_of_a_token_can_revoke_it(
    manage: ManageTasks, vault: ScriptedVault, alice: Person, bob: Person
) -> None:
    """As long as another task is linked to it, it stays."""
    token_id = vault.knows(alice.owner, TokenStatus.ACTIVE)
    first, second = (manage.create(alice, name, "", persistent_token_id=token_id) for name in "ab")
    with pytest.raises(TaskNotFoundError):
        manage.delete_with_access(bob, first.id)
    assert not manage.delete_with_access(alice, first.id)
    assert vault.revoked == []
    assert manage.delete_with_access(alice, second.id)
    assert vault.revoked == [token_id]
    assert not manage.delete_with_access(alice, manage.create(alice, "without", "").id)


def test_an_unavailable_vault_leaves_task_and_token(manage: ManageTasks, vault: ScriptedVault, alice: Person) -> None:
    """The 503 means that nothing was done; a token that the vault has forgotten does not keep the task."""
    token_id = vault.knows(alice.owner, TokenStatus.ACTIVE)
    task = manage.create(alice, "a", "", persistent_token_id=token_id)
    vault.unavailable = True
    with pytest.raises(VaultUnavailableError):
        manage.delete_with_access(alice, task.id)
    vault.unavailable = False
    vault._grants.clear()
    assert manage.delete_with_access(alice, task.id)
    with pytest.raises(TaskNotFoundError):
        manage.find(alice, task.id)


def test_a_link_against_a_revocation_leaves_no_token_that_looks_usable(
    manage: ManageTasks, execution: ExecuteTasks, vault: ScriptedVault, alice: Person
) -> None:
    """In either order: a task that is linked to the revoked token says so when it is executed."""
    with ThreadPoolExecutor(2) as pool:
        for _ in range(20):
            token_id = vault.knows(alice.owner, TokenStatus.ACTIVE)
            last = manage.create(alice, "last", "", persistent_token_id=token_id)
            other = manage.create(alice, "other", "")
            linking = pool.submit(execution.link, alice, other.id, token_id)
            revoked = pool.submit(manage.delete_with_access, alice, last.id).result()
            linking.result()
            answer = execution.execute(alice, other.id).answer
            assert answer is (ExecuteAnswer.TOKEN_FAILED if revoked else ExecuteAnswer.EXECUTING)


def test_one_consent_serves_each_of_its_tasks_linked_or_not(
    manage: ManageTasks, execution: ExecuteTasks, vault: ScriptedVault, alice: Person
) -> None:
    """A task without a link finds the token when it is executed."""
    linked, found, other = (manage.create(alice, name, "") for name in "abc")
    token_id = vault.knows(alice.owner, TokenStatus.ACTIVE, linked.id, found.id)
    execution.link(alice, linked.id, token_id)
    for task in (linked, found):
        assert execution.execute(alice, task.id).persistent_token_id == token_id
    assert execution.execute(alice, other.id).answer is ExecuteAnswer.NEEDS_CONSENT


@pytest.mark.parametrize("how", ["one consent for both", "a consent for each"])
def test_a_consent_for_many_tasks_goes_with_the_last_task_that_it_served(
    manage: ManageTasks, execution: ExecuteTasks, vault: ScriptedVault, alice: Person, how: str
) -> None:
    """The consent is revoked once, when a second consent serves each of the tasks."""
    tasks = [manage.create(alice, name, "") for name in "ab"]
    first = vault.knows(alice.owner, TokenStatus.ACTIVE, *(task.id for task in tasks))
    for task in tasks:
        execution.link(alice, task.id, first)
    both = vault.knows(alice.owner, TokenStatus.ACTIVE, *(task.id for task in tasks))
    for task, revoked in zip(tasks, ([], [first]), strict=True):
        second = both if how == "one consent for both" else consented(vault, alice, task)
        execution.link(alice, task.id, second)
        assert vault.revoked == revoked


def test_a_consent_stays_for_a_task_that_was_not_linked_to_it_yet(
    manage: ManageTasks, execution: ExecuteTasks, vault: ScriptedVault, alice: Person
) -> None:
    """The consent is that task's only access. It is revoked when the task is linked to another or was deleted."""
    linked, waiting = (manage.create(alice, name, "") for name in "ab")
    first = vault.knows(alice.owner, TokenStatus.ACTIVE, linked.id, waiting.id)
    execution.link(alice, linked.id, first)
    execution.link(alice, linked.id, consented(vault, alice, linked))
    assert vault.revoked == []
    assert execution.execute(alice, waiting.id).persistent_token_id == first
    alone, deleted = (manage.create(alice, name, "") for name in "cd")
    first = vault.knows(alice.owner, TokenStatus.ACTIVE, alone.id, deleted.id)
    execution.link(alice, alone.id, first)
    manage.delete(alice, deleted.id)
    execution.link(alice, alone.id, consented(vault, alice, alone))
    assert vault.revoked == [first]
