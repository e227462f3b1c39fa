"""Answers that a page may read from its own origin."""

import pytest

OIDC = "/realms/demo/protocol/openid-connect"


@pytest.mark.parametrize("endpoint", ["token", "userinfo", "revoke"])
def test_the_pages_of_public_clients_may_call(world, endpoint):
    asked = {"Origin": world.GATEWAY, "Access-Control-Request-Method": "POST"}
    answer = world.app.test_client().options(f"{OIDC}/{endpoint}", headers=asked)
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == world.GATEWAY
    assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]


def test_refusals_can_be_read_too(world):
    answer = world.app.test_client().post(f"{OIDC}/token", headers={"Origin": world.GATEWAY})
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (400, world.GATEWAY)


def test_other_pages_may_not(world):
    answer = world.app.test_client().options(f"{OIDC}/token", headers={"Origin": "http://evil.example"})
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("path", ["/protocol/openid-connect/certs", "/.well-known/openid-configuration"])
def test_keys_and_discovery_are_for_everyone(world, path):
    answer = world.get(path, headers={"Origin": "http://anywhere.example"})
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_the_login_page_is_for_nobodys_script(world):
    answer = world.app.test_client().get(f"{OIDC}/auth", headers={"Origin": world.GATEWAY})
    assert "Access-Control-Allow-Origin" not in answer.headers
