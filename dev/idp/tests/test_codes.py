"""Redeeming a code."""

import pytest


def test_a_code_works_once_and_its_replay_ends_an_online_grant(world):
    ui = world.program("task-ui")
    back = world.person().authorize("task-ui")
    tokens = ui.redeem(back["code"], back["verifier"]).get_json()
    assert world.refusal(ui.redeem(back["code"], back["verifier"])) == (400, "invalid_grant", "Code not valid")
    refused = ui.refresh(tokens["refresh_token"])
    assert world.refusal(refused) == (400, "invalid_grant", "Session doesn't have required client")


def test_a_replayed_code_does_not_end_an_offline_grant(world):
    vault = world.program()
    back = world.person().authorize()
    tokens = vault.redeem(back["code"], back["verifier"]).get_json()
    assert vault.redeem(back["code"], back["verifier"]).status_code == 400
    assert vault.next_token(tokens["refresh_token"])


def test_a_code_is_good_for_a_minute(world):
    back = world.person().authorize()
    world.clock.time += 60
    answer = world.program().redeem(back["code"], back["verifier"])
    assert world.refusal(answer) == (400, "invalid_grant", "Code not valid")


def test_a_code_is_for_one_client(world):
    back = world.person().authorize()
    answer = world.program("task-ui").redeem(back["code"], back["verifier"])
    assert world.refusal(answer) == (400, "invalid_grant", "Code not valid")


def test_a_code_is_for_one_redirect_uri(world):
    back = world.person().authorize()
    answer = world.program().redeem(back["code"], back["verifier"], redirect_uri="http://localhost:3000/x")
    assert world.refusal(answer) == (400, "invalid_grant", "Incorrect redirect_uri")


@pytest.mark.parametrize(
    ("verifier", "reason"),
    [
        ("x" * 43, "PKCE verification failed: Code mismatch"),
        ("short", "PKCE verification failed: Invalid code verifier"),
        ("", "PKCE verification failed: Invalid code verifier"),
    ],
)
def test_a_code_needs_its_verifier(world, verifier, reason):
    back = world.person().authorize()
    answer = world.program().redeem(back["code"], verifier)
    assert world.refusal(answer) == (400, "invalid_grant", reason)


def test_a_wrong_secret_redeems_nothing_and_leaves_the_code(world):
    back = world.person().authorize()
    vault = world.program()
    refused = vault.post("token", secret="wrong", grant_type="authorization_code", code=back["code"])
    assert refused.status_code == 401
    assert vault.redeem(back["code"], back["verifier"]).status_code == 200


def test_a_code_is_void_once_its_person_logged_out_or_was_disabled(world):
    first, second = world.person().authorize(), world.person().authorize()
    world.control("PUT", "/users/alice", {"enabled": False})
    assert world.refusal(world.program().redeem(first["code"], first["verifier"]))[2] == "User disabled"
    world.control("PUT", "/users/alice", {"enabled": True})
    world.control("DELETE", "/sessions/alice")
    assert world.refusal(world.program().redeem(second["code"], second["verifier"]))[2] == "Code not valid"
