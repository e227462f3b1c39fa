"""The pages on which a person decides about a consent, in a real browser."""

import base64
import json

import pytest
from api import MANAGER, Api
from browser_login import page_token
from person import Person
from playwright.sync_api import expect
from stack import Stack, eventually

from browser.tab import STEP, Tab, Tabs

pytestmark = pytest.mark.browser
CONFIRM = "Yes, it is mine"


@pytest.fixture
def owner(stack: Stack, alice_person: Person) -> Api:
    """Alice, with the page's token."""
    return Api(stack, page_token(stack, alice_person))


@pytest.fixture
def tab(open_tab: Tabs) -> Tab:
    """A tab in which Alice is signed in."""
    tab = open_tab()
    tab.sign_in()
    return tab


def status(owner: Api, token_id: str) -> str:
    """The status of one of the owner's grants."""
    return str(owner.get(f"{MANAGER}/tokens/{token_id}").json()["status"])


def come_back(tab: Tab, token_id: str, secret: str = "s3cret") -> None:
    """As the vault's callback sends the browser back from another server."""
    tab.open(f"/consent/confirm#id={token_id}&secret={secret}")
    tab.shows("Is this your account at default?")


def test_a_link_to_confirm_does_nothing_without_a_click(tab: Tab, owner: Api) -> None:
    """The secret leaves the address and survives signing in; a made-up one confirms nothing."""
    token_id = owner.post(f"{MANAGER}/offline-consent", {}).json()["persistentTokenId"]
    come_back(tab, token_id)
    assert "s3cret" not in tab.page.url
    assert status(owner, token_id) == "pending"
    tab.pictures("confirm")
    tab.page.get_by_role("button", name=CONFIRM).click()
    expect(tab.page.get_by_role("alert")).to_contain_text("This can't be confirmed any more", timeout=STEP)
    assert status(owner, token_id) == "pending"


def test_what_is_confirmed_goes_on_where_the_vault_says(tab: Tab, owner: Api) -> None:
    """The answer of the vault is made up here; `vault-service/tests/test_consent_attacks.py` has the whole way."""
    token_id = owner.post(f"{MANAGER}/offline-consent", {}).json()["persistentTokenId"]
    come_back(tab, token_id)
    said = f'{{"persistentTokenId": "{token_id}", "location": "/access"}}'
    tab.answer(f"**{MANAGER}/offline-consent/{token_id}/confirm", 200, said)
    tab.page.get_by_role("button", name=CONFIRM).click()
    tab.shows("Access you have granted")


def test_an_account_of_somebody_else_is_denied(tab: Tab, owner: Api) -> None:
    """The pending grant ends."""
    token_id = owner.post(f"{MANAGER}/offline-consent", {}).json()["persistentTokenId"]
    come_back(tab, token_id)
    tab.page.get_by_role("button", name="No, end it").click()
    eventually(lambda: status(owner, token_id) == "revoked", "the pending grant is ended")
    tab.shows("Your tasks")


def test_another_persons_consent_cannot_be_confirmed(tab: Tab, bob: Api) -> None:
    """For Alice it does not exist."""
    token_id = bob.post(f"{MANAGER}/offline-consent", {}).json()["persistentTokenId"]
    tab.open(f"/consent/confirm#id={token_id}&secret=s3cret")
    tab.shows("There is nothing to confirm")
    expect(tab.page.get_by_role("main")).to_contain_text("another person asked for it")
    expect(tab.page.get_by_role("alert")).to_have_count(0)
    assert status(bob, token_id) == "pending"
    tab.pictures("confirm-none")


# a service asks


def ask(service: Api, owner: Api, stack: Stack, name: str = "Nightly export") -> str:
    """The task service asks; the pending grant's id."""
    subject = claims(owner)["sub"]
    wanted = {"subject": subject, "name": name, "returnTo": f"{stack['PUBLIC_URL']}/tasks", "scopes": ["email"]}
    asked = service.post(f"{MANAGER}/offline-consent", wanted)
    assert asked.status_code == 200, asked.text
    assert asked.json()["consentUrl"] == f"{stack['PUBLIC_URL']}/consent/{asked.json()['persistentTokenId']}"
    return str(asked.json()["persistentTokenId"])


def test_a_service_asks_and_the_person_goes_on(tab: Tab, owner: Api, task_service: Api, stack: Stack) -> None:
    """The page says who asks and for what. Nothing happens before the click. The browser returns with the outcome."""
    token_id = ask(task_service, owner, stack)
    tab.open(f"/consent/{token_id}")
    tab.shows("Task Manager asks to act for you")
    expect(tab.page.get_by_role("main")).to_contain_text("Nightly export")
    assert status(owner, token_id) == "pending"
    tab.pictures("request")
    tab.page.get_by_role("button", name="Go on").click()
    tab.consent()
    eventually(lambda: status(owner, token_id) == "active", "the service has its access")
    tab.shows("Your tasks")
    tab.open(f"/access/{token_id}")
    tab.shows("Nightly export")
    tab.page.get_by_role("button", name="Rename").click()
    tab.page.get_by_role("textbox", name="New name").fill("Export of the thesis")
    tab.page.get_by_role("button", name="Save").click()
    tab.shows("Export of the thesis")


def test_a_person_says_no_to_a_service(tab: Tab, owner: Api, task_service: Api, stack: Stack) -> None:
    """The service is told, and the question has ended."""
    token_id = ask(task_service, owner, stack)
    tab.open(f"/consent/{token_id}")
    tab.page.get_by_role("button", name="No", exact=True).click()
    eventually(lambda: status(owner, token_id) == "failed", "the question is answered")
    tab.shows("Your tasks")
    tab.open(f"/consent/{token_id}")
    tab.shows("There is nothing to answer")


def test_a_question_to_somebody_else_is_not_shown(tab: Tab, task_service: Api, bob: Api, stack: Stack) -> None:
    """Alice opens the link that was made for Bob."""
    token_id = ask(task_service, bob, stack, "Something of Bob")
    tab.open(f"/consent/{token_id}")
    tab.shows("There is nothing to answer")
    assert "Something of Bob" not in tab.page.content()


def claims(caller: Api) -> dict[str, str]:
    """The claims of a caller's token."""
    payload = str(caller.bearer).split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))))
