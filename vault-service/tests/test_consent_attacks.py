"""Attacks on consents at several authorization servers, over HTTP, at a vault without TLS.

Without TLS a page on another port of the same host may set cookies for the vault (RFC 6265 section 8.5), so that the
cookie proves nothing. `corp` is an honest server and `evil` a dishonest one; neither sends `iss`.
"""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from consenting_issuer import CLIENT, ConsentingIssuer
from served_vault import API, CALLBACK, ServedVault, served_vault
from stub_issuer import SigningKey

pytestmark = pytest.mark.process
HTTP = "http://localhost:3000"
SERVERS = ("default", "corp", "evil")


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, ConsentingIssuer]]:
    """`default`, where people log in, and the two others; each knows the redirect URI of its own provider only."""
    paths = {"default": CALLBACK, **{name: f"{CALLBACK}/{name}" for name in SERVERS[1:]}}
    running = {name: ConsentingIssuer(SigningKey(f"key-{name}"), HTTP + path) for name, path in paths.items()}
    for name in SERVERS[1:]:
        running[name].describe(authorization_response_iss_parameter_supported=False)
    yield running
    for server in running.values():
        server.close()


@pytest.fixture(scope="module")
def attacked(
    servers: dict[str, ConsentingIssuer],
    served_database_url: str,
    redis_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ServedVault]:
    """A vault with the three providers."""
    folder = tmp_path_factory.mktemp("vault")
    lines = ['default = "default"']
    for name, server in servers.items():
        write_secret(folder / f"{name}_secret", server.client_secret)
        lines += [f"[providers.{name}]", f'issuer = "{server.url}"', f'client_id = "{CLIENT}"']
        lines += [f'client_secret_file = "{name}_secret"']
    (folder / "providers.toml").write_text("\n".join(lines))
    more = {"VAULT_PROVIDERS_FILE": str(folder / "providers.toml"), "PUBLIC_URL": HTTP}
    with served_vault(servers["default"], served_database_url, redis_url, folder, **more) as vault:
        yield vault


@pytest.fixture(autouse=True)
def quiet(servers: dict[str, ConsentingIssuer], attacked: ServedVault) -> None:
    """Forget the requests of earlier tests."""
    attacked.answers.clear()
    for server in servers.values():
        server.forms.clear()


@pytest.fixture
def alice(servers: dict[str, ConsentingIssuer]) -> str:
    """Alice's bearer token in the page."""
    return servers["default"].bearer("task-ui")


@pytest.fixture
def mallory(servers: dict[str, ConsentingIssuer]) -> str:
    """Mallory's."""
    return servers["default"].bearer("task-ui", "mallory-id")


def write_secret(path: Path, value: str) -> None:
    """A file that only its owner reads."""
    path.write_text(value)
    path.chmod(0o400)


def sent(servers: dict[str, ConsentingIssuer]) -> list[dict[str, str]]:
    """All that reached a token endpoint."""
    return [form for server in servers.values() for form in server.forms]


def asked(url: str) -> dict[str, str]:
    """The parameters of an authorization request."""
    return dict(parse_qsl(urlsplit(url).query))


def answered(server: ConsentingIssuer, url: str) -> dict[str, str]:
    """The callback of an honest server without RFC 9207."""
    parameters = server.consented(url, "account-of-alice")
    del parameters["iss"]
    return parameters


def test_each_provider_has_a_redirect_uri_of_its_own(attacked: ServedVault, alice: str) -> None:
    """The default one keeps the path of the customer's document."""
    uris = {name: asked(attacked.ask(alice, provider=name)[1])["redirect_uri"] for name in SERVERS}
    assert uris == {
        "default": f"{HTTP}{CALLBACK}",
        "corp": f"{HTTP}{CALLBACK}/corp",
        "evil": f"{HTTP}{CALLBACK}/evil",
    }


def test_an_account_elsewhere_is_confirmed_in_the_page(
    attacked: ServedVault, servers: dict[str, ConsentingIssuer], alice: str
) -> None:
    """The code reaches the server after Alice's confirmation. The browser then returns to her task."""
    token_id, url, cookies = attacked.ask(alice, provider="corp", taskId="task-1")
    location = attacked.arrive(answered(servers["corp"], url), cookies, "corp")
    assert sent(servers) == []
    assert attacked.status(token_id, alice) == ("pending", None)
    confirmed = attacked.confirm(location, alice)
    assert confirmed.status_code == 200, confirmed.text
    assert confirmed.json() == {
        "persistentTokenId": token_id,
        "location": f"/tasks?persistent_token_id={token_id}&task_id=task-1",
    }
    assert attacked.status(token_id, alice) == ("active", None)
    assert [form["redirect_uri"] for form in servers["corp"].forms] == [f"{HTTP}{CALLBACK}/corp"]


