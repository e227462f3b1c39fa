"""The tokens of each flow: their claims, and the endpoints that accept them."""

import base64
import hashlib

from joserfc import jwt
from joserfc.jwk import KeySet


def test_an_access_token_has_keycloaks_claims(world):
    token = world.claims(world.person().grant("task-ui")["access_token"])
    expected = {"typ": "Bearer", "azp": "task-ui", "iss": world.ISSUER, "acr": "1", "scope": "openid profile email"}
    assert expected.items() <= token.items()
    assert (token["preferred_username"], token["email"], token["email_verified"]) == (
        "alice",
        "alice@example.org",
        True,
    )
    assert token["exp"] - token["iat"] == 300
    assert token["realm_access"] == {"roles": ["offline_access"]}
    assert token.keys() >= {"sub", "sid", "jti"}


def test_audiences_come_from_mappers_only(world):
    alice = world.person()
    assert world.claims(alice.grant("task-ui")["access_token"])["aud"] == ["token-vault", "task-service"]
    assert "aud" not in world.claims(alice.grant("token-vault")["access_token"])


def test_an_access_token_verifies_against_the_published_keys_and_names_its_key(world):
    token = world.person().grant("task-ui")["access_token"]
    jwks = world.get("/protocol/openid-connect/certs").get_json()
    decoded = jwt.decode(token, KeySet.import_key_set(jwks), ["RS256"])
    assert decoded.header == {"alg": "RS256", "typ": "JWT", "kid": jwks["keys"][0]["kid"]}
    assert not {"d", "p", "q"} & jwks["keys"][0].keys()


def test_an_id_token_carries_nonce_and_at_hash(world):
    answer = world.person().grant("task-ui")
    token = world.claims(answer["id_token"])
    half = hashlib.sha256(answer["access_token"].encode()).digest()[:16]
    assert (token["typ"], token["aud"], token["azp"], token["nonce"]) == ("ID", "task-ui", "task-ui", "n1")
    assert token["at_hash"] == base64.urlsafe_b64encode(half).rstrip(b"=").decode()
    assert token["sub"] == world.claims(answer["access_token"])["sub"]
    assert token["sid"] == answer["session_state"]


def test_without_openid_there_is_no_id_token_and_no_userinfo(world):
    answer = world.person().grant("token-vault", scope="offline_access")
    assert "id_token" not in answer
    refused = world.userinfo(answer["access_token"])
    assert (refused.status_code, refused.data) == (403, b"")
    assert 'error="insufficient_scope"' in refused.headers["WWW-Authenticate"]


def test_an_offline_token_says_so_and_names_no_end(world):
    answer = world.person().grant("token-vault")
    token = world.claims(answer["refresh_token"])
    assert (answer["refresh_expires_in"], answer["expires_in"], answer["token_type"]) == (0, 300, "Bearer")
    assert (token["typ"], token["azp"], token["sid"]) == ("Offline", "token-vault", answer["session_state"])
    assert "exp" not in token
    assert answer["scope"] == "openid profile email offline_access"


def test_an_online_refresh_token_ends_with_its_login(world):
    answer = world.person().grant("task-ui")
    token = world.claims(answer["refresh_token"])
    assert answer["refresh_expires_in"] == 1800
    assert (token["typ"], token["exp"]) == ("Refresh", world.clock.time + 1800)


def test_client_credentials_give_the_service_account_its_roles(world):
    answer = world.program("task-service").post("token", grant_type="client_credentials")
    token = world.claims(answer.get_json()["access_token"])
    assert (token["aud"], token["azp"], token["scope"]) == ("token-vault", "task-service", "profile email")
    assert sorted(token["resource_access"].pop("token-vault")["roles"]) == ["consent:request", "token:mint"]
    assert token["resource_access"] == {}
    assert token["preferred_username"] == "service-account-task-service"
    assert "sid" not in token
    assert token["sub"] != world.claims(world.person().grant("task-ui")["access_token"])["sub"]
    assert answer.get_json().keys() & {"refresh_token", "id_token"} == set()


def test_client_credentials_are_for_clients_with_a_service_account(world):
    told = [
        world.refusal(world.program(name).post("token", grant_type="client_credentials"))
        for name in ("task-ui", "token-vault")
    ]
    assert told == [
        (401, "unauthorized_client", "Public client not allowed to retrieve service account"),
        (401, "unauthorized_client", "Client not enabled to retrieve service account"),
    ]


def test_the_password_grant_is_for_the_command_line_only(world):
    cli = world.program("dev-cli")
    answer = cli.post("token", grant_type="password", username="bob", password="bob", scope="openid")
    token = world.claims(answer.get_json()["access_token"])
    assert (token["aud"], token["preferred_username"]) == (["token-vault", "task-service"], "bob")
    assert cli.next_token(answer.get_json()["refresh_token"])
    other = world.program("task-ui").post("token", grant_type="password", username="bob", password="bob")
    assert world.refusal(other) == (400, "unauthorized_client", "Client not allowed for direct access grants")


def test_a_wrong_password_is_an_invalid_grant(world):
    answer = world.program("dev-cli").post("token", grant_type="password", username="bob", password="no")
    assert world.refusal(answer) == (400, "invalid_grant", "Invalid user credentials")


def test_userinfo_accepts_a_token_without_aud(world):
    answer = world.userinfo(world.person().grant("token-vault")["access_token"])
    assert answer.status_code == 200
    assert answer.get_json()["preferred_username"] == "alice"


def test_userinfo_refuses_expired_foreign_and_missing_tokens(world):
    token = world.person().grant("task-ui")["access_token"]
    world.clock.time += 301
    for bearer in (token, "garbage"):
        answer = world.userinfo(bearer)
        assert (answer.status_code, answer.data) == (401, b"")
        assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="demo", error="invalid_token"')
    assert world.userinfo("").headers["WWW-Authenticate"] == 'Bearer realm="demo"'


def test_userinfo_refuses_a_refresh_token_and_an_id_token(world):
    answer = world.person().grant("token-vault")
    assert world.userinfo(answer["refresh_token"]).status_code == 401
    assert world.userinfo(answer["id_token"]).status_code == 401


def test_introspection_tells_an_audience_about_a_live_access_token(world):
    token = world.person().grant("task-ui")["access_token"]
    vault = world.program()
    expected = {"active": True, "client_id": "task-ui", "username": "alice", "token_type": "Bearer"}
    assert expected.items() <= vault.introspect(token).items()
    world.control("DELETE", "/sessions/alice")
    assert vault.introspect(token) == {"active": False}


def test_introspection_tells_nothing_about_other_tokens(world):
    answer = world.person().grant("token-vault")
    tokens = (answer["access_token"], answer["refresh_token"], "garbage")
    assert [world.program().introspect(token) for token in tokens] == [{"active": False}] * 3


def test_a_public_client_cannot_introspect(world):
    answer = world.program("task-ui").post("token/introspect", token="x")
    assert world.refusal(answer) == (403, "invalid_request", "Client not allowed.")


def test_discovery_names_this_issuer_and_its_endpoints(world):
    found = world.get("/.well-known/openid-configuration").get_json()
    assert found["issuer"] == world.ISSUER
    assert found["token_endpoint"] == f"{world.ISSUER}/protocol/openid-connect/token"
    assert found["end_session_endpoint"] == f"{world.ISSUER}/protocol/openid-connect/logout"
    assert found["authorization_response_iss_parameter_supported"] is True
    assert found["code_challenge_methods_supported"] == ["S256"]
