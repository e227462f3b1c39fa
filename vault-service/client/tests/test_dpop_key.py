"""Tokens that are bound to a key of the process (RFC 9449), as the vault and the authorization server see them."""

import json
from base64 import urlsafe_b64decode

import pytest
from joserfc import jwk, jwt
from scripted_answers import ACCESS, OWN, TOKENS, token

from token_vault_client import Bearer, ClientCredentials, DPoPKey, NotAuthenticated, PrivateKeyJwt
from token_vault_client.dpop import exchange
from token_vault_client.flow import HttpAnswer, Request, Send

BOUND = {"access_token": "own", "expires_in": 300, "token_type": "DPoP"}


def decoded(proof: str) -> tuple[dict, dict]:
    """Header and claims of a proof, whose signature is that of its own key."""
    header = json.loads(urlsafe_b64decode(proof.partition(".")[0] + "=="))
    key = jwk.import_key(header["jwk"])
    return header, dict(jwt.decode(proof, key, ["ES256", "ES384", "ES512"]).claims)


@pytest.fixture
def key() -> DPoPKey:
    return DPoPKey()


@pytest.fixture
def bound(answers, key) -> ClientCredentials:
    answers.only(OWN, 200, BOUND)
    return ClientCredentials(f"{answers.url}/token", "service", "s", dpop=key)


def test_token_and_calls_carry_a_proof_of_one_key(answers, make_caller, bound, key):
    """Sections 5 and 7.1: the method, the address without its query, the hash of the token; a new `jti` each."""
    answers.says(ACCESS, 200, token())
    answers.says(TOKENS, 200, {"tokens": []})
    call = make_caller(bound)
    call("access_token", "id-1", "alice", min_valid=30)
    call("grants")
    own, access, grants = answers.to(OWN)[0], answers.to(ACCESS)[0], answers.to(TOKENS)[0]
    assert own.authorization.startswith("Basic ")
    assert access.authorization == grants.authorization == "DPoP own"
    proofs = [decoded(each.dpop) for each in (own, access, grants)]
    assert [claims["htu"] for _, claims in proofs] == [answers.url + path for path in ("/token", ACCESS, TOKENS)]
    assert [claims["htm"] for _, claims in proofs] == ["POST", "GET", "GET"]
    assert ["ath" in claims for _, claims in proofs] == [False, True, True]
    assert len({claims["jti"] for _, claims in proofs}) == 3
    for header, _ in proofs:
        assert (header["typ"], header["alg"]) == ("dpop+jwt", "ES256")
        assert header["jwk"].keys() == {"kty", "crv", "x", "y"}
        assert jwk.import_key(header["jwk"]).thumbprint() == key.thumbprint


def test_a_server_that_binds_nothing_is_not_used(answers, make_caller, bound):
    """Such a server's token would be a bearer token (section 5), which the caller did not want."""
    answers.only(OWN, 200, {**BOUND, "token_type": "Bearer"})
    with pytest.raises(NotAuthenticated) as refused:
        make_caller(bound)("access_token", "id-1", "alice")
    assert refused.value.code == "token_not_bound"
    assert not answers.to(ACCESS)


def test_a_refused_proof_is_no_passing_trouble(answers, make_caller, bound):
    """Section 5: `invalid_dpop_proof`."""
    answers.only(OWN, 400, {"error": "invalid_dpop_proof"})
    with pytest.raises(NotAuthenticated) as refused:
        make_caller(bound)("access_token", "id-1", "alice")
    assert refused.value.code == "credentials_refused"


def test_a_nonce_of_the_token_endpoint_is_sent_from_then_on(answers, make_caller, bound):
    """Section 8."""
    answers.only(OWN, 400, {"error": "use_dpop_nonce"}, DPoP_Nonce="n1")
    answers.says(OWN, 200, {**BOUND, "expires_in": 0.1}, DPoP_Nonce="n2")
    answers.says(ACCESS, 200, token())
    call = make_caller(bound)
    call("access_token", "id-1", "alice")
    call("access_token", "id-2", "alice")
    nonces = [decoded(each.dpop)[1].get("nonce") for each in answers.to(OWN)]
    assert nonces[:3] == [None, "n1", "n2"]
    assert {decoded(each.dpop)[1]["nonce"] for each in answers.to(ACCESS)} == {nonces[-1]}


