"""Refreshing: rotation, reuse, scopes, and every way for a grant to end."""

from concurrent.futures import ThreadPoolExecutor

GONE = (400, "invalid_grant", "Offline user session not found")
OVERUSED = (400, "invalid_grant", "Maximum allowed refresh token reuse exceeded")
DETACHED = (400, "invalid_grant", "Session doesn't have required client")
STALE = (400, "invalid_grant", "Stale token")


def test_a_refresh_gives_new_tokens_of_the_same_session(world):
    first = world.person().grant()
    second = world.program().refresh(first["refresh_token"]).get_json()
    assert second["refresh_token"] != first["refresh_token"]
    assert second["session_state"] == first["session_state"]
    assert world.claims(second["refresh_token"])["typ"] == "Offline"
    assert second["refresh_expires_in"] == 0
    assert "nonce" not in world.claims(second["id_token"])


def test_the_old_token_once_more_works_and_its_child_too(world):
    vault = world.program()
    first = world.person().grant()["refresh_token"]
    vault.next_token(first)
    child = vault.next_token(first)
    assert vault.next_token(child)


def test_the_old_token_a_third_time_ends_the_grant_for_every_child(world):
    vault = world.program()
    first = world.person().grant()["refresh_token"]
    children = [vault.next_token(first), vault.next_token(first)]
    assert world.refusal(vault.refresh(first)) == OVERUSED
    assert [world.refusal(vault.refresh(token)) for token in [*children, first]] == [DETACHED] * 3


def test_an_old_token_whose_child_was_used_ends_the_grant(world):
    vault = world.program()
    first = world.person().grant()["refresh_token"]
    newest = vault.next_token(vault.next_token(first))
    assert world.refusal(vault.refresh(first)) == STALE
    assert world.refusal(vault.refresh(newest)) == DETACHED


def test_a_forgotten_generation_is_stale_too(world):
    vault = world.program()
    first = token = world.person().grant()["refresh_token"]
    for _ in range(5):
        token = vault.next_token(token)
    assert world.refusal(vault.refresh(first)) == STALE
    assert world.refusal(vault.refresh(token)) == DETACHED


def test_without_a_reuse_allowance_the_second_use_ends_the_grant(world):
    world.control("PUT", "/settings", {"refreshTokenMaxReuse": 0})
    vault = world.program()
    first = world.person().grant()["refresh_token"]
    child = vault.next_token(first)
    assert world.refusal(vault.refresh(first)) == OVERUSED
    assert world.refusal(vault.refresh(child)) == DETACHED


def test_without_rotation_every_token_goes_on_working(world):
    world.control("PUT", "/settings", {"revokeRefreshToken": False})
    vault = world.program()
    first = world.person().grant()["refresh_token"]
    children = [vault.next_token(first) for _ in range(4)]
    assert all(vault.next_token(token) for token in [*children, first])


def test_of_eight_parallel_refreshes_two_succeed_and_the_grant_is_dead(world):
    first = world.person().grant()["refresh_token"]
    with ThreadPoolExecutor(8) as callers:
        answers = list(callers.map(lambda _: world.program().refresh(first), range(8)))
    statuses = [answer.status_code for answer in answers]
    assert (statuses.count(200), statuses.count(400)) == (2, 6)
    assert {world.refusal(answer) for answer in answers if answer.status_code == 400} <= {OVERUSED, DETACHED}
    children = [answer.get_json()["refresh_token"] for answer in answers if answer.status_code == 200]
    assert [world.refusal(world.program().refresh(child)) for child in children] == [DETACHED] * 2


def test_a_narrowed_scope_narrows_the_claim_only(world):
    vault = world.program()
    first = world.person().grant(scope="openid phone address offline_access")
    answer = vault.refresh(first["refresh_token"], scope="openid phone").get_json()
    assert world.claims(answer["access_token"])["scope"] == "openid profile email phone"
    assert set(answer["scope"].split()) == {"openid", "profile", "email", "phone", "address", "offline_access"}
    again = vault.refresh(answer["refresh_token"]).get_json()
    assert "address" in world.claims(again["access_token"])["scope"].split()


def test_a_scope_that_was_not_granted_is_passed_over(world):
    first = world.person().grant()
    answer = world.program().refresh(first["refresh_token"], scope="openid phone").get_json()
    assert world.claims(answer["access_token"])["scope"] == "openid profile email"


def test_an_unknown_scope_is_the_callers_fault_and_does_not_use_the_token(world):
    vault = world.program()
    first = world.person().grant()["refresh_token"]
    refused = vault.refresh(first, scope="openid nonsense")
    assert world.refusal(refused) == (400, "invalid_scope", "Invalid scopes: openid nonsense")
    assert all(vault.next_token(first) for _ in range(2))


def test_a_revoked_grant_is_gone(world):
    vault = world.program()
    token = world.person().grant()["refresh_token"]
    assert vault.post("revoke", token=token, token_type_hint="refresh_token").status_code == 200
    assert world.refusal(vault.refresh(token)) == GONE


def test_revoking_twice_is_200_and_says_that_there_was_nothing(world):
    vault = world.program()
    token = world.person().grant()["refresh_token"]
    vault.post("revoke", token=token)
    assert world.refusal(vault.post("revoke", token=token)) == (200, "invalid_token", "Invalid token")


