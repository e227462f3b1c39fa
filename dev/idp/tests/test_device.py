"""The device flow (RFC 8628), as a program without a browser and a person elsewhere see it."""

import base64
import hashlib
import re

import pytest

VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
GRANT = "urn:ietf:params:oauth:grant-type:device_code"
OIDC = "/protocol/openid-connect"


@pytest.fixture
def cli(world):
    """The command line's client."""
    return world.program("token-vault-cli")


@pytest.fixture
def asked(cli):
    """The answer to a device authorization request."""
    answer = begin(cli)
    assert answer.status_code == 200, answer.text
    return answer.get_json()


def begin(program, **form):
    sent = {"scope": "openid", "code_challenge": CHALLENGE, "code_challenge_method": "S256", **form}
    return program.post("auth/device", **{name: value for name, value in sent.items() if value})


def poll(program, asked, **form):
    sent = {"device_code": asked["device_code"], "code_verifier": VERIFIER, **form}
    return program.post("token", grant_type=GRANT, **{name: value for name, value in sent.items() if value})


def decide(world, code, *, accept=True, who="alice"):
    """A person opens the page, types the code, logs in and answers; the last page."""
    person = world.person(who)
    page = person.http.get("/realms/demo/device")
    answers = {"device_user_code": code}
    while True:
        csrf = re.search(r'name="csrf" value="([^"]+)"', page.text)
        assert csrf, page.text
        page = person.http.post(page.request.url, data={"csrf": csrf[1], **answers}, follow_redirects=True)
        if 'name="password"' in page.text:
            answers = {"username": who, "password": who}
        elif 'name="accept"' in page.text:
            assert code.upper() in page.text
            answers = {"accept": "Yes"} if accept else {"cancel": "No"}
        else:
            return page


def test_the_metadata_name_the_endpoint_and_the_grant_type(world):
    document = world.get("/.well-known/openid-configuration").get_json()
    assert document["device_authorization_endpoint"] == f"{world.ISSUER}{OIDC}/auth/device"
    assert GRANT in document["grant_types_supported"]


def test_a_device_is_told_where_to_send_the_person(world, asked):
    assert re.fullmatch(r"[B-DF-HJ-NP-TV-XZ]{4}-[B-DF-HJ-NP-TV-XZ]{4}", asked["user_code"])
    assert asked["verification_uri"] == f"{world.ISSUER}/device"
    assert asked["verification_uri_complete"] == f"{world.ISSUER}/device?user_code={asked['user_code']}"
    assert (asked["expires_in"], asked["interval"]) == (600, 5)
    assert len(asked["device_code"]) >= 43


def test_what_a_person_approves_is_theirs(world, cli, asked):
    assert world.refusal(poll(cli, asked)) == (
        400,
        "authorization_pending",
        "The authorization request is still pending",
    )
    assert "Device Login Successful" in decide(world, asked["user_code"]).text
    world.clock.time += 5
    answer = poll(cli, asked)
    assert answer.status_code == 200, answer.text
    token = answer.get_json()
    assert world.claims(token["access_token"])["azp"] == "token-vault-cli"
    assert world.claims(token["access_token"])["aud"] == "token-vault"
    assert world.userinfo(token["access_token"]).get_json()["preferred_username"] == "alice"
    assert cli.refresh(token["refresh_token"]).status_code == 200
    world.clock.time += 5
    assert world.refusal(poll(cli, asked)) == (400, "invalid_grant", "Device code not valid")


@pytest.mark.parametrize("spelling", [str.lower, lambda code: code.replace("-", ""), lambda code: f" {code} "])
def test_a_code_is_typed_as_people_type(world, asked, spelling):
    person = world.person()
    page = person.http.get("/realms/demo/device", query_string={"user_code": spelling(asked["user_code"])})
    assert 'name="password"' in page.text


def test_what_a_person_denies_is_denied(world, cli, asked):
    assert "Device Login Failed" in decide(world, asked["user_code"], accept=False).text
    assert world.refusal(poll(cli, asked)) == (400, "access_denied", "The end user denied the authorization request")


def test_a_code_is_decided_on_once(world, asked):
    decide(world, asked["user_code"])
    assert "Invalid code, please try again." in decide_page(world, asked["user_code"]).text


def decide_page(world, code):
    return world.person().http.get("/realms/demo/device", query_string={"user_code": code})


