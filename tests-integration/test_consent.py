"""Offline consent, and everything that can be wrong with the way back."""

from api import MANAGER, Api, problem
from browser_login import page_token
from person import Person, query
from stack import Stack


def status(caller: Api, token_id: str) -> tuple[str, str | None]:
    """Status and failure of a token."""
    token = caller.get(f"{MANAGER}/tokens/{token_id}").json()
    return token["status"], token.get("failure")


def test_a_consent_makes_the_token_active(alice: Api, alice_person: Person) -> None:
    """R7 and R8; what the owner sees holds no token."""
    task_id = alice.create_task()
    token_id = alice.grant(alice_person, task_id)
    token = alice.get(f"{MANAGER}/tokens/{token_id}").json()
    assert token["status"] == "active"
    assert token["taskId"] == task_id
    assert token["services"] == ["task-service"]
    assert "offline_access" in token["scopes"]
    assert not any("token" in name.lower() and "id" not in name.lower() for name in token if name != "tokenType")


def test_consent_of_the_wrong_person_is_refused(alice: Api, bob_person: Person, stack: Stack) -> None:
    """An attacker's link stores no victim's token under the attacker's id."""
    asked = alice.ask_consent()
    landed = alice.arrive(bob_person, bob_person.grant(asked["consentUrl"], stop_at=stack.gateway))
    assert landed == {"error": "wrong_user"}
    assert status(alice, asked["persistentTokenId"]) == ("failed", "wrong_user")
    assert problem(alice.access_token(asked["persistentTokenId"])) == (409, "wrong_user")


def test_denied_consent(alice: Api, alice_person: Person, stack: Stack) -> None:
    """The person says no: failed, and `execute` says so."""
    task_id = alice.create_task()
    asked = alice.ask_consent(task_id)
    landed = alice.arrive(alice_person, alice_person.refuse(asked["consentUrl"], stop_at=stack.gateway))
    assert landed == {"error": "consent_denied", "task_id": task_id}
    assert status(alice, asked["persistentTokenId"]) == ("failed", "consent_denied")
    assert alice.execute(task_id).json()["status"] == "token_failed"


def test_a_replayed_callback_touches_nothing(alice: Api, alice_person: Person, stack: Stack) -> None:
    """The request is claimed once; the active token stays as it is."""
    asked = alice.ask_consent()
    callback = alice_person.grant(asked["consentUrl"], stop_at=stack.gateway)
    assert "persistent_token_id" in alice.arrive(alice_person, callback)
    assert alice.arrive(alice_person, callback) == {"error": "consent_invalid"}
    assert status(alice, asked["persistentTokenId"]) == ("active", None)
    assert alice.access_token(asked["persistentTokenId"]).status_code == 200


def test_a_made_up_callback_is_refused(nobody: Api) -> None:
    """Unknown state, no state, nonsense: always back to the page, never a trace."""
    for parameters in ({"state": "made-up", "code": "x"}, {}, {"state": "\x00'\"<", "error": "access_denied"}):
        answer = nobody.get(f"{MANAGER}/offline-callback", params=parameters)
        assert answer.status_code == 303
        assert answer.headers["Location"] == "/tasks?error=consent_invalid"


def test_another_issuer_in_the_callback_is_refused(alice: Api, alice_person: Person, stack: Stack) -> None:
    """RFC 9207: a mix-up is noticed before the code is redeemed."""
    asked = alice.ask_consent()
    callback = alice_person.grant(asked["consentUrl"], stop_at=stack.gateway)
    sent = {**query(callback), "iss": "https://attacker.example"}
    answer = alice.get(f"{MANAGER}/offline-callback", params=sent)
    assert query(answer.headers["Location"])["error"] == "provider_error"
    assert status(alice, asked["persistentTokenId"]) == ("failed", "provider_error")


def test_a_browser_client_needs_its_cookie(stack: Stack, alice_person: Person) -> None:
    """The answer must come through the browser that made the request. Without the cookie the request stays usable."""
    page = Api(stack, page_token(stack, alice_person))
    asked = page.post(f"{MANAGER}/offline-consent", {})
    cookie = asked.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    callback = alice_person.grant(asked.json()["consentUrl"], stop_at=stack.gateway)
    assert page.arrive(alice_person, callback) == {"error": "consent_invalid"}

    name, _, value = cookie.partition(";")[0].partition("=")
    alice_person.browser.cookies.set(name, value)
    assert page.arrive(alice_person, callback) == {"persistent_token_id": asked.json()["persistentTokenId"]}


def test_the_redirect_has_a_fixed_target(alice: Api, alice_person: Person, stack: Stack) -> None:
    """Whatever is added to the callback, the browser goes to the page."""
    asked = alice.ask_consent()
    callback = alice_person.grant(asked["consentUrl"], stop_at=stack.gateway)
    landed = alice_person.get(callback + "&redirect_uri=https://attacker.example&next=//attacker.example")
    assert landed.headers["Location"].startswith("/tasks?persistent_token_id=")
    assert landed.headers["Cache-Control"] == "no-store"


def test_two_consents_live_side_by_side(stack: Stack, alice: Api) -> None:
    """Revoking one leaves the other of the same person alone, in a browser in which that person is logged in."""
    person = Person("alice")
    page_token(stack, person)  # Keycloak then gives both consents one session
    first, second = alice.grant(person), alice.grant(person)
    for token_id in (first, second, first, second):
        assert alice.access_token(token_id).status_code == 200
    assert alice.delete(f"{MANAGER}/tokens/{first}").status_code == 200
    assert problem(alice.access_token(first)) == (410, "token_revoked")
    assert alice.access_token(second, scope="openid").status_code == 200  # a refresh, after the outbox had its time


def test_a_token_of_type_refresh_is_no_offline_token(stack: Stack, alice: Api) -> None:
    """A token of type `refresh` gives access tokens too, and says when it ends."""
    token_id = alice.grant(Person("alice"), tokenType="refresh")
    token = alice.get(f"{MANAGER}/tokens/{token_id}").json()
    assert token["tokenType"] == "refresh"
    assert "offline_access" not in token["scopes"]
    assert token["expiresAt"] > token["createdAt"]
    assert alice.access_token(token_id).status_code == 200
