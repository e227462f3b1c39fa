"""Two people who cannot see, link, execute or mint what is each other's; and the others who may not."""

from api import MANAGER, Api, problem
from person import Person
from stack import Stack

NOT_FOUND = (404, "task_not_found")
TOKEN_NOT_FOUND = (404, "token_not_found")


def test_tasks_of_another_person_do_not_exist(alice: Api, bob: Api, alice_person: Person) -> None:
    """Not in the list, and every call answers as for an unknown id."""
    task_id, token_id = alice.ready_task(alice_person)
    unknown = "task-00000000-0000-4000-8000-000000000000"
    assert task_id not in {task["id"] for task in bob.get("/api/tasks").json()["tasks"]}
    for theirs, nothing in (
        (bob.get(f"/api/tasks/{task_id}"), bob.get(f"/api/tasks/{unknown}")),
        (bob.delete(f"/api/tasks/{task_id}"), bob.delete(f"/api/tasks/{unknown}")),
        (bob.execute(task_id), bob.execute(unknown)),
        (bob.link(task_id, token_id), bob.link(unknown, token_id)),
    ):
        assert problem(theirs) == problem(nothing) == NOT_FOUND
        assert _without_request_id(theirs.json()) == _without_request_id(nothing.json())
    assert alice.get(f"/api/tasks/{task_id}").status_code == 200


def test_tokens_of_another_person_do_not_exist(alice: Api, bob: Api, alice_person: Person) -> None:
    """Not listed, not shown, not revoked, not linked, not minted."""
    token_id = alice.grant(alice_person)
    assert token_id not in {token["persistentTokenId"] for token in bob.get(f"{MANAGER}/tokens").json()["tokens"]}
    assert problem(bob.get(f"{MANAGER}/tokens/{token_id}")) == TOKEN_NOT_FOUND
    assert problem(bob.delete(f"{MANAGER}/tokens/{token_id}")) == TOKEN_NOT_FOUND
    assert problem(bob.access_token(token_id)) == TOKEN_NOT_FOUND
    assert problem(bob.link(bob.create_task(), token_id)) == TOKEN_NOT_FOUND
    assert alice.access_token(token_id).status_code == 200


def test_a_service_must_name_the_right_owner(alice: Api, bob: Api, task_service: Api, alice_person: Person) -> None:
    """A service that was tricked into holding another person's id gets nothing (R24 the other way round)."""
    token_id = alice.grant(alice_person)
    owner = alice.task(alice.create_task())["userId"]
    stranger = bob.task(bob.create_task())["userId"]
    assert task_service.access_token(token_id, subject=owner).status_code == 200
    assert problem(task_service.access_token(token_id, subject=stranger)) == TOKEN_NOT_FOUND
    assert problem(task_service.access_token(token_id)) == (422, "invalid_input")


def test_only_services_that_the_owner_named_are_served(alice: Api, task_service: Api, alice_person: Person) -> None:
    """`services` of the consent request. What the task service may not use cannot be linked to a task."""
    token_id = alice.grant(alice_person, services=["some-notebook"])
    assert problem(alice.link(alice.create_task(), token_id)) == TOKEN_NOT_FOUND
    owner = alice.task(alice.create_task())["userId"]
    assert problem(task_service.access_token(token_id, subject=owner)) == (403, "service_not_allowed")


def test_a_service_account_owns_nothing(task_service: Api) -> None:
    """A service has to name the person for whom it asks. The task API accepts no service at all."""
    assert problem(task_service.get(f"{MANAGER}/tokens")) == (403, "forbidden")
    assert problem(task_service.post(f"{MANAGER}/offline-consent", {})) == (422, "invalid_input")
    assert problem(task_service.get("/api/tasks")) == (401, "unauthorized")


def test_uses_are_limited_as_the_owner_said(alice: Api, alice_person: Person) -> None:
    """`maxUses`: the third request for two uses gets nothing."""
    token_id = alice.grant(alice_person, maxUses=2)
    assert [alice.access_token(token_id).status_code for _ in range(3)] == [200, 200, 410]


def test_browser_clients_get_no_access_tokens(stack: Stack, alice: Api, alice_person: Person) -> None:
    """A holder of the page's token cannot mint with it. The browser tests show how the page gets its own."""
    from browser_login import page_token  # noqa: PLC0415 - a login without a browser, only needed here

    token_id = alice.grant(alice_person)
    page = Api(stack, page_token(stack, alice_person))
    assert page.get(f"{MANAGER}/tokens/{token_id}").status_code == 200
    assert problem(page.access_token(token_id)) == (403, "service_not_allowed")


def _without_request_id(document: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in document.items() if name != "requestId"}