@pytest.mark.parametrize("code", ["AAAA-AAAA", "x", "<b>", "BCDF-GHJK"])
def test_a_code_that_is_none_is_asked_for_again(world, code):
    page = decide_page(world, code)
    assert "Invalid code, please try again." in page.text
    assert "<b>" not in page.text.replace("<b>alice</b>", "")


def test_who_polls_too_fast_is_told_to_slow_down_and_has_to_wait_longer(world, cli, asked):
    poll(cli, asked)
    world.clock.time += 4
    assert world.refusal(poll(cli, asked)) == (400, "slow_down", "Slow down")
    world.clock.time += 9
    assert world.refusal(poll(cli, asked))[1] == "slow_down"
    world.clock.time += 15
    assert world.refusal(poll(cli, asked))[1] == "authorization_pending"


def test_a_code_ends_for_the_device_and_for_the_person(world, cli, asked):
    world.clock.time += 600
    assert world.refusal(poll(cli, asked)) == (400, "expired_token", "Device code is expired")
    assert "Invalid code" in decide_page(world, asked["user_code"]).text


def test_a_person_who_was_disabled_or_logged_out_since_gives_no_token(world, cli, asked):
    decide(world, asked["user_code"])
    world.control("PUT", "/users/alice", {"enabled": False})
    assert world.refusal(poll(cli, asked)) == (400, "invalid_grant", "User disabled")
    world.control("PUT", "/users/alice", {"enabled": True})
    world.control("DELETE", "/sessions/alice")
    world.clock.time += 5
    assert world.refusal(poll(cli, asked)) == (400, "invalid_grant", "Session not active")


@pytest.mark.parametrize(
    ("client", "form", "refusal"),
    [
        ("dev-cli", {}, (400, "invalid_grant", "Client not allowed for OAuth 2.0 Device Authorization Grant")),
        ("nobody", {}, (401, "invalid_client", "Invalid client or Invalid client credentials")),
        ("token-vault-cli", {"code_challenge": ""}, (400, "invalid_request", "Missing parameter: code_challenge")),
        (
            "token-vault-cli",
            {"code_challenge_method": ""},
            (400, "invalid_request", "Missing parameter: code_challenge_method"),
        ),
        (
            "token-vault-cli",
            {"code_challenge_method": "plain"},
            (400, "invalid_request", "Invalid parameter: code challenge method is not matching the configured one"),
        ),
        (
            "token-vault-cli",
            {"scope": "openid offline_access"},
            (400, "invalid_scope", "Invalid scopes: openid offline_access"),
        ),
    ],
)
def test_what_may_not_begin(world, client, form, refusal):
    assert world.refusal(begin(world.program(client), **form)) == refusal


@pytest.mark.parametrize(
    ("form", "refusal"),
    [
        ({"device_code": ""}, (400, "invalid_request", "Missing parameter: device_code")),
        ({"device_code": "x"}, (400, "invalid_grant", "Device code not valid")),
        ({"code_verifier": ""}, (400, "invalid_grant", "PKCE code verifier not specified")),
        ({"code_verifier": "w" * 43}, (400, "invalid_grant", "PKCE verification failed: Code mismatch")),
    ],
)
def test_what_may_not_end(world, cli, asked, form, refusal):
    decide(world, asked["user_code"])
    assert world.refusal(poll(cli, asked, **form)) == refusal


def test_a_code_of_one_client_is_of_no_use_to_another(world, asked):
    decide(world, asked["user_code"])
    answer = poll(world.program("dev-cli"), asked)
    assert world.refusal(answer)[:2] == (400, "invalid_grant")


def test_a_form_of_another_site_decides_nothing(world, cli, asked):
    person = world.person()
    person.http.get("/realms/demo/device")
    page = person.http.post(f"/realms/demo/device?user_code={asked['user_code']}", data={"csrf": "x", "accept": "Yes"})
    assert page.status_code == 403
    assert world.refusal(poll(cli, asked))[1] == "authorization_pending"


@pytest.mark.parametrize(
    ("address", "right"),
    [
        ("http://127.0.0.1:41234/callback", True),
        ("http://127.0.0.1/callback", True),
        ("http://127.0.0.1:41234/other", False),
        ("http://127.0.0.1.example.org/callback", False),
        ("http://127.0.0.1:41234@example.org/callback", False),
        ("http://localhost:41234/callback", False),
        ("https://127.0.0.1:41234/callback", False),
    ],
)
def test_on_loopback_any_port_is_right(world, address, right):
    """RFC 8252 section 7.3."""
    page = world.person().visit(world.request_for("token-vault-cli", redirect_uri=address))
    assert (page.status_code == 302) is right
