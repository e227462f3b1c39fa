"""Access tokens that are bound to a key, over HTTP (RFC 9449 section 7): only with a proof, and no others with one."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient
from proof_key import ProofKey
from stub_issuer import AUDIENCE, NOW, Clock, StubIssuer
from werkzeug.test import TestResponse

from service_kit.http import app as http
from service_kit.http.inputs import Output
from service_kit.tokens.bearer import Verifier
from service_kit.tokens.dpop import ALGORITHMS, ProofChecker, ProofsInMemory
from service_kit.tokens.issuer import Issuer

URL = "https://vault.example/mine"
DPOP = f'DPoP realm="offline-token-vault", algs="{" ".join(ALGORITHMS)}", error='


class Name(Output, frozen=True):
    name: str
    token: str


def application(verifier: Verifier) -> Flask:
    """An application with one route."""
    app = http.create_app("test", {})

    @app.route("/mine", methods=["GET", "POST"])
    def mine() -> Response:
        claims = http.authenticate(verifier)
        return http.respond(Name(name=claims.subject, token=http.bearer_token()))

    return app


@pytest.fixture(scope="module")
def key() -> ProofKey:
    return ProofKey()


@pytest.fixture
def proofs(wall_clock: Clock) -> ProofChecker:
    return ProofChecker(["https://vault.example"], ProofsInMemory(size=50), wall_clock)


@pytest.fixture
def client(issuer: Issuer, wall_clock: Clock, proofs: ProofChecker) -> Iterator[FlaskClient]:
    verifier = Verifier(issuer, AUDIENCE, clock=wall_clock, proofs=proofs)
    with application(verifier).test_client() as client:
        yield client


@pytest.fixture
def bound(server: StubIssuer, key: ProofKey) -> str:
    """A token that is bound to the key."""
    return server.token(payload=server.claims(cnf={"jkt": key.thumbprint}))


def ask(client: FlaskClient, scheme: str, token: str, *proofs: str, method: str = "GET") -> TestResponse:
    headers = [("Authorization", f"{scheme} {token}"), *(("DPoP", proof) for proof in proofs)]
    return client.open("/mine", method=method, headers=headers)


def refusal(answer: TestResponse) -> tuple[int, str, str]:
    """Status, code, challenge without its realm and its algorithms."""
    challenge = answer.headers["WWW-Authenticate"]
    short = challenge.replace('realm="offline-token-vault", ', "").replace(f'algs="{" ".join(ALGORITHMS)}", ', "")
    return answer.status_code, answer.get_json()["code"], short


REQUIRED = (401, "dpop_required", 'DPoP error="invalid_token"')
INVALID = (401, "invalid_dpop_proof", 'DPoP error="invalid_dpop_proof"')
NOT_BOUND = (401, "token_not_bound", 'Bearer error="invalid_token"')
UNSUPPORTED = (401, "confirmation_unsupported", 'Bearer error="invalid_token"')


def test_a_bound_token_is_taken_with_a_proof_and_once(client: FlaskClient, bound: str, key: ProofKey) -> None:
    """The scheme's name is case-insensitive, and the route gets the raw token."""
    for scheme in ("DPoP", "dpop", "DPOP"):
        proof = key.proof("GET", URL, bound, NOW)
        answer = ask(client, scheme, bound, proof)
        assert answer.get_json() == {"name": "alice-id", "token": bound}
        assert refusal(ask(client, scheme, bound, proof)) == INVALID


def test_keycloaks_word_for_a_bound_token_is_understood_with_a_key_only(
    client: FlaskClient, server: StubIssuer, key: ProofKey
) -> None:
    """Keycloak's claim `typ` is `DPoP` then; without `cnf` such a token is no access token."""
    confirmation = {"jkt": key.thumbprint, "kc-jkt-type": "DPoP", "x5t#S256": None}  # as Keycloak 26.7 writes it
    token = server.token(payload=server.claims(typ="DPoP", cnf=confirmation))
    assert ask(client, "DPoP", token, key.proof("GET", URL, token, NOW)).status_code == 200
    assert refusal(ask(client, "Bearer", token)) == REQUIRED
    bare = server.token(payload=server.claims(typ="DPoP"))
    assert refusal(ask(client, "Bearer", bare))[:2] == (401, "unauthorized")


