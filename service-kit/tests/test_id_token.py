"""ID tokens: who logged in, for which client and which login."""

import base64
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from stub_issuer import SigningKey, StubIssuer, b64, hs256

from service_kit.tokens import id_token
from service_kit.tokens.id_token import Expected
from service_kit.tokens.issuer import Issuer, IssuerUnavailableError
from service_kit.tokens.jwt import InvalidTokenError

CLIENT = "token-vault"


def made(server: StubIssuer, header: dict[str, Any] | None = None, **claims: object) -> str:
    """An ID token as Keycloak makes them, with these claims instead."""
    now = time.time()
    usual: dict[str, object] = {"iat": now, "exp": now + 60, "aud": CLIENT, "azp": CLIENT, "typ": "ID", "nonce": "n-1"}
    return server.token(server.header(**(header or {})), server.claims(**(usual | claims)))


@pytest.mark.parametrize("claims", [{}, {"typ": None}, {"azp": None}, {"aud": [CLIENT]}, {"aud": [CLIENT, "x"]}])
def test_it_names_the_person(server: StubIssuer, issuer: Issuer, claims: dict[str, Any]) -> None:
    """`typ` as a claim is Keycloak's own; `azp` is optional."""
    assert id_token.verify(made(server, **claims), issuer, Expected(CLIENT, "n-1")) == "alice-id"


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "n-2"},
        {"nonce": None},
        {"nonce": "n-1\x00"},
        {"nonce": 1},
        {"typ": "Bearer"},
        {"typ": "Refresh"},
        {"typ": "Logout"},
        {"azp": "task-ui"},
        {"aud": "task-ui"},
        {"exp": 1},
        {"sub": None},
        {"sub": ""},
        {"iss": "http://evil.example"},
    ],
)
def test_others_are_refused(server: StubIssuer, issuer: Issuer, claims: dict[str, Any]) -> None:
    """Another login's, another client's, expired, another issuer's, or an access token."""
    with pytest.raises(InvalidTokenError):
        id_token.verify(made(server, **claims), issuer, Expected(CLIENT, "n-1"))


@pytest.mark.parametrize("kind", ["at+jwt", "logout+jwt", "secevent+jwt"])
def test_tokens_that_say_to_be_something_else_are_refused(server: StubIssuer, issuer: Issuer, kind: str) -> None:
    """RFC 8725 section 3.11: explicit types keep kinds apart."""
    with pytest.raises(InvalidTokenError):
        id_token.verify(made(server, {"typ": kind}, typ=None), issuer, Expected(CLIENT, "n-1"))


def test_another_s_signature_is_refused(server: StubIssuer, issuer: Issuer, other_key: SigningKey) -> None:
    """The signature is checked even though the token came straight from the issuer."""
    header, payload, _ = made(server).split(".")
    forged = server.token(sign=other_key.rs256).split(".")[2]
    with pytest.raises(InvalidTokenError):
        id_token.verify(f"{header}.{payload}.{forged}", issuer, Expected(CLIENT, "n-1"))


def test_a_key_that_the_issuer_has_just_made_is_known_at_once(
    server: StubIssuer, issuer: Issuer, other_key: SigningKey
) -> None:
    """A consent cannot be answered again half a minute later; unknown keys in callers' tokens do have to wait."""
    id_token.verify(made(server), issuer, Expected(CLIENT, "n-1"))
    server.publish(server.key.jwk, other_key.jwk)
    now = time.time()
    claims = server.claims(iat=now, exp=now + 60, aud=CLIENT, azp=CLIENT, typ="ID", nonce="n-1")
    fresh = server.token(server.header(kid=other_key.key_id), claims, other_key.rs256)
    fetched = server.key_fetches
    assert issuer.key(other_key.key_id) is None
    assert server.key_fetches == fetched
    assert id_token.verify(fresh, issuer, Expected(CLIENT, "n-1")) == "alice-id"
    assert server.key_fetches == fetched + 1


# algorithms


@dataclass(frozen=True)
class KeyKind:
    """A key with its JWK, and how it signs."""

    algorithm: str
    jwk: dict[str, Any]
    sign: Callable[[bytes], bytes]


