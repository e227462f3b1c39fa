"""Consent from the request to the callback, against an authorization server that holds the vault to the protocol.

It refuses a wrong `code_verifier`, `redirect_uri` and client, and promises `iss` in its authorization responses.
"""

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from consenting_issuer import ConsentingIssuer
from served_vault import ServedVault

pytestmark = pytest.mark.process
FAILED = ("failed", "provider_error")
Change = Callable[[dict[str, str], str], object]


@pytest.fixture
def alice(issuer: ConsentingIssuer) -> str:
    """The bearer token of Alice at the command line."""
    return issuer.bearer("dev-cli")


@pytest.fixture
def page(issuer: ConsentingIssuer) -> str:
    """Her bearer token in the page."""
    return issuer.bearer("task-ui")


def test_a_consent_makes_an_active_token(served: ServedVault, alice: str) -> None:
    """The code is redeemed once, with the verifier of the challenge and the registered redirect_uri."""
    token_id = served.grant(alice)
    assert served.status(token_id, alice) == ("active", None)
    (form,) = served.issuer.forms
    assert form["grant_type"] == "authorization_code"
    assert len(form["code_verifier"]) == 43


def test_state_nonce_and_verifier_are_three_long_secrets(served: ServedVault, alice: str) -> None:
    """Each of 256 bits, and each request has others."""
    secrets = set()
    for _ in range(2):
        served.grant(alice)
        for name in ("state", "nonce"):
            secrets |= {value for value, kind in served.issuer.known.items() if kind == name}
    secrets |= {form["code_verifier"] for form in served.issuer.forms}
    assert len(secrets) >= 6
    assert all(len(secret) == 43 for secret in secrets)


# RFC 9207: mix-up


@pytest.mark.parametrize(
    "change",
    [
        lambda sent, _: sent.pop("iss"),
        lambda sent, _: sent.update(iss=""),
        lambda sent, _: sent.update(iss="https://attacker.example/realms/demo"),
        lambda sent, url: sent.update(iss=f"{url}/"),
        lambda sent, url: sent.update(iss=url[:-1]),
        lambda sent, url: sent.update(iss=f"{url}.attacker.example"),
        lambda sent, url: sent.update(iss=url.replace("http:", "HTTP:")),
        lambda sent, url: sent.update(iss=url.replace("/realms/demo", "/realms/other")),
        lambda sent, url: sent.update(iss=f" {url}"),
    ],
    ids=["absent", "empty", "another's", "slash", "shorter", "longer", "upper case", "another realm", "space"],
)
def test_an_answer_from_another_issuer_is_not_redeemed(served: ServedVault, alice: str, change: Change) -> None:
    """`iss` must be there, because the metadata promise it, and must be the issuer's to the letter (section 2.4)."""
    token_id, url, _ = served.ask(alice)
    sent = served.issuer.consented(url)
    change(sent, served.issuer.url)
    assert served.arrive(sent) == "/tasks?error=provider_error"
    assert served.status(token_id, alice) == FAILED
    assert served.issuer.forms == []


def test_an_error_from_another_issuer_is_not_believed(served: ServedVault, alice: str) -> None:
    """`access_denied` counts as the person's answer only if the issuer has said it."""
    token_id, url, _ = served.ask(alice)
    sent = {"state": served.issuer.consented(url)["state"], "error": "access_denied", "iss": "https://attacker.example"}
    assert served.arrive(sent) == "/tasks?error=provider_error"
    assert served.status(token_id, alice) == FAILED


# OpenID Connect Core 1.0 section 3.1.3.7: the ID token


@pytest.mark.parametrize(
    ("claims", "failure"),
    [
        ({"nonce": "another-login"}, "provider_error"),
        ({"nonce": None}, "provider_error"),
        ({"aud": "task-ui"}, "provider_error"),
        ({"aud": "task-ui", "azp": "task-ui"}, "provider_error"),
        ({"azp": "task-ui"}, "provider_error"),
        ({"iss": "https://attacker.example"}, "provider_error"),
        ({"exp": 1}, "provider_error"),
        ({"typ": "Bearer"}, "provider_error"),
        ({"sub": None}, "provider_error"),
        ({"sub": "bob-id"}, "wrong_user"),
    ],
    ids=str,
)
def test_an_id_token_that_is_not_of_this_consent_makes_no_token(
    served: ServedVault, alice: str, claims: dict[str, object], failure: str
) -> None:
    """Another login's, client's, issuer's or person's."""
    served.issuer.id_claims = claims
    token_id, url, _ = served.ask(alice)
    assert served.arrive(served.issuer.consented(url)) == f"/tasks?error={failure}"
    assert served.status(token_id, alice) == ("failed", failure)
    assert served.token(token_id, alice).status_code == 409


def test_an_answer_without_an_id_token_makes_no_token(served: ServedVault, alice: str) -> None:
    """Without an ID token the consenting account is unknown."""
    answer = {"access_token": served.issuer.secret("access token"), "token_type": "Bearer", "expires_in": 300}
    served.issuer.scripted.append((200, {**answer, "refresh_token": served.issuer.secret("refresh token")}))
    token_id, url, _ = served.ask(alice)
    assert served.arrive(served.issuer.consented(url)) == "/tasks?error=provider_error"
    assert served.status(token_id, alice) == FAILED


