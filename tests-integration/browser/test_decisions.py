"""The pages on which a person decides about a consent, in a real browser."""

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
    assert status(bob, token_id) == "pending"
    tab.pictures("confirm-none")
