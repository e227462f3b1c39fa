"""More attacks on bearer tokens, beside `test_hostile_tokens.py`: what is put around, instead of or into a JWS."""

import json
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwe
from joserfc.jwk import RSAKey
from stub_issuer import AUDIENCE, SigningKey, StubIssuer, b64, hs256

from service_kit.tokens.bearer import Verifier
from service_kit.tokens.issuer import Issuer
from service_kit.tokens.jwt import InvalidTokenError

Refused = Callable[[str], None]


@pytest.fixture
def refused(verifier: Verifier, server: StubIssuer) -> Refused:
    """Asserts that a token is not accepted although the server's good one is."""
    verifier.verify(server.token())

    def check(token: str) -> None:
        with pytest.raises(InvalidTokenError):
            verifier.verify(token)

    return check


def test_every_form_of_the_public_key_as_a_shared_secret(
    refused: Refused, server: StubIssuer, signing_key: SigningKey
) -> None:
    """PKCS #1 beside SubjectPublicKeyInfo, OpenSSH, the JWK as it is served, the modulus: none is an HS256 secret."""
    forms = [
        signing_key.public.public_bytes(Encoding.PEM, PublicFormat.PKCS1),
        signing_key.public.public_bytes(Encoding.DER, PublicFormat.PKCS1),
        signing_key.public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH),
        json.dumps(signing_key.jwk).encode(),
        json.dumps({"keys": [signing_key.jwk]}).encode(),
        signing_key.public.public_numbers().n.to_bytes(256),
    ]
    for form in forms:
        for algorithm in ("HS256", "RS256"):
            refused(server.token(server.header(alg=algorithm), sign=hs256(form)))


def test_a_shared_secret_in_the_key_set_signs_nothing(
    server: StubIssuer, verifier: Verifier, signing_key: SigningKey
) -> None:
    """An `oct` key that a server publishes by mistake is known to everybody."""
    server.publish({"kid": "shared", "kty": "oct", "alg": "HS256", "k": b64(b"known to everybody")}, signing_key.jwk)
    verifier.verify(server.token())
    for algorithm in ("HS256", "RS256"):
        header = server.header(alg=algorithm, kid="shared")
        with pytest.raises(InvalidTokenError):
            verifier.verify(server.token(header, sign=hs256(b"known to everybody")))


@pytest.mark.parametrize("purpose", [{"use": "enc"}, {"key_ops": ["encrypt"]}, {"key_ops": "verify"}, {"alg": "PS256"}])
def test_a_key_for_something_else_verifies_nothing(
    server: StubIssuer, verifier: Verifier, signing_key: SigningKey, other_key: SigningKey, purpose: dict[str, object]
) -> None:
    """RFC 7517 sections 4.2 to 4.4: `use`, `key_ops` and `alg` bind."""
    server.publish(signing_key.jwk, {**other_key.jwk, **purpose})
    verifier.verify(server.token())
    with pytest.raises(InvalidTokenError):
        verifier.verify(server.token(server.header(kid=other_key.key_id), sign=other_key.rs256))


def test_an_encrypted_token(refused: Refused, server: StubIssuer, signing_key: SigningKey) -> None:
    """A JWE (RFC 7516) to the issuer's key, with the claims or with a good token inside: anybody can make one."""
    key = RSAKey.import_key(signing_key.pem)
    for inside in (json.dumps(server.claims()), server.token()):
        header = {"alg": "RSA-OAEP", "enc": "A256GCM", "kid": signing_key.key_id, "cty": "JWT"}
        encrypted = jwe.encrypt_compact(header, inside, key)
        assert encrypted.count(".") == 4
        refused(encrypted)


def test_a_token_in_json_serialization(refused: Refused, server: StubIssuer) -> None:
    """RFC 7515 section 7.2, general and flattened; a good signature, and unsigned members."""
    protected, payload, signature = server.token().split(".")
    parts = {"protected": protected, "signature": signature, "header": {"kid": "key-9"}}
    refused(json.dumps({"payload": payload, **parts}))
    refused(json.dumps({"payload": payload, "signatures": [parts]}))


@pytest.mark.parametrize(
    "key_id",
    [
        "' OR '1'='1",
        "key-1'; DROP TABLE grants; --",
        "../../../../dev/null",
        "/proc/self/environ",
        "file:///dev/null",
        "http://127.0.0.1:9/keys",
        "key-1\x00.pem",
        "${jndi:ldap://127.0.0.1/x}",
        "| id",
        "\uff4b\uff45\uff59-1",
        "k" * 4000,
    ],
)
def test_key_ids_that_mean_something_elsewhere(
    refused: Refused, server: StubIssuer, other_key: SigningKey, key_id: str
) -> None:
    """A key id is compared, never opened, fetched, queried or normalized; a secret of nothing signs nothing either."""
    before = server.requests.copy()
    for sign in (server.key.rs256, other_key.rs256, hs256(b"")):
        refused(server.token(server.header(kid=key_id), sign=sign))
    assert server.requests == before


def test_a_token_of_another_realm(refused: Refused, server: StubIssuer, other_key: SigningKey) -> None:
    """Of the same server: by its own key under either key id, and even by ours."""
    claims = server.claims(iss=server.url.replace("demo", "other"))
    for key_id in (server.key.key_id, other_key.key_id):
        refused(server.token(server.header(kid=key_id), claims, other_key.rs256))
    refused(server.token(payload=claims))


def test_one_realm_s_good_token_at_another_realm_s_verifier(
    server: StubIssuer, other_key: SigningKey, clock: Callable[[], float], wall_clock: Callable[[], float]
) -> None:
    """Two issuers with the same key id: each verifier knows its own issuer's keys only."""
    twin = StubIssuer(SigningKey(server.key.key_id))
    try:
        theirs = Verifier(Issuer(twin.url, clock=clock), AUDIENCE, clock=wall_clock)
        theirs.verify(twin.token())
        for token in (server.token(), server.token(payload=twin.claims())):
            with pytest.raises(InvalidTokenError):
                theirs.verify(token)
    finally:
        twin.close()


HUGE = ["9" * 4300, "1e308"]


@pytest.mark.parametrize(
    ("claim", "number"),
    [
        *(("exp", number) for number in (*HUGE, "-" + "9" * 4000, "-1e308", "0." + "0" * 4000 + "1e4010")),
        *((claim, number) for claim in ("iat", "nbf") for number in HUGE),
    ],
    ids=lambda text: text[:10],
)
def test_numbers_that_are_huge_or_costly_to_read(refused: Refused, server: StubIssuer, claim: str, number: str) -> None:
    """An expiry that never comes or came long ago, an issue in the far future, thousands of digits."""
    document = json.dumps(server.claims(**{claim: "HERE"})).replace('"HERE"', number)
    refused(server.token(payload=document.encode()))