def test_a_bound_token_alone_is_worth_nothing(client: FlaskClient, bound: str, key: ProofKey) -> None:
    """Nor as a bearer token beside a proof (RFC 9449 section 7.2): a server that knows no DPoP would have taken it."""
    assert refusal(ask(client, "Bearer", bound)) == REQUIRED
    assert refusal(ask(client, "DPoP", bound)) == REQUIRED
    assert refusal(ask(client, "DPoP", bound, "")) == REQUIRED
    assert refusal(ask(client, "Bearer", bound, key.proof("GET", URL, bound, NOW))) == REQUIRED


def test_the_challenge_names_algorithms(client: FlaskClient, bound: str) -> None:
    """RFC 9449 section 7.1."""
    challenge = ask(client, "DPoP", bound, "x").headers["WWW-Authenticate"]
    assert challenge == f'{DPOP}"invalid_dpop_proof"'


def test_a_proof_for_another_request_is_refused_and_the_check_is_named(
    client: FlaskClient, bound: str, key: ProofKey
) -> None:
    """The detail says which, and quotes nothing."""
    other = ask(client, "DPoP", bound, key.proof("POST", URL, bound, NOW))
    assert refusal(other) == INVALID
    assert "htm" in other.get_json()["detail"]
    assert ask(client, "DPoP", bound, key.proof("POST", URL, bound, NOW), method="POST").status_code == 200


@pytest.mark.parametrize("separate", [True, False])
def test_several_proofs_are_refused(client: FlaskClient, bound: str, key: ProofKey, separate: bool) -> None:
    """RFC 9449 section 4.3, check 1: in several fields, or in one."""
    first, second = (key.proof("GET", URL, bound, NOW) for _ in range(2))
    given = (first, second) if separate else (f"{first},{second}",)
    answer = ask(client, "DPoP", bound, *given)
    assert refusal(answer) == INVALID
    assert "more than one" in answer.get_json()["detail"]
    assert ask(client, "DPoP", bound, first).status_code == 200


@pytest.mark.parametrize(("scheme", "with_proof"), [("Bearer", True), ("DPoP", True), ("DPoP", False)])
def test_an_unbound_token_is_not_taken_for_a_bound_one(
    client: FlaskClient, server: StubIssuer, key: ProofKey, scheme: str, with_proof: bool
) -> None:
    """The caller of a bound token relies on a proof for each request."""
    token = server.token()
    proofs = [key.proof("GET", URL, token, NOW)] if with_proof else []
    assert refusal(ask(client, scheme, token, *proofs)) == NOT_BOUND
    assert ask(client, "Bearer", token).status_code == 200


@pytest.mark.parametrize(
    "confirmation",
    [
        {"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"},
        {"jwk": {"kty": "EC"}},
        {"kid": "1"},
        {"jku": "https://x.example"},
        {"unheard of": 1},
        {},
        {"jkt": None},
        {"jkt": ["x"]},
        {"jkt": 7},
    ],
)
@pytest.mark.parametrize("scheme", ["Bearer", "DPoP"])
def test_other_confirmations_are_refused(
    client: FlaskClient, server: StubIssuer, key: ProofKey, confirmation: dict[str, Any], scheme: str
) -> None:
    """mTLS (RFC 8705 section 3.1), and unknown methods: such a token is not meant for every holder."""
    token = server.token(payload=server.claims(cnf=confirmation))
    assert refusal(ask(client, scheme, token, key.proof("GET", URL, token, NOW))) == UNSUPPORTED


@pytest.mark.parametrize("second", [{"x5t#S256": "x"}, {"kc-jkt-type": "other"}, {"kc-jkt-type": 7}])
def test_a_second_confirmation_beside_ours_is_refused(
    client: FlaskClient, server: StubIssuer, key: ProofKey, second: dict[str, Any]
) -> None:
    """Half of the binding would be ignored."""
    token = server.token(payload=server.claims(cnf={"jkt": key.thumbprint, **second}))
    assert refusal(ask(client, "DPoP", token, key.proof("GET", URL, token, NOW))) == UNSUPPORTED


