"""Login, consent and the way back to the client."""

from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

AUTH = "/protocol/openid-connect/auth"


def back(response):
    return dict(parse_qsl(urlsplit(response.location).query))


def test_a_callback_has_state_session_state_iss_and_code(world):
    answer = world.person().authorize(prompt="consent")
    assert {"state", "session_state", "iss", "code"} <= answer.keys()
    assert (answer["state"], answer["iss"]) == ("s1", world.ISSUER)


def test_a_refused_consent_comes_back_as_access_denied_with_iss_and_state(world):
    answer = world.person(accepts=False).authorize()
    assert (answer["error"], answer["state"], answer["iss"]) == ("access_denied", "s1", world.ISSUER)
    assert "code" not in answer


def test_prompt_consent_asks_each_time(world):
    alice = world.person()
    alice.authorize(prompt="consent")
    alice.authorize(prompt="consent")
    assert alice.seen == ["consent"]


def test_a_remembered_consent_shows_no_page_at_all(world):
    alice = world.person()
    alice.authorize(prompt="consent")
    alice.authorize()
    assert alice.seen == []


def test_a_remembered_consent_does_not_cover_another_scope(world):
    alice = world.person()
    alice.authorize(scope="openid")
    alice.authorize(scope="openid offline_access")
    assert alice.seen == ["consent"]


def test_a_refused_consent_is_not_remembered(world):
    alice = world.person(accepts=False)
    alice.authorize()
    alice.authorize()
    assert alice.seen == ["consent"]


def test_the_consent_page_names_client_person_and_scopes(world):
    alice = world.person()
    alice.authorize("task-ui")
    page = alice.http.get(f"/realms/demo{AUTH}?{urlencode(world.request_for('token-vault'))}").text
    assert "Grant access to Offline token vault" in page
    assert all(words in page for words in ("<b>alice</b>", "Offline Access", "Email address"))
    assert 'name="accept"' in page
    assert 'name="cancel"' in page


def test_a_client_without_consent_required_asks_for_the_login_only(world):
    alice = world.person()
    alice.authorize("task-ui")
    assert alice.seen == ["login"]


def test_a_wrong_password_is_told_as_an_alert_and_logs_nobody_in(world):
    alice = world.person(password="wrong")
    page = alice.visit(world.request_for("task-ui"))
    assert '<p role="alert" id="login-error">Invalid username or password.</p>' in page.text
    assert not [cookie for cookie in page.headers.getlist("Set-Cookie") if "LOGIN" in cookie]


def test_a_disabled_person_cannot_log_in(world):
    world.control("PUT", "/users/alice", {"enabled": False})
    page = world.person().visit(world.request_for("task-ui"))
    assert "Account is disabled" in page.text


def test_prompt_login_asks_for_the_password_again_and_keeps_the_session(world):
    alice = world.person()
    first = alice.grant("task-ui")
    world.clock.time += 60
    second = alice.grant("task-ui", prompt="login")
    assert alice.seen == ["login"]
    assert first["session_state"] == second["session_state"]
    assert world.claims(second["id_token"])["auth_time"] == world.clock.time


def test_max_age_asks_for_the_password_again_when_it_is_older(world):
    alice = world.person()
    alice.authorize("task-ui")
    world.clock.time += 100
    alice.authorize("task-ui", max_age="200")
    assert alice.seen == []
    alice.authorize("task-ui", max_age="50")
    assert alice.seen == ["login"]


def test_prompt_none_without_a_login_is_login_required(world):
    answer = world.person().authorize("task-ui", prompt="none")
    assert (answer["error"], answer["iss"], answer["state"]) == ("login_required", world.ISSUER, "s1")


def test_prompt_none_without_a_consent_is_interaction_required(world):
    alice = world.person()
    alice.authorize("task-ui")
    assert alice.authorize("token-vault", prompt="none")["error"] == "interaction_required"


def test_prompt_none_with_a_login_gives_a_code(world):
    alice = world.person()
    alice.authorize("task-ui")
    assert "code" in alice.authorize("task-ui", prompt="none")


