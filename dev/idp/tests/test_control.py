"""The switches of `--control`; faults that need a connection are in test_process."""

import pytest

from dev_idp.app import create_app
from dev_idp.faults import PlannedFault


def refresh_fault(**more):
    return [{"endpoint": "token", "grantType": "refresh_token", **more}]


def test_settings_can_be_overridden_and_reset(world):
    world.control("PUT", "/settings", {"accessTokenLifespan": 5})
    assert world.person().grant()["expires_in"] == 5
    world.control("DELETE", "")
    assert world.person().grant()["expires_in"] == 300


def test_an_unknown_setting_is_named(world):
    answer = world.app.test_client().put("/_control/settings", json={"nonsense": 1})
    assert (answer.status_code, "nonsense" in answer.get_json()["error"]) == (400, True)


@pytest.mark.parametrize("path", ["/users/nobody", "/secrets/nobody"])
def test_an_unknown_person_or_client_is_a_404(world, path):
    body = {"enabled": True, "secret": "x"}
    assert world.app.test_client().put(f"/_control{path}", json=body).status_code == 404


def test_a_status_fault_answers_instead_of_the_server_as_often_as_planned(world):
    token = world.person().grant()["refresh_token"]
    world.control("PUT", "/faults", refresh_fault(status=503, retryAfter=7, times=2))
    for _ in range(2):
        answer = world.program().refresh(token)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "7")
    assert world.program().next_token(token)


def test_a_fault_is_for_its_grant_type_and_client_only(world):
    world.control("PUT", "/faults", [{"endpoint": "token", "clientId": "task-ui", "status": 500}])
    alice = world.person()
    assert alice.grant("token-vault")
    back = alice.authorize("task-ui")
    assert world.program("task-ui").redeem(back["code"], back["verifier"]).status_code == 500


def test_garbage_comes_after_the_token_was_spent(world):
    token = world.person().grant()["refresh_token"]
    world.control("PUT", "/settings", {"refreshTokenMaxReuse": 0})
    world.control("PUT", "/faults", refresh_fault(garbage=True, times=1))
    answer = world.program().refresh(token)
    assert (answer.status_code, answer.get_json(silent=True)) == (200, None)
    assert world.refusal(world.program().refresh(token))[2] == "Maximum allowed refresh token reuse exceeded"


def test_a_step_without_trouble_lets_requests_pass(world):
    token = world.person().grant()["refresh_token"]
    world.control("PUT", "/faults", [*refresh_fault(times=1), *refresh_fault(status=500)])
    token = world.program().next_token(token)
    assert world.program().refresh(token).status_code == 500


def test_an_unknown_member_of_a_fault_is_named():
    with pytest.raises(ValueError, match="delayed"):
        PlannedFault.parse({"endpoint": "token", "delayed": 1})


def test_requests_are_counted_by_endpoint_grant_type_and_client(world):
    vault = world.program()
    token = world.person().grant()["refresh_token"]
    world.control("PUT", "/faults", [])
    vault.refresh(token)
    vault.post("revoke", token="x")
    counted = {"token": 1, "token:refresh_token": 1, "token:refresh_token:token-vault": 1, "revoke": 1}
    assert counted.items() <= world.control("GET", "/requests").items()


def test_grants_are_listed_with_their_uses_and_their_end(world):
    vault = world.program()
    token = world.person("bob").grant()["refresh_token"]
    for _ in range(3):
        vault.refresh(token)
    (grant,) = world.control("GET", "/grants")["grants"]
    expected = {"username": "bob", "clientId": "token-vault", "offline": True, "refreshes": 2, "reuses": 1}
    assert expected.items() <= grant.items()
    assert grant["ended"] == "detached"


def test_grants_that_are_issued_in_bulk_are_like_those_of_a_consent(world):
    consented = world.person().grant()
    asked = {"username": "alice", "clientId": "token-vault", "scope": "openid offline_access", "number": 3}
    issued = world.control("POST", "/grants", asked)["grants"]
    listed = [(grant["sid"], grant["scope"], grant["ended"]) for grant in world.control("GET", "/grants")["grants"]]
    assert listed[1:] == [(grant["sid"], consented["scope"], "") for grant in issued]
    for grant in issued:
        assert world.userinfo(grant["accessToken"]).get_json()["sub"] == world.claims(consented["access_token"])["sub"]
        assert world.program().next_token(grant["refreshToken"])
    assert {grant["expiresIn"] for grant in issued} == {consented["expires_in"]}


@pytest.mark.parametrize("change", [{"username": "nobody"}, {"clientId": "nobody"}])
def test_no_grants_are_issued_to_an_unknown_person_or_client(world, change):
    asked = {"username": "alice", "clientId": "token-vault", "scope": "openid", "number": 1, **change}
    assert world.app.test_client().post("/_control/grants", json=asked).status_code == 404


def test_anything_can_be_minted(world):
    asked = {"claims": {"typ": "Bearer", "exp": "soon"}, "header": {"kid": "other", "crit": ["x"]}}
    token = world.control("POST", "/mint", asked)["token"]
    assert world.claims(token) == asked["claims"]
    assert world.userinfo(token).status_code == 401


def test_a_new_key_signs_and_the_old_one_goes_on_verifying_until_forgotten(world):
    token = world.person().grant()["access_token"]
    world.control("POST", "/keys")
    assert len(world.get("/protocol/openid-connect/certs").get_json()["keys"]) == 2
    assert world.userinfo(token).status_code == 200
    world.control("POST", "/keys", {"forgetOld": True})
    assert world.userinfo(token).status_code == 401
    assert world.userinfo(world.person().grant()["access_token"]).status_code == 200


def test_a_changed_secret_is_demanded_at_once(world):
    token = world.person().grant()["refresh_token"]
    world.control("PUT", "/secrets/token-vault", {"secret": "new"})
    assert world.program().refresh(token).status_code == 401
    answer = world.program().post("token", secret="new", grant_type="refresh_token", refresh_token=token)
    assert answer.status_code == 200


def test_without_control_there_are_no_switches(world, tmp_path):
    app = create_app(world.app.extensions["dev_idp"].realm, tmp_path / "other.sqlite", "http://localhost:8081")
    assert app.test_client().delete("/_control").status_code == 404
    app.extensions["dev_idp"].store.close()
