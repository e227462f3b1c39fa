"""Consents that a service asks for, over HTTP: the person sees the question first, and only that person can answer."""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import psycopg
import pytest
import requests
from consenting_issuer import ConsentingIssuer
from served_vault import API, PUBLIC_URL, ServedVault, served_vault

pytestmark = pytest.mark.process
RETURN_TO = "https://hub.example/hub/user/alice"
ALICE = "alice-id"
Rows = Callable[..., list[tuple[object, ...]]]


@pytest.fixture(scope="module")
def asked(
    issuer: ConsentingIssuer, served_database_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServedVault]:
    """A vault that knows the service `hub`."""
    folder = tmp_path_factory.mktemp("vault")
    path = folder / "services.toml"
    path.write_text('[services.hub]\nname = "The hub"\nreturn_to = ["https://hub.example/hub/"]\n')
    with served_vault(issuer, served_database_url, redis_url, folder, VAULT_SERVICES_FILE=str(path)) as vault:
        yield vault


@pytest.fixture
def vault(asked: ServedVault) -> ServedVault:
    """The same; what tests before have done is forgotten."""
    asked.answers.clear()
    asked.issuer.forms.clear()
    return asked


def service(issuer: ConsentingIssuer, client: str, *roles: str) -> str:
    """The bearer token of a service with these roles."""
    return issuer.bearer(client, f"{client}-account", resource_access={"token-vault": {"roles": list(roles)}})


@pytest.fixture
def hub(issuer: ConsentingIssuer) -> str:
    """A service that may ask and mint."""
    return service(issuer, "hub", "consent:request", "token:mint")


@pytest.fixture
def alice(issuer: ConsentingIssuer) -> str:
    """Alice in the page."""
    return issuer.bearer("task-ui")


@pytest.fixture
def bob(issuer: ConsentingIssuer) -> str:
    """Bob in the page."""
    return issuer.bearer("task-ui", "bob-id")


def question(**changes: object) -> dict[str, object]:
    """The hub's question to Alice."""
    return {"subject": ALICE, "name": "Notebook of Alice", "returnTo": RETURN_TO, **changes}


def ask(vault: ServedVault, bearer: str, subject: str = ALICE, **changes: object) -> str:
    """Ask; the pending token's id."""
    answer = vault.call("POST", f"{API}/offline-consent", bearer, json=question(subject=subject, **changes))
    assert answer.status_code == 200, answer.text
    assert answer.json()["consentUrl"] == f"{PUBLIC_URL}/consent/{answer.json()['persistentTokenId']}"
    assert "Set-Cookie" not in answer.headers
    return str(answer.json()["persistentTokenId"])


def begin(vault: ServedVault, token_id: str, bearer: str) -> tuple[str, dict[str, str]]:
    """Accept the question as its owner. Returns the authorization server's address and the cookie for the browser."""
    answer = vault.call("POST", f"{API}/offline-consent/{token_id}/begin", bearer)
    assert answer.status_code == 200, answer.text
    name, _, value = answer.headers["Set-Cookie"].partition(";")[0].partition("=")
    return answer.json()["consentUrl"], {name: value}


def view(vault: ServedVault, token_id: str, bearer: str, **query: str) -> dict[str, Any]:
    """A token as this caller sees it."""
    return dict(vault.call("GET", f"{API}/tokens/{token_id}", bearer, params=query).json())


def refusal(answer: requests.Response) -> tuple[int, str, str]:
    """Status, code, and the member at fault."""
    document = answer.json()
    return answer.status_code, document["code"], document.get("errors", [{"pointer": ""}])[0]["pointer"]


def test_a_service_asks_and_gets_its_token(vault: ServedVault, issuer: ConsentingIssuer, hub: str, alice: str) -> None:
    """Alice sees who asks and for what, accepts, and returns to the hub with id and outcome."""
    token_id = ask(vault, hub, scopes=["email"], maxUses=3)
    seen = view(vault, token_id, alice)
    assert (seen["status"], seen["name"], seen["services"], seen["maxUses"]) == (
        "pending",
        "Notebook of Alice",
        ["hub"],
        3,
    )
    assert seen["askedBy"] == {"client": "hub", "name": "The hub", "returnTo": RETURN_TO}
    assert seen["answerBy"] > seen["createdAt"]
    assert issuer.forms == []
    url, cookies = begin(vault, token_id, alice)
    assert "email" in dict(parse_qsl(urlsplit(url).query))["scope"].split()
    location = vault.arrive(issuer.consented(url), cookies)
    assert location == f"{RETURN_TO}?persistent_token_id={token_id}&outcome=active"
    assert vault.token(token_id, hub, subject=ALICE).status_code == 200
    assert vault.token(token_id, service(issuer, "task-service", "token:mint"), subject=ALICE).status_code == 403


