"""Logging out: what ends, what lives on, and where the browser goes."""

from urllib.parse import urlencode

LOGOUT = "/realms/demo/protocol/openid-connect/logout"


def log_out(alice, **query):
    return alice.http.get(f"{LOGOUT}?{urlencode(query)}")


def test_a_logout_with_id_token_hint_leads_back_and_ends_the_login(world):
    alice = world.person()
    id_token = alice.grant("task-ui")["id_token"]
    target = f"{world.GATEWAY}/tasks"
    answer = log_out(alice, id_token_hint=id_token, post_logout_redirect_uri=target, state="z")
    assert (answer.status_code, answer.location) == (302, f"{target}?state=z")
    alice.authorize("task-ui")
    assert alice.seen == ["login"]


def test_offline_grants_outlive_a_logout_and_online_ones_do_not(world):
    alice = world.person()
    online, offline = alice.grant("task-ui"), alice.grant("token-vault")
    log_out(alice, id_token_hint=online["id_token"])
    refused = world.program("task-ui").refresh(online["refresh_token"])
    assert world.refusal(refused) == (400, "invalid_grant", "Session not active")
    assert world.userinfo(online["access_token"]).status_code == 401
    assert world.program().next_token(offline["refresh_token"])


def test_an_administrators_sign_out_leaves_offline_grants_alone(world):
    alice = world.person()
    online, offline = alice.grant("task-ui"), alice.grant("token-vault")
    world.control("DELETE", "/sessions/alice")
    assert world.program("task-ui").refresh(online["refresh_token"]).status_code == 400
    assert world.program().next_token(offline["refresh_token"])


def test_without_a_hint_the_person_is_asked(world):
    alice = world.person()
    alice.grant("task-ui")
    page = log_out(alice, client_id="task-ui", post_logout_redirect_uri=f"{world.GATEWAY}/tasks")
    assert "Do you want to log out?" in page.text
    assert "code" in alice.authorize("task-ui", prompt="none")


def test_confirming_logs_out_and_leads_back(world):
    alice = world.person()
    alice.grant("task-ui")
    query = urlencode({"client_id": "task-ui", "post_logout_redirect_uri": f"{world.GATEWAY}/tasks"})
    csrf = alice.http.get(f"{LOGOUT}?{query}").text.split('name="csrf" value="')[1].split('"')[0]
    answer = alice.http.post(f"{LOGOUT}?{query}", data={"csrf": csrf, "logout": "Logout"})
    assert answer.location == f"{world.GATEWAY}/tasks"
    assert alice.authorize("task-ui", prompt="none")["error"] == "login_required"


def test_a_forged_confirmation_is_refused(world):
    alice = world.person()
    alice.grant("task-ui")
    assert alice.http.post(LOGOUT, data={"logout": "Logout"}).status_code == 403
    assert "code" in alice.authorize("task-ui", prompt="none")


def test_an_unregistered_address_is_refused(world):
    alice = world.person()
    id_token = alice.grant("task-ui")["id_token"]
    answer = log_out(alice, id_token_hint=id_token, post_logout_redirect_uri="http://evil.example/")
    assert (answer.status_code, "Invalid redirect uri" in answer.text) == (400, True)


def test_a_hint_may_have_expired_but_must_be_ours(world):
    alice = world.person()
    answer = alice.grant("task-ui")
    world.clock.time += 1000
    assert "<form" in log_out(alice, id_token_hint=answer["access_token"]).text
    assert "You are logged out" in log_out(alice, id_token_hint=answer["id_token"]).text


def test_a_refresh_token_logs_out_too(world):
    answer = world.person().grant("task-ui")
    ui = world.program("task-ui")
    assert ui.post("logout", refresh_token=answer["refresh_token"]).status_code == 204
    assert ui.refresh(answer["refresh_token"]).status_code == 400
    refused = ui.post("logout", refresh_token="garbage")
    assert world.refusal(refused) == (400, "invalid_grant", "Invalid refresh token")