def test_a_nonce_of_the_vault_is_sent_once_more_and_not_again(answers, make_caller, bound):
    """Section 9: one repetition, with the same token."""
    refusal = {"code": "invalid_dpop_proof", "detail": "nonce"}
    answers.says(ACCESS, 401, refusal, DPoP_Nonce="n1", WWW_Authenticate='DPoP error="use_dpop_nonce"')
    answers.says(ACCESS, 200, token())
    call = make_caller(bound)
    call("access_token", "id-1", "alice")
    assert [decoded(each.dpop)[1].get("nonce") for each in answers.to(ACCESS)] == [None, "n1"]
    assert len(answers.to(OWN)) == 1
    answers.only(ACCESS, 401, refusal, DPoP_Nonce="n2", WWW_Authenticate='DPoP error="use_dpop_nonce"')
    with pytest.raises(NotAuthenticated):
        call("access_token", "id-2", "alice")
    assert len(answers.to(ACCESS)) <= 6


def test_a_nonce_stays_with_its_server(key):
    """Two origins have two."""
    assert not key.wants_nonce("https://a.example/x", _answer(200, {"dpop-nonce": "of a"}))
    assert decoded(key.proof("GET", "https://A.example/y"))[1]["nonce"] == "of a"
    assert "nonce" not in decoded(key.proof("GET", "https://b.example/y"))[1]
    assert not key.wants_nonce("https://b.example/x", _answer(400, {}, b'{"error":"use_dpop_nonce"}'))


def test_without_a_key_nothing_changes():
    """The flow sends the request as it is built, once."""

    request = Request("GET", "https://a.example")
    flow = exchange(lambda: request, None)
    assert next(flow) == Send(request)


def test_a_token_at_hand_may_be_bound_too(answers, make_caller, key):
    answers.says(TOKENS, 200, {"tokens": []})
    make_caller(Bearer("mine", dpop=key))("grants")
    asked = answers.to(TOKENS)[0]
    assert asked.authorization == "DPoP mine"
    assert decoded(asked.dpop)[1]["htm"] == "GET"


def test_a_signed_assertion_is_made_anew_for_the_second_request(answers, make_caller, key):
    """The assertion's `jti` counts once."""
    answers.only(OWN, 400, {"error": "use_dpop_nonce"}, DPoP_Nonce="n1")
    answers.says(OWN, 200, BOUND)
    answers.says(ACCESS, 200, token())
    pem = jwk.RSAKey.generate_key(2048).as_pem(private=True).decode()
    make_caller(PrivateKeyJwt(f"{answers.url}/token", "service", pem, dpop=key))("access_token", "id-1", "alice")
    assertions = [each.form["client_assertion"] for each in answers.to(OWN)]
    assert len(set(assertions)) == 2


def test_credentials_with_other_keys_share_no_token(answers, key):
    """A token that is bound to one key is nothing to another."""
    endpoint = f"{answers.url}/token"
    kinds = [ClientCredentials(endpoint, "service", "s", dpop=each) for each in (None, key, DPoPKey())]
    assert len({each.identity for each in kinds}) == 3


@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "ES512"])
def test_every_offered_algorithm_makes_proofs(algorithm):
    header, claims = decoded(DPoPKey(algorithm).proof("POST", "https://a.example/x?y#z"))
    assert (header["alg"], claims["htu"]) == (algorithm, "https://a.example/x")


@pytest.mark.parametrize("algorithm", ["HS256", "none", "RS256", ""])
def test_other_algorithms_are_refused(algorithm):
    with pytest.raises(ValueError, match="ES256"):
        DPoPKey(algorithm)


def test_a_key_prints_no_secret(key):
    assert "d" not in decoded(key.proof("GET", "https://a.example"))[0]["jwk"]
    assert json.dumps(key._key.as_dict(private=True)["d"]) not in repr(key)


def _answer(status: int, headers: dict[str, str], body: bytes = b""):

    return HttpAnswer(status, headers, body)