@pytest.mark.parametrize("arrives_at", ["corp", "evil", None])
def test_mix_up_leaks_no_code(
    attacked: ServedVault, servers: dict[str, ConsentingIssuer], alice: str, mallory: str, arrives_at: str | None
) -> None:
    """`evil`, which Alice wants to use, sends her on to `corp` with the challenge of Mallory's own consent there.

    `corp` answers at its own redirect URI only, where the state of a consent at `evil` is unknown. The code does not
    reach `evil`, so that Mallory cannot bring it into her consent.
    """
    _, of_mallory, _ = attacked.ask(mallory, provider="corp")
    token_id, of_alice, cookies = attacked.ask(alice, provider="evil")
    mixed = {**asked(of_mallory), "state": asked(of_alice)["state"]}
    forwarded = f"{of_mallory.partition('?')[0]}?{urlencode(mixed)}"
    location = attacked.arrive(answered(servers["corp"], forwarded), cookies, arrives_at)
    if arrives_at == "evil":  # a server that does not compare redirect URIs: kept, and not sent without Alice's word
        assert location.startswith("/consent/confirm#")
    else:
        assert location == "/tasks?error=consent_invalid"
    assert sent(servers) == []
    assert attacked.status(token_id, alice) == ("pending", None)


def test_a_planted_cookie_binds_nobody_s_account(
    attacked: ServedVault, servers: dict[str, ConsentingIssuer], alice: str, mallory: str
) -> None:
    """Mallory's cookie is in Alice's browser, from another port, and Alice follows Mallory's link and consents.

    Alice's page confirms with Alice's token; Mallory has her own token and not the secret of Alice's browser.
    """
    token_id, url, planted = attacked.ask(mallory, provider="corp")
    location = attacked.arrive(answered(servers["corp"], url), planted, "corp")
    assert attacked.confirm(location, alice).json()["code"] == "token_not_found"
    for guess in (*planted.values(), asked(url)["state"], "made-up"):
        path = f"{API}/offline-consent/{token_id}/confirm"
        refused = attacked.call("POST", path, mallory, json={"secret": guess})
        assert (refused.status_code, refused.json()["code"]) == (409, "confirmation_invalid")
    assert sent(servers) == []
    assert attacked.status(token_id, mallory) == ("pending", None)


def test_a_callback_in_another_browser_is_nobody_s(
    attacked: ServedVault, servers: dict[str, ConsentingIssuer], alice: str, mallory: str
) -> None:
    """Without the cookie nothing is stored, and the request stays usable: Mallory's own browser could continue."""
    _, url, cookies = attacked.ask(mallory, provider="corp")
    _, _, of_alice = attacked.ask(alice, provider="corp")
    answer = answered(servers["corp"], url)
    for other in ({}, of_alice):
        assert attacked.arrive(answer, other, "corp") == "/tasks?error=consent_invalid"
    assert sent(servers) == []
    assert attacked.arrive(answer, cookies, "corp").startswith("/consent/confirm#")


def test_a_confirmation_is_worth_nothing_without_its_callback(attacked: ServedVault, alice: str) -> None:
    """A crafted link to the page, and a call without a person's token."""
    token_id, _, _ = attacked.ask(alice, provider="corp")
    path = f"{API}/offline-consent/{token_id}/confirm"
    assert attacked.call("POST", path, alice, json={"secret": "made-up"}).json()["code"] == "confirmation_invalid"
    assert attacked.call("POST", path, json={"secret": "made-up"}).status_code == 401
    service = attacked.issuer.bearer("task-service")
    assert attacked.call("POST", path, service, json={"secret": "made-up"}).json()["code"] == "forbidden"
    for body in ({}, {"secret": ""}, {"secret": "a\x00b"}, {"secret": "x" * 101}, {"secret": "s", "id": token_id}):
        assert attacked.call("POST", path, alice, json=body).json()["code"] == "invalid_input"


def test_at_the_login_s_own_issuer_the_subject_still_decides(attacked: ServedVault, alice: str) -> None:
    """There a planted cookie never helped, and there is nothing to confirm."""
    token_id, url, cookies = attacked.ask(alice)
    assert attacked.arrive(attacked.issuer.consented(url, "mallory-id"), cookies) == "/tasks?error=wrong_user"
    assert attacked.status(token_id, alice) == ("failed", "wrong_user")


def test_no_name_in_the_path_reaches_another_provider(
    attacked: ServedVault, servers: dict[str, ConsentingIssuer], alice: str
) -> None:
    """The default provider's redirect URI has no name. Unknown names reach no provider."""
    _, url, cookies = attacked.ask(alice)
    answer = attacked.issuer.consented(url)
    for name in ("default", "corp", "nobody", "DEFAULT", "%64efault"):
        assert attacked.arrive(answer, cookies, name) == "/tasks?error=consent_invalid"
    assert sent(servers) == []
    assert "persistent_token_id" in attacked.arrive(answer, cookies)
