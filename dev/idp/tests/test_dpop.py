"""DPoP (RFC 9449) at the development server: tokens are bound when the client sends a proof."""

import base64
import hashlib
import uuid
from dataclasses import replace

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

NOW = 1_800_000_000
TOKEN = "/protocol/openid-connect/token"


class Prover:
    """A client's key."""

    def __init__(self):
        self.key = ECKey.generate_key("P-256")
        self.thumbprint = self.key.thumbprint()

    def proof(self, url, method="POST", header=None, token="", **claims):
        usual = {"jti": str(uuid.uuid4()), "htm": method, "htu": url, "iat": NOW}
        if token:
            usual["ath"] = base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode()
        named = {"typ": "dpop+jwt", "alg": "ES256", "jwk": self.key.as_dict(private=False), **(header or {})}
        kept = {name: value for name, value in {**usual, **claims}.items() if value is not None}
        return jwt.encode(named, kept, self.key, algorithms=["ES256"])


@pytest.fixture
def prover():
    return Prover()


@pytest.fixture
def endpoint(world):
    return world.ISSUER + TOKEN


def post(world, **how):
    return world.app.test_client(use_cookies=False).post(f"/realms/demo{TOKEN}", **how)


def credentials(world, *proofs):
    basic = base64.b64encode(b"task-service:task-secret").decode()
    headers = [("Authorization", f"Basic {basic}"), *(("DPoP", proof) for proof in proofs)]
    return post(world, data={"grant_type": "client_credentials"}, headers=headers)


def test_a_proof_binds_the_token_to_its_key(world, prover, endpoint):
    answer = credentials(world, prover.proof(endpoint))
    assert (answer.status_code, answer.get_json()["token_type"]) == (200, "DPoP")
    claims = world.claims(answer.get_json()["access_token"])
    assert (claims["cnf"], claims["typ"]) == ({"jkt": prover.thumbprint}, "DPoP")


def test_without_a_proof_it_is_a_bearer_token(world):
    answer = credentials(world).get_json()
    assert answer["token_type"] == "Bearer"
    assert "cnf" not in world.claims(answer["access_token"])


@pytest.mark.parametrize(
    "change",
    [
        {"htm": "GET"},
        {"htm": None},
        {"htu": "https://elsewhere.example/token"},
        {"htu": None},
        {"htu": 7},
        {"iat": 0},
        {"iat": None},
        {"iat": "now"},
        {"jti": None},
        {"jti": ""},
        {"header": {"typ": "JWT"}},
    ],
)
def test_a_proof_that_does_not_fit_is_refused(world, prover, endpoint, change):
    answer = credentials(world, prover.proof(endpoint, **change))
    assert (answer.status_code, answer.get_json()["error"]) == (400, "invalid_dpop_proof")


def test_a_private_key_a_broken_proof_and_two_proofs_are_refused(world, prover, endpoint):
    private = prover.proof(endpoint, header={"jwk": prover.key.as_dict(private=True)})
    for proofs in ([private], ["x"], [""], [prover.proof(endpoint), prover.proof(endpoint)]):
        answer = credentials(world, *proofs)
        assert (answer.status_code, answer.get_json()["error"]) == (400, "invalid_dpop_proof")
    other = prover.proof(endpoint, header={"jwk": Prover().key.as_dict(private=False)})
    assert credentials(world, other).status_code == 400


def test_a_proof_is_accepted_once(world, prover, endpoint):
    proof = prover.proof(endpoint)
    assert [credentials(world, proof).status_code for _ in range(2)] == [200, 400]


def test_a_client_can_be_told_to_send_proofs(world, prover, endpoint):
    clients = world.app.extensions["dev_idp"].realm.clients
    clients["task-service"] = replace(clients["task-service"], dpop_required=True)
    assert credentials(world).get_json()["error"] == "invalid_dpop_proof"
    assert credentials(world, prover.proof(endpoint)).status_code == 200


def test_userinfo_takes_a_bound_token_with_its_proof_only(world, prover, endpoint):
    form = {
        "grant_type": "password",
        "client_id": "dev-cli",
        "username": "alice",
        "password": "alice",
        "scope": "openid",
    }
    headers = [("DPoP", prover.proof(endpoint))]
    answer = post(world, data=form, headers=headers).get_json()
    token, url = answer["access_token"], f"{world.ISSUER}/protocol/openid-connect/userinfo"

    def ask(scheme, *proofs):
        sent = [("Authorization", f"{scheme} {token}"), *(("DPoP", proof) for proof in proofs)]
        return world.get("/protocol/openid-connect/userinfo", headers=sent).status_code

    assert ask("DPoP", prover.proof(url, "GET", token=token)) == 200
    assert ask("Bearer") == 400
    assert ask("Bearer", prover.proof(url, "GET", token=token)) == 400
    assert ask("DPoP", prover.proof(url, "GET", token="another")) == 400
    assert ask("DPoP", Prover().proof(url, "GET", token=token)) == 400


def test_a_public_clients_refresh_token_is_bound_as_well(world, prover, endpoint):
    form = {
        "grant_type": "password",
        "client_id": "dev-cli",
        "username": "alice",
        "password": "alice",
        "scope": "openid",
    }
    first = post(world, data=form, headers=[("DPoP", prover.proof(endpoint))]).get_json()

    def refresh(token, *proofs):
        form = {"grant_type": "refresh_token", "client_id": "dev-cli", "refresh_token": token}
        return post(world, data=form, headers=[("DPoP", proof) for proof in proofs])

    assert refresh(first["refresh_token"]).get_json()["error"] == "invalid_grant"
    assert refresh(first["refresh_token"], Prover().proof(endpoint)).get_json()["error"] == "invalid_grant"
    second = refresh(first["refresh_token"], prover.proof(endpoint)).get_json()
    assert refresh(second["refresh_token"]).get_json()["error"] == "invalid_grant"
    assert refresh(second["refresh_token"], prover.proof(endpoint)).status_code == 200


def test_discovery_names_the_algorithms(world):
    """Section 5.1."""
    assert "ES256" in world.get("/.well-known/openid-configuration").get_json()["dpop_signing_alg_values_supported"]