# the request is answered once, by the browser that asked


def test_a_state_is_good_once(served: ServedVault, alice: str) -> None:
    """A replay reaches neither the authorization server nor the token; nor does an unknown state."""
    token_id, url, _ = served.ask(alice)
    sent = served.issuer.consented(url)
    served.arrive(sent)
    for again in (sent, {**sent, "code": served.issuer.secret("code")}, {**sent, "state": "made-up"}):
        assert served.arrive(again) == "/tasks?error=consent_invalid"
    assert len(served.issuer.forms) == 1
    assert served.status(token_id, alice) == ("active", None)


def test_the_page_s_consent_comes_back_through_its_browser(served: ServedVault, page: str) -> None:
    """No cookie, another's or another consent's: nothing is redeemed, and nothing is used up."""
    token_id, url, cookies = served.ask(page)
    _, _, others = served.ask(page)
    ((name, _), (_, other)) = (*cookies.items(), *others.items())
    sent = served.issuer.consented(url)
    for wrong in ({}, {name: "made-up"}, {name: other}, others):
        assert served.arrive(sent, wrong) == "/tasks?error=consent_invalid"
    assert served.issuer.forms == []
    assert served.arrive(sent, {**others, **cookies}) == f"/tasks?persistent_token_id={token_id}"


def test_a_cookie_that_another_host_of_the_domain_has_set_does_not_count(served: ServedVault, page: str) -> None:
    """Browsers let no other host set a name with `__Host-`; without it, the right value is no cookie of ours."""
    _, url, cookies = served.ask(page)
    ((name, value),) = cookies.items()
    planted = {name.removeprefix("__Host-"): value}
    assert served.arrive(served.issuer.consented(url), planted) == "/tasks?error=consent_invalid"
    assert served.issuer.forms == []


def test_the_cookie_is_for_this_host_and_for_nobody_s_script(served: ServedVault, page: str) -> None:
    """RFC 6265bis: for HTTPS and this host only, out of scripts' reach, not sent with other sites' requests."""
    served.ask(page)
    name, *attributes = (part.strip() for part in served.answers[-1].headers["Set-Cookie"].split(";"))
    assert name.startswith("__Host-consent_")
    assert {"HttpOnly", "Secure", "SameSite=Lax", "Path=/", "Max-Age=600"} <= set(attributes)
    assert not any(attribute.startswith("Domain") for attribute in attributes)


def test_the_browser_is_sent_to_the_page_and_tells_nobody_where_it_was(served: ServedVault, page: str) -> None:
    """The cookie is taken back; the address with the code is neither cached nor given as a referrer."""
    token_id, url, cookies = served.ask(page, taskId="task-1")
    location = urlsplit(served.arrive({**served.issuer.consented(url), "redirect_uri": "//attacker.example"}, cookies))
    assert (location.scheme, location.netloc, location.path) == ("", "", "/tasks")
    assert parse_qs(location.query) == {"persistent_token_id": [token_id], "task_id": ["task-1"]}
    headers = served.answers[-1].headers
    assert (headers["Cache-Control"], headers["Referrer-Policy"]) == ("no-store", "no-referrer")
    assert f"{next(iter(cookies))}=;" in headers["Set-Cookie"]
    assert {"Max-Age=0", "Secure", "Path=/"} <= {part.strip() for part in headers["Set-Cookie"].split(";")}


def test_one_consent_is_for_many_tasks(served: ServedVault, page: str) -> None:
    """Each of them finds the token; the browser comes back with the first."""
    task_ids = [f"task-{uuid4()}" for _ in range(100)]
    token_id, url, cookies = served.ask(page, taskIds=task_ids)
    location = urlsplit(served.arrive(served.issuer.consented(url), cookies))
    assert parse_qs(location.query) == {"persistent_token_id": [token_id], "task_id": [task_ids[0]]}
    for task_id in (task_ids[0], task_ids[1], task_ids[-1]):
        (token,) = served.call("GET", f"/api/auth/manager/tokens?taskId={task_id}", page).json()["tokens"]
        assert (token["persistentTokenId"], token["status"]) == (token_id, "active")
        assert (token["taskId"], token["taskIds"]) == (task_ids[0], task_ids)
    assert served.call("GET", f"/api/auth/manager/tokens?taskId=task-{uuid4()}", page).json()["tokens"] == []


@pytest.mark.parametrize(
    ("wanted", "pointer"),
    [
        ({"taskIds": []}, "/taskIds"),
        ({"taskIds": ["t"] * 101}, "/taskIds"),
        ({"taskIds": ["a", "b", "a"]}, "/taskIds/2"),
        ({"taskIds": ["a", ""]}, "/taskIds/1"),
        ({"taskIds": ["a", 1]}, "/taskIds/1"),
        ({"taskIds": "a"}, "/taskIds"),
        ({"taskId": "a", "taskIds": ["b"]}, "/taskIds"),
    ],
)
def test_faulty_lists_of_tasks_are_pointed_at(
    served: ServedVault, page: str, wanted: dict[str, object], pointer: str
) -> None:
    """Nothing is requested then."""
    answer = served.call("POST", "/api/auth/manager/offline-consent", page, json=wanted)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert answer.json()["errors"][0]["pointer"] == pointer