@pytest.mark.parametrize("confirmation", [7, "x", [], ["jkt"], True, 0, ""])
def test_a_confirmation_that_is_no_object_is_no_token(
    client: FlaskClient, server: StubIssuer, confirmation: object
) -> None:
    """RFC 7800 section 3.1."""
    token = server.token(payload=server.claims(cnf=confirmation))
    assert refusal(ask(client, "Bearer", token))[:2] == (401, "unauthorized")


def test_a_null_confirmation_is_no_token(client: FlaskClient, server: StubIssuer) -> None:
    """Rather than none."""
    claims = {**server.claims(), "cnf": None}
    assert refusal(ask(client, "Bearer", server.token(payload=claims)))[:2] == (401, "unauthorized")


@pytest.mark.parametrize("thumbprint", ["", "x", "A" * 42, "A" * 44, "A" * 42 + "=", "é" * 43, "A" * 43 + "\n"])
def test_a_broken_thumbprint_is_no_token(client: FlaskClient, server: StubIssuer, thumbprint: str) -> None:
    """No caller can hold the key of such a token."""
    token = server.token(payload=server.claims(cnf={"jkt": thumbprint}))
    assert refusal(ask(client, "Bearer", token))[:2] == (401, "unauthorized")


def test_a_service_that_checks_no_proofs_takes_no_bound_token(
    issuer: Issuer, wall_clock: Clock, bound: str, key: ProofKey
) -> None:
    """A verifier without proofs has no URL that a proof could name."""
    with application(Verifier(issuer, AUDIENCE, clock=wall_clock)).test_client() as client:
        assert refusal(ask(client, "DPoP", bound, key.proof("GET", URL, bound, NOW))) == UNSUPPORTED
        assert refusal(ask(client, "Bearer", bound)) == UNSUPPORTED


def test_binding_can_be_demanded_of_callers(
    issuer: Issuer, wall_clock: Clock, proofs: ProofChecker, server: StubIssuer, bound: str, key: ProofKey
) -> None:
    """Of services, say; others are served as before."""
    verifier = Verifier(
        issuer, AUDIENCE, clock=wall_clock, proofs=proofs, must_be_bound=lambda claims: claims.client == "task-ui"
    )
    theirs = server.token()
    others = server.token(payload=server.claims(azp="dev-cli"))
    with application(verifier).test_client() as client:
        assert refusal(ask(client, "Bearer", theirs)) == REQUIRED
        assert refusal(ask(client, "DPoP", theirs, key.proof("GET", URL, theirs, NOW))) == REQUIRED
        assert ask(client, "DPoP", bound, key.proof("GET", URL, bound, NOW)).status_code == 200
        assert ask(client, "Bearer", others).status_code == 200
        assert verifier.remembered(theirs) is None
        assert verifier.remembered(others) is not None


def test_the_fast_path_knows_no_bound_token(
    issuer: Issuer, wall_clock: Clock, proofs: ProofChecker, bound: str, server: StubIssuer
) -> None:
    """The fast path needs a token that is sufficient alone; a bound token is not."""
    verifier = Verifier(issuer, AUDIENCE, clock=wall_clock, proofs=proofs)
    verifier.verify(bound)
    assert verifier.remembered(bound) is None
    plain = server.token()
    verifier.verify(plain)
    assert verifier.remembered(plain) is not None


def test_too_many_proofs_are_429_and_not_a_replay(client: FlaskClient, bound: str, key: ProofKey) -> None:
    """With Retry-After; none is forgotten early to make room."""
    for _ in range(50):
        assert ask(client, "DPoP", bound, key.proof("GET", URL, bound, NOW)).status_code == 200
    answer = ask(client, "DPoP", bound, key.proof("GET", URL, bound, NOW))
    assert (answer.status_code, answer.get_json()["code"], answer.headers["Retry-After"]) == (429, "rate_limited", "1")


def test_a_broken_token_is_refused_before_its_proof_is_looked_at(client: FlaskClient, key: ProofKey) -> None:
    """As without a proof."""
    assert refusal(ask(client, "DPoP", "x.y.z", key.proof("GET", URL, "x.y.z", NOW)))[:2] == (401, "unauthorized")