def test_a_login_ends_when_it_was_idle_too_long(world):
    alice = world.person()
    alice.authorize("task-ui")
    world.clock.time += 1801
    assert alice.authorize("task-ui", prompt="none")["error"] == "login_required"


def test_a_login_ends_at_its_maximum_whatever_happens(world):
    alice = world.person()
    alice.authorize("task-ui")
    for _ in range(36000 // 1500):
        world.clock.time += 1500
        last = alice.authorize("task-ui", prompt="none")
    assert last["error"] == "login_required"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"redirect_uri": "http://evil.example/"}, "Invalid parameter: redirect_uri"),
        ({"redirect_uri": "http://localhost:3000.evil.example/"}, "Invalid parameter: redirect_uri"),
        ({"redirect_uri": "http://localhost:3000/../x"}, "Invalid parameter: redirect_uri"),
        ({"redirect_uri": 'http://evil.example/"<script>'}, "Invalid parameter: redirect_uri"),
        ({"redirect_uri": ""}, "Invalid parameter: redirect_uri"),
    ],
)
def test_a_request_of_doubtful_origin_is_refused_on_a_page_never_by_redirect(world, change, message):
    answer = world.get(f"{AUTH}?{urlencode(world.request_for('task-ui', **change))}")
    assert answer.status_code == 400
    assert message in answer.text


def test_an_unknown_client_is_refused_on_a_page(world):
    answer = world.get(f"{AUTH}?{urlencode(world.request_for('nobody'))}")
    assert (answer.status_code, "Client not found." in answer.text) == (400, True)


@pytest.mark.parametrize(
    ("change", "error", "description"),
    [
        ({"response_type": ""}, "invalid_request", "Missing parameter: response_type"),
        ({"code_challenge": ""}, "invalid_request", "Missing parameter: code_challenge"),
        ({"code_challenge_method": ""}, "invalid_request", "Missing parameter: code_challenge_method"),
        ({"scope": "openid nonsense"}, "invalid_scope", "Invalid scopes: openid nonsense"),
        ({"scope": 'openid "\\ü'}, "invalid_scope", "Invalid scopes: openid "),
        ({"scope": "openid offline_access"}, "invalid_scope", "Invalid scopes: openid offline_access"),
    ],
)
def test_a_faulty_request_of_a_known_client_goes_back_to_it(world, change, error, description):
    answer = back(world.get(f"{AUTH}?{urlencode(world.request_for('task-ui', **change))}"))
    assert (answer["error"], answer["error_description"], answer["iss"]) == (error, description, world.ISSUER)
    assert answer["state"] == "s1"


@pytest.mark.parametrize("change", [{"response_type": "token"}, {"code_challenge_method": "plain"}])
def test_implicit_flow_and_plain_pkce_are_refused(world, change):
    answer = back(world.get(f"{AUTH}?{urlencode(world.request_for('task-ui', **change))}"))
    assert answer["error"] in {"unsupported_response_type", "invalid_request"}


def test_a_form_that_is_not_from_our_page_is_refused(world):
    answer = world.person().http.post(
        f"/realms/demo{AUTH}?{urlencode(world.request_for('task-ui'))}",
        data={"username": "alice", "password": "alice", "csrf": ""},
    )
    assert answer.status_code == 403


def test_pages_are_protected_and_load_nothing(world):
    page = world.get(f"{AUTH}?{urlencode(world.request_for('task-ui'))}")
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "form-action" not in policy
    assert page.headers["X-Frame-Options"] == "DENY"
    assert page.headers["Cache-Control"] == "no-store"
    assert "http://" not in page.text
    assert "https://" not in page.text


def test_cookies_are_for_the_realm_only_and_out_of_scripts_reach(world):
    alice = world.person()
    page = alice.http.get(f"/realms/demo{AUTH}?{urlencode(world.request_for('task-ui'))}")
    cookies = page.headers.getlist("Set-Cookie")
    assert cookies
    assert all(word in cookie for cookie in cookies for word in ("HttpOnly", "SameSite=Lax", "Path=/realms/demo"))