def _rsa(algorithm: str, key: SigningKey) -> KeyKind:
    digest = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}[algorithm[2:]]
    scheme = padding.PKCS1v15() if algorithm[0] == "R" else padding.PSS(padding.MGF1(digest), digest.digest_size)
    return KeyKind(algorithm, {**key.jwk, "alg": algorithm}, lambda data: key.private.sign(data, scheme, digest))


def _elliptic(algorithm: str) -> KeyKind:
    curve, name, size, digest = {
        "ES256": (ec.SECP256R1(), "P-256", 32, hashes.SHA256()),
        "ES384": (ec.SECP384R1(), "P-384", 48, hashes.SHA384()),
        "ES512": (ec.SECP521R1(), "P-521", 66, hashes.SHA512()),
    }[algorithm]
    private = ec.generate_private_key(curve)
    numbers = private.public_key().public_numbers()
    x, y = b64(numbers.x.to_bytes(size)), b64(numbers.y.to_bytes(size))

    def sign(data: bytes) -> bytes:
        r, s = decode_dss_signature(private.sign(data, ec.ECDSA(digest)))
        return r.to_bytes(size) + s.to_bytes(size)

    return KeyKind(algorithm, {"kid": "key-1", "kty": "EC", "crv": name, "x": x, "y": y, "use": "sig"}, sign)


def _edwards(curve: str) -> KeyKind:
    private: ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey = (
        ed25519.Ed25519PrivateKey.generate() if curve == "Ed25519" else ed448.Ed448PrivateKey.generate()
    )
    x = b64(private.public_key().public_bytes_raw())
    return KeyKind("EdDSA", {"kid": "key-1", "kty": "OKP", "crv": curve, "x": x}, private.sign)