def test_nobody_else_can_see_or_answer_it(
    vault: ServedVault, issuer: ConsentingIssuer, hub: str, alice: str, bob: str
) -> None:
    """For Bob, and for another service, it does not exist; Bob's consent is not Alice's."""
    token_id = ask(vault, hub)
    other = service(issuer, "other", "consent:request", "token:mint")
    for bearer, query in ((bob, {}), (other, {"subject": ALICE}), (hub, {"subject": "bob-id"})):
        assert refusal(vault.call("GET", f"{API}/tokens/{token_id}", bearer, params=query))[:2] == (
            404,
            "token_not_found",
        )
    for step in ("begin", "decline"):
        path = f"{API}/offline-consent/{token_id}/{step}"
        assert refusal(vault.call("POST", path, bob))[:2] == (404, "token_not_found")
        assert refusal(vault.call("POST", path, hub))[:2] == (403, "forbidden")
        assert vault.call("POST", path).status_code == 401
    url, cookies = begin(vault, token_id, alice)
    location = vault.arrive(issuer.consented(url, "bob-id"), cookies)
    assert location == f"{RETURN_TO}?persistent_token_id={token_id}&outcome=wrong_user"
    assert view(vault, token_id, alice)["failure"] == "wrong_user"


def test_the_owner_says_no_before_anything_is_sent(
    vault: ServedVault, issuer: ConsentingIssuer, hub: str, alice: str
) -> None:
    """The hub is told; the question cannot be answered again."""
    token_id = ask(vault, hub)
    declined = vault.call("POST", f"{API}/offline-consent/{token_id}/decline", alice).json()
    assert declined["location"] == f"{RETURN_TO}?persistent_token_id={token_id}&outcome=consent_denied"
    assert view(vault, token_id, hub, subject=ALICE)["failure"] == "consent_denied"
    for step in ("begin", "decline"):
        answer = vault.call("POST", f"{API}/offline-consent/{token_id}/{step}", alice)
        assert refusal(answer)[:2] == (409, "consent_not_open")
    assert issuer.forms == []


def test_a_no_at_the_authorization_server_is_told_too(
    vault: ServedVault, issuer: ConsentingIssuer, hub: str, alice: str
) -> None:
    """By the address, and by the status."""
    token_id = ask(vault, hub)
    url, cookies = begin(vault, token_id, alice)
    state = issuer.consented(url)["state"]
    location = vault.arrive({"state": state, "error": "access_denied", "iss": issuer.url}, cookies)
    assert location == f"{RETURN_TO}?persistent_token_id={token_id}&outcome=consent_denied"


def test_the_answer_must_come_through_the_browser_that_went_on(
    vault: ServedVault, issuer: ConsentingIssuer, hub: str, alice: str
) -> None:
    """As for every consent of the page; and the page may be opened again."""
    token_id = ask(vault, hub)
    first, _ = begin(vault, token_id, alice)
    assert vault.arrive(issuer.consented(first)) == "/tasks?error=consent_invalid"
    second, cookies = begin(vault, token_id, alice)
    assert vault.arrive(issuer.consented(second), cookies).endswith("&outcome=active")


def test_a_subject_who_never_comes_expires(vault: ServedVault, hub: str, alice: str, served_database_url: str) -> None:
    """After a day by default; until then it waits, longer than a consent that a person requested."""
    token_id = ask(vault, hub)
    with psycopg.connect(served_database_url, autocommit=True) as connection:
        (left,) = connection.execute(
            "select extract(epoch from consent_expires_at - now())::int from grants where id = %s", [token_id]
        ).fetchone() or (0,)
        assert 86_300 < left <= 86_400
        connection.execute("update grants set consent_expires_at = now() where id = %s", [token_id])
    assert view(vault, token_id, hub, subject=ALICE)["failure"] == "consent_expired"
    answer = vault.call("POST", f"{API}/offline-consent/{token_id}/begin", alice)
    assert refusal(answer)[:2] == (409, "consent_not_open")
    assert vault.token(token_id, hub, subject=ALICE).json()["code"] == "consent_expired"


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"returnTo": "https://attacker.example/hub/"}, "/returnTo"),
        ({"returnTo": "https://hub.example@attacker.example/hub/"}, "/returnTo"),
        ({"returnTo": "https://hub.example\\@attacker.example/hub/"}, "/returnTo"),
        ({"returnTo": "http://hub.example/hub/"}, "/returnTo"),
        ({"returnTo": "javascript:alert(1)"}, "/returnTo"),
        ({"returnTo": "https://hub.example/hub/../evil"}, "/returnTo"),
        ({"returnTo": "/tasks"}, "/returnTo"),
        ({"services": ["task-service"]}, "/services"),
        ({"services": ["hub", "task-service"]}, "/services"),
        ({"name": "\u202egnihtyreve"}, "/name"),
        ({"name": " \u200b\u00a0"}, "/name"),
        ({"name": "a\nb"}, "/name"),
        ({"provider": "nobody"}, "/provider"),
        ({"notAfter": "2020-01-01T00:00:00Z"}, "/notAfter"),
    ],
    ids=str,
)
def test_questions_that_are_refused(vault: ServedVault, hub: str, changes: dict[str, object], pointer: str) -> None:
    """Each names its member, and stores nothing."""
    answer = vault.call("POST", f"{API}/offline-consent", hub, json=question(**changes))
    assert refusal(answer) == (422, "invalid_input", pointer)