def test_a_client_cannot_revoke_another_clients_token(world):
    token = world.person().grant()["refresh_token"]
    refused = world.program("task-service").post("revoke", token=token)
    assert world.refusal(refused) == (400, "invalid_request", "Unmatching clients")
    assert world.program().next_token(token)


def test_a_revoked_access_token_is_dead_and_its_grant_is_not(world):
    vault = world.program()
    answer = world.person().grant()
    assert vault.post("revoke", token=answer["access_token"]).status_code == 200
    assert world.userinfo(answer["access_token"]).status_code == 401
    assert vault.next_token(answer["refresh_token"])


def test_two_consents_in_one_browser_are_two_grants(world):
    vault, alice = world.program(), world.person()
    first, second = alice.grant(prompt="consent"), alice.grant(prompt="consent")
    assert first["session_state"] != second["session_state"]
    vault.post("revoke", token=first["refresh_token"])
    assert world.refusal(vault.refresh(first["refresh_token"])) == GONE
    assert vault.next_token(second["refresh_token"])


def test_a_withdrawn_consent_ends_the_grants_built_on_it_and_is_asked_for_again(world):
    alice = world.person()
    token = alice.grant()["refresh_token"]
    world.control("DELETE", "/consents/alice/token-vault")
    assert world.refusal(world.program().refresh(token)) == GONE
    alice.authorize()
    assert alice.seen == ["consent"]


def test_a_disabled_persons_grant_works_again_when_they_are_enabled(world):
    token = world.person().grant()["refresh_token"]
    world.control("PUT", "/users/alice", {"enabled": False})
    assert world.refusal(world.program().refresh(token)) == (400, "invalid_grant", "User disabled")
    world.control("PUT", "/users/alice", {"enabled": True})
    assert world.program().next_token(token)


def test_what_was_issued_before_a_pushed_not_before_is_stale(world):
    answer = world.person().grant()
    world.app.extensions["dev_idp"].store.remember("not_before", world.clock.time + 1)
    assert world.refusal(world.program().refresh(answer["refresh_token"])) == STALE
    assert world.userinfo(answer["access_token"]).status_code == 401
    world.clock.time += 1
    assert world.program().next_token(world.person().grant()["refresh_token"])


def test_a_wrong_secret_is_a_401_unauthorized_client(world):
    token = world.person().grant()["refresh_token"]
    refused = world.program().post("token", secret="wrong", grant_type="refresh_token", refresh_token=token)
    expected = (401, "unauthorized_client", "Invalid client or Invalid client credentials")
    assert world.refusal(refused) == expected
    posted = {"client_id": "token-vault", "client_secret": "wrong"}
    refused = world.program("dev-cli").post("token", grant_type="refresh_token", refresh_token=token, **posted)
    assert world.refusal(refused) == expected
    missing = world.program("dev-cli").post("token", grant_type="refresh_token", client_id="token-vault")
    assert world.refusal(missing) == expected


def test_an_unknown_client_is_a_401_invalid_client(world):
    refused = world.program("nobody").refresh("x")
    assert world.refusal(refused)[:2] == (401, "invalid_client")


def test_garbage_is_an_invalid_refresh_token(world):
    answer = world.person().grant()
    for garbage in ("garbage", "a.b.c", answer["access_token"], answer["refresh_token"][:-3] + "AAA"):
        refused = world.program().refresh(garbage)
        assert world.refusal(refused) == (400, "invalid_grant", "Invalid refresh token")


def test_another_clients_refresh_token_is_refused_and_stays_good(world):
    token = world.person().grant()["refresh_token"]
    refused = world.program("task-ui").refresh(token)
    assert world.refusal(refused)[2] == "Invalid refresh token. Token client and authorized client don't match"
    assert world.program().next_token(token)


def test_an_unknown_or_missing_grant_type_is_named(world):
    vault = world.program()
    assert world.refusal(vault.post("token", grant_type='"ü'))[:2] == (400, "unsupported_grant_type")
    assert world.refusal(vault.post("token")) == (400, "invalid_request", "Missing form parameter: grant_type")


def test_an_offline_grant_outlives_its_login_and_ends_when_it_was_idle_too_long(world):
    token = world.person().grant()["refresh_token"]
    world.clock.time += 29 * 86400
    token = world.program().next_token(token)
    world.clock.time += 30 * 86400
    assert world.refusal(world.program().refresh(token)) == (400, "invalid_grant", "Offline session not active")


def test_an_online_grant_ends_with_its_idle_login(world):
    token = world.person().grant("task-ui")["refresh_token"]
    world.clock.time += 1000
    token = world.program("task-ui").next_token(token)
    world.clock.time += 1000
    token = world.program("task-ui").next_token(token)
    world.clock.time += 1800
    refused = world.program("task-ui").refresh(token)
    assert world.refusal(refused) == (400, "invalid_grant", "Token is not active")


def test_a_new_login_of_a_client_does_not_wake_a_dead_grant(world):
    ui, alice = world.program("task-ui"), world.person()
    first = alice.grant("task-ui")["refresh_token"]
    for _ in range(3):
        ui.refresh(first)
    second = alice.grant("task-ui")["refresh_token"]
    assert world.refusal(ui.refresh(first)) == DETACHED
    assert ui.next_token(second)