KINDS: dict[str, Callable[[SigningKey], KeyKind]] = {
    **{name: partial(_rsa, name) for name in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")},
    **{name: lambda _, name=name: _elliptic(name) for name in ("ES256", "ES384", "ES512")},  # type: ignore[misc]
    **{curve: lambda _, curve=curve: _edwards(curve) for curve in ("Ed25519", "Ed448")},  # type: ignore[misc]
}


def signed(server: StubIssuer, kind: KeyKind, header: dict[str, Any] | None = None, **claims: object) -> str:
    """An ID token that this key signed."""
    now = time.time()
    usual: dict[str, object] = {"iat": now, "exp": now + 60, "aud": CLIENT, "azp": CLIENT, "typ": "ID", "nonce": "n-1"}
    members = server.header(**({"alg": kind.algorithm} | (header or {})))
    return server.token(members, server.claims(**(usual | claims)), kind.sign)


def subject(token: str, issuer: Issuer, **expected: Any) -> str:
    """The verified subject."""
    return id_token.verify(token, issuer, Expected(CLIENT, "n-1", **expected))


@pytest.fixture
def kind(request: pytest.FixtureRequest, server: StubIssuer) -> KeyKind:
    """A key that the server publishes, of an algorithm that its metadata name."""
    made_kind = KINDS[request.param](server.key)
    server.describe(id_token_signing_alg_values_supported=[made_kind.algorithm])
    server.publish(made_kind.jwk)
    return made_kind


every_kind = pytest.mark.parametrize("kind", list(KINDS), indirect=True)


@every_kind
def test_each_asymmetric_algorithm_that_the_metadata_name_is_verified(
    server: StubIssuer, issuer: Issuer, kind: KeyKind
) -> None:
    """Also when the server has no key for the algorithm of bearer tokens."""
    assert subject(signed(server, kind), issuer) == "alice-id"
    assert subject(signed(server, kind), issuer, algorithms=frozenset({kind.algorithm})) == "alice-id"


@every_kind
def test_a_changed_byte_is_refused_with_each_algorithm(server: StubIssuer, issuer: Issuer, kind: KeyKind) -> None:
    """The payload, the signature, or its length."""
    header, payload, signature = signed(server, kind).split(".")
    other = signed(server, kind, sub="mallory").split(".")[1]
    raw = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
    flipped = b64(bytes([raw[0] ^ 1]) + raw[1:])
    for token in (f"{header}.{other}.{signature}", *(f"{header}.{payload}.{b}" for b in (flipped, b64(raw[:-1])))):
        with pytest.raises(InvalidTokenError, match="signature"):
            subject(token, issuer)


@every_kind
def test_an_algorithm_that_the_metadata_do_not_name_is_refused(
    server: StubIssuer, issuer: Issuer, kind: KeyKind
) -> None:
    """Though the key is published and the signature is right."""
    server.describe(id_token_signing_alg_values_supported=["HS256", "none", "nonsense", 5])
    with pytest.raises(InvalidTokenError, match="algorithm"):
        subject(signed(server, kind), issuer)
    with pytest.raises(InvalidTokenError, match="algorithm"):
        subject(signed(server, kind), issuer, algorithms=frozenset({"RS1"}))


@pytest.mark.parametrize("kind", ["ES256", "RS512"], indirect=True)
@pytest.mark.parametrize("algorithms", [None, "ES256", {}, []])
def test_metadata_without_algorithms_mean_rs256(
    server: StubIssuer, issuer: Issuer, kind: KeyKind, algorithms: object
) -> None:
    """OpenID Connect Registration 1.0 section 2."""
    server.describe(id_token_signing_alg_values_supported=algorithms)
    server.publish(kind.jwk, {**server.key.jwk, "kid": "rsa"})
    with pytest.raises(InvalidTokenError, match="algorithm"):
        subject(signed(server, kind), issuer)
    assert subject(signed(server, _rsa("RS256", server.key), {"kid": "rsa"}), issuer) == "alice-id"


def test_a_public_key_is_never_a_shared_secret(server: StubIssuer, issuer: Issuer) -> None:
    """RFC 8725 section 2.1: HS256 with the public key, and `none`, even when the metadata name them."""
    server.describe(id_token_signing_alg_values_supported=["RS256", "HS256", "none"])
    for secret in (server.key.pem, server.key.pem.strip(), server.key.der):
        with pytest.raises(InvalidTokenError, match="algorithm"):
            subject(signed(server, KeyKind("HS256", {}, hs256(secret))), issuer)
    for name in ("none", "None", "NONE", ""):
        unsigned = signed(server, KeyKind(name, {}, lambda _: b"x"))
        for token in (unsigned, unsigned.rpartition(".")[0] + "."):
            with pytest.raises(InvalidTokenError):
                subject(token, issuer)


def test_a_key_verifies_only_what_it_was_made_for(server: StubIssuer, issuer: Issuer) -> None:
    """A key's `alg`, `use`, curve and size decide."""
    server.describe(id_token_signing_alg_values_supported=["RS256", "PS256", "ES256", "ES384"])
    rs256, ps256, es384 = _rsa("RS256", server.key), _rsa("PS256", server.key), _elliptic("ES384")
    weak = SigningKey("key-1", 1024)
    for jwk, signer in [
        (rs256.jwk, ps256),
        ({**rs256.jwk, "use": "enc"}, rs256),
        ({**rs256.jwk, "key_ops": ["encrypt"]}, rs256),
        (es384.jwk, KeyKind("ES256", {}, es384.sign)),
        (weak.jwk, _rsa("RS256", weak)),
    ]:
        server.publish(jwk)
        fresh = Issuer(server.url)
        with pytest.raises(InvalidTokenError):
            subject(signed(server, signer), fresh)


# keys


def test_without_a_key_id_the_only_key_that_fits_is_used(server: StubIssuer, issuer: Issuer) -> None:
    """Keys of other kinds and for other uses do not count."""
    server.describe(id_token_signing_alg_values_supported=["RS256", "ES256"])
    elliptic = _elliptic("ES256")
    server.publish(server.key.jwk, elliptic.jwk, {**server.key.jwk, "use": "enc", "kid": "enc"})
    assert subject(made(server, {"kid": None}), issuer) == "alice-id"
    assert subject(signed(server, elliptic, {"kid": None}), issuer) == "alice-id"


def test_without_a_key_id_several_keys_that_fit_are_refused(
    server: StubIssuer, issuer: Issuer, other_key: SigningKey
) -> None:
    """OpenID Connect Core 1.0 section 10.1: then the token needs a `kid`."""
    server.publish(server.key.jwk, other_key.jwk)
    with pytest.raises(InvalidTokenError, match="no key id"):
        subject(made(server, {"kid": None}), issuer)
    assert subject(made(server), issuer) == "alice-id"


def test_keys_of_the_same_id_are_all_tried(server: StubIssuer, issuer: Issuer, other_key: SigningKey) -> None:
    """In either order; a third key's signature stays refused."""
    twin = {**other_key.jwk, "kid": server.key.key_id}
    for jwks in ((server.key.jwk, twin), (twin, server.key.jwk)):
        server.publish(*jwks)
        fresh = Issuer(server.url)
        assert subject(made(server), fresh) == "alice-id"
        assert subject(signed(server, _rsa("RS256", other_key)), fresh) == "alice-id"
        with pytest.raises(InvalidTokenError, match="signature"):
            subject(signed(server, _rsa("RS256", SigningKey("key-1"))), fresh)


def test_a_thousand_keys_are_searched_by_id(server: StubIssuer, issuer: Issuer, other_key: SigningKey) -> None:
    """The right one is last."""
    server.publish(*({**other_key.jwk, "kid": f"old-{number}"} for number in range(999)), server.key.jwk)
    assert subject(made(server), issuer) == "alice-id"
    with pytest.raises(InvalidTokenError, match="several keys"):
        subject(made(server, {"kid": None}), issuer)


@pytest.mark.parametrize("document", [b'{"keys": []}', b"{}", b'{"keys": null}', b'{"keys": [5, null]}', b"[]", b"x"])
def test_without_keys_the_issuer_is_unavailable(server: StubIssuer, issuer: Issuer, document: bytes) -> None:
    """Not the token is wrong: it can be verified later."""
    server.documents["/realms/demo/certs"] = document
    with pytest.raises(IssuerUnavailableError):
        subject(made(server), issuer)


def test_a_server_that_changes_to_another_kind_of_key_is_understood(server: StubIssuer, issuer: Issuer) -> None:
    """From RS256 to ES256, while the vault runs."""
    server.describe(id_token_signing_alg_values_supported=["RS256", "ES256"])
    assert subject(made(server), issuer) == "alice-id"
    elliptic = _elliptic("ES256")
    server.publish({**elliptic.jwk, "kid": "ec-2"})
    assert subject(signed(server, elliptic, {"kid": "ec-2"}), issuer) == "alice-id"


# size and time


@pytest.mark.parametrize("length", [8_193, 100_000])
def test_an_id_token_may_be_longer_than_a_bearer_token(server: StubIssuer, issuer: Issuer, length: int) -> None:
    """With many groups, for example."""
    token = made(server, groups=["g" * 100] * (length // 100))
    assert len(token) > length
    assert subject(token, issuer) == "alice-id"


def test_an_id_token_of_more_than_256_kib_is_refused(server: StubIssuer, issuer: Issuer) -> None:
    """Before anything in it is read."""
    with pytest.raises(InvalidTokenError, match="too long"):
        subject(made(server, groups="g" * id_token.MAX_BYTES), issuer)


def test_the_time_is_that_of_the_clock_that_is_given(server: StubIssuer, issuer: Issuer) -> None:
    """The database's, in the vault; that of this machine does not count."""
    late = time.time() + 7200
    token = made(server, iat=late, exp=late + 300)
    assert subject(token, issuer, clock=lambda: late) == "alice-id"
    with pytest.raises(InvalidTokenError, match="its issuer's clock is ahead"):
        subject(token, issuer)


@pytest.mark.parametrize(
    ("claims", "skew", "fault"),
    [
        ({"iat": 12}, 60, None),
        ({"nbf": 12}, 60, None),
        ({"iat": 12}, 5, "not yet valid"),
        ({"nbf": 12}, 5, "not yet valid"),
        ({"iat": 120}, 60, "not yet valid"),
        ({"exp": -12}, 60, None),
        ({"exp": -12}, 5, "expired"),
        ({"exp": -120}, 60, "expired"),
    ],
    ids=str,
)
def test_a_clock_may_differ_by_the_skew(
    server: StubIssuer, issuer: Issuer, claims: dict[str, float], skew: float, fault: str | None
) -> None:
    """Claims are given in seconds from now."""
    now = time.time()
    token = made(server, **{name: now + seconds for name, seconds in claims.items()})
    if fault is None:
        assert subject(token, issuer, clock_skew=skew) == "alice-id"
    else:
        with pytest.raises(InvalidTokenError, match=fault):
            subject(token, issuer, clock_skew=skew)