@pytest.mark.parametrize("member", ["subject", "name", "returnTo"])
def test_what_a_service_must_say(vault: ServedVault, hub: str, member: str) -> None:
    """Whom it asks, for what, and where the browser goes."""
    body = {name: value for name, value in question().items() if name != member}
    answer = vault.call("POST", f"{API}/offline-consent", hub, json=body)
    assert refusal(answer) == (422, "invalid_input", f"/{member}")


def test_who_may_ask(vault: ServedVault, issuer: ConsentingIssuer, alice: str) -> None:
    """A service with the role may ask when its address is listed. A person cannot ask another person."""
    minter, unlisted = service(issuer, "hub", "token:mint"), service(issuer, "other", "consent:request")
    path = f"{API}/offline-consent"
    assert refusal(vault.call("POST", path, minter, json=question()))[:2] == (403, "forbidden")
    assert refusal(vault.call("POST", path, unlisted, json=question())) == (422, "invalid_input", "/returnTo")
    for member, value in (("subject", "bob-id"), ("returnTo", RETURN_TO)):
        assert refusal(vault.call("POST", path, alice, json={member: value})) == (422, "invalid_input", f"/{member}")


def test_one_service_asks_one_person_a_bounded_number_of_times(
    vault: ServedVault, issuer: ConsentingIssuer, hub: str
) -> None:
    """Another person, and a person of one's own accord, are not held up."""
    for _ in range(20):
        ask(vault, hub, "carol-id")
    answer = vault.call("POST", f"{API}/offline-consent", hub, json=question(subject="carol-id"))
    assert refusal(answer)[:2] == (409, "too_many_consents")
    ask(vault, hub, "dave-id")
    vault.ask(issuer.bearer("task-ui", "carol-id"))


def test_a_service_finds_its_tokens_by_name(vault: ServedVault, issuer: ConsentingIssuer, hub: str, alice: str) -> None:
    """A service needs no table of its tokens. It sees neither other services nor tokens that it may not use. Owners can
    change names.
    """
    token_id = ask(vault, hub, "erin-id", name="Notebook of Erin")
    erin = issuer.bearer("task-ui", "erin-id")
    vault.ask(erin, services=["task-service"], name="Notebook of Erin")
    shared, _, _ = vault.ask(erin, services=["task-service", "hub"], name="Shared")

    def found(**query: str) -> dict[str, dict[str, Any]]:
        listed = vault.call("GET", f"{API}/tokens", hub, params={"subject": "erin-id", **query}).json()["tokens"]
        return {token["persistentTokenId"]: token for token in listed}

    assert set(found()) == {token_id, shared}
    assert set(found(name="Notebook of Erin")) == {token_id}
    assert found()[shared]["services"] == ["hub"]
    renamed = vault.call("POST", f"{API}/tokens/{token_id}/rename", erin, json={"name": "  Thesis "})
    assert renamed.json()["name"] == "Thesis"
    assert set(found(name="Thesis")) == {token_id}
    lines = vault.call("GET", f"{API}/tokens/{token_id}/audit", erin).json()["lines"]
    assert lines[0]["event"] == "grant.renamed"
    for bearer in (hub, alice):
        answer = vault.call("POST", f"{API}/tokens/{token_id}/rename", bearer, json={"name": "Mine"})
        assert answer.status_code in {403, 404}
    assert refusal(vault.call("GET", f"{API}/tokens", hub))[:2] == (403, "forbidden")
    answer = vault.call("GET", f"{API}/tokens", alice, params={"subject": "erin-id"})
    assert refusal(answer) == (422, "invalid_input", "/subject")
