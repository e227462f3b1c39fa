"""Attacks on token verification (RFC 8725; CVEs of JWT libraries): each is an InvalidTokenError, whatever is inside."""

import json
from collections.abc import Callable

import pytest
from stub_issuer import AUDIENCE, NOW, SigningKey, StubIssuer, b64, es256, hs256, jws

from service_kit.tokens import jwt
from service_kit.tokens.bearer import Verifier
from service_kit.tokens.jwt import MAX_TOKEN_BYTES, InvalidTokenError

Refused = Callable[[str], None]


@pytest.fixture
def refused(verifier: Verifier, server: StubIssuer) -> Refused:
    """Asserts that a token is not accepted although the server's good one is."""
    verifier.verify(server.token())

    def check(token: str) -> None:
        with pytest.raises(InvalidTokenError):
            verifier.verify(token)

    return check


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", "", "rs256", "RS256 ", "RS384", "dir"])
@pytest.mark.parametrize("signature", ["", "AA"])
def test_unsigned_tokens(refused: Refused, server: StubIssuer, algorithm: str, signature: str) -> None:
    """`alg: none` in every spelling, with an empty and with some signature."""
    signed = server.token(server.header(alg=algorithm)).rpartition(".")[0]
    refused(f"{signed}.{signature}")


def test_a_good_signature_under_another_algorithm_s_name(refused: Refused, server: StubIssuer) -> None:
    """The header's word is not taken."""
    for algorithm in ("none", "HS256", "PS256", "RS512", "ES256", None, 5, ["RS256"]):
        refused(server.token(server.header(alg=algorithm)))


def test_the_public_key_as_a_shared_secret(refused: Refused, server: StubIssuer, signing_key: SigningKey) -> None:
    """HS256 with the RSA public key as PEM, as PEM without its last line feed, and as DER (CVE-2024-33663)."""
    for secret in (signing_key.pem, signing_key.pem.rstrip(), signing_key.der, signing_key.jwk["n"].encode(), b""):
        refused(server.token(server.header(alg="HS256"), sign=hs256(secret)))
        refused(server.token(server.header(), sign=hs256(secret)))


def test_other_asymmetric_algorithms(refused: Refused, server: StubIssuer, signing_key: SigningKey) -> None:
    """PS256 with the very key, and ES256; under their own names and under RS256."""
    for sign, algorithm in ((signing_key.ps256, "PS256"), (es256, "ES256")):
        refused(server.token(server.header(alg=algorithm), sign=sign))
        refused(server.token(sign=sign))


def test_keys_that_the_token_brings_along(refused: Refused, server: StubIssuer, other_key: SigningKey) -> None:
    """`jwk`, `jku`, `x5u`, `x5c` are refused, signed by the attacker and signed by the issuer alike."""
    offers = {"jwk": other_key.jwk, "jku": "http://127.0.0.1:9/keys", "x5u": "http://127.0.0.1:9/", "x5c": ["MIIB"]}
    for name, value in offers.items():
        header = server.header(**{name: value})
        refused(server.token(header, sign=other_key.rs256))
        refused(server.token(header))
    assert server.requests.count("/keys") == 0


@pytest.mark.parametrize(
    "members",
    [
        {"crit": ["exp"], "exp": 1},
        {"crit": ["b64"], "b64": False},
        {"crit": []},
        {"crit": "x"},
        {"b64": True},
        {"zip": "DEF"},
        {"enc": "A128GCM"},
    ],
)
def test_extensions_that_nobody_here_understands(
    refused: Refused, server: StubIssuer, members: dict[str, object]
) -> None:
    """RFC 7515 section 4.1.11; RFC 7797."""
    refused(server.token(server.header(**members)))


@pytest.mark.parametrize("key_id", [None, "", "key-9", "KEY-1", "key-1\x00", "../key-1", 1, True, ["key-1"], {}])
def test_key_ids_that_the_issuer_does_not_have(refused: Refused, server: StubIssuer, key_id: object) -> None:
    """Missing, unknown or no string; the signature is good."""
    refused(server.token(server.header(kid=key_id)))


def test_another_s_signature(refused: Refused, server: StubIssuer, other_key: SigningKey) -> None:
    """A key that the issuer never published, under the id of one that it did."""
    refused(server.token(sign=other_key.rs256))


def test_a_short_rsa_key_is_not_used(server: StubIssuer, verifier: Verifier, signing_key: SigningKey) -> None:
    """RSA-1024 in the issuer's own key set."""
    weak = SigningKey("weak", 1024)
    server.publish(weak.jwk, signing_key.jwk)
    verifier.verify(server.token())
    with pytest.raises(InvalidTokenError):
        verifier.verify(server.token(server.header(kid="weak"), sign=weak.rs256))


@pytest.mark.parametrize("claim", ["iss", "sub", "aud", "exp"])
def test_missing_claims(refused: Refused, server: StubIssuer, claim: str) -> None:
    """All four are needed."""
    refused(server.token(payload=server.claims(**{claim: None})))


@pytest.mark.parametrize("claim", ["sub", "azp", "client_id"])
def test_zeros_in_names(refused: Refused, server: StubIssuer, claim: str) -> None:
    """PostgreSQL stores no text with a NUL: a signed one was a 500."""
    refused(server.token(payload=server.claims(**{claim: "a\0b"})))


NUMBERS = [
    '"1900000000"',
    "1e400",
    "-1e400",
    "NaN",
    "Infinity",
    "true",
    "null",
    "[1900000000]",
    "{}",
    "0x7fffffff",
    "1_0",
]


@pytest.mark.parametrize("claim", ["exp", "iat", "nbf"])
@pytest.mark.parametrize("number", [*NUMBERS, "1" + "0" * 400, "1" + "0" * 4999])
def test_times_that_are_no_numbers(refused: Refused, server: StubIssuer, claim: str, number: str) -> None:
    """JSON strings, booleans, numbers out of range, and what Python's own parser lets through."""
    document = json.dumps(server.claims(**{claim: "HERE"})).replace('"HERE"', number)
    refused(server.token(payload=document.encode()))


@pytest.mark.parametrize(
    "times",
    [
        {"exp": 0},
        {"exp": -1},
        {"exp": -(1 << 62)},
        {"exp": NOW - 10},
        {"exp": 1 << 40},
        {"exp": 1 << 63},
        {"exp": 1e300},
        {"exp": NOW * 1000},
        {"nbf": NOW + 11},
        {"iat": NOW + 11},
        {"nbf": 1e300},
    ],
)
def test_times_outside_the_token_s_life(refused: Refused, server: StubIssuer, times: dict[str, float]) -> None:
    """Expired, not yet valid, or an expiry that is milliseconds or nonsense."""
    refused(server.token(payload=server.claims(**times)))


@pytest.mark.parametrize(
    "audience",
    [
        [],
        "",
        "task-service",
        AUDIENCE.upper(),
        AUDIENCE + " ",
        ["x", "y"],
        [[AUDIENCE]],
        {AUDIENCE: 1},
        5,
        [AUDIENCE, 5],
    ],
)
def test_other_audiences(refused: Refused, server: StubIssuer, audience: object) -> None:
    """Others', none, nested, of other types; no part of a name counts."""
    refused(server.token(payload=server.claims(aud=audience)))


def test_other_issuers(refused: Refused, server: StubIssuer) -> None:
    """Compared as strings, whole and case-sensitive."""
    for name in ("", server.url + "/", server.url.upper(), server.url[:-1], "http://evil.example", [server.url], 5):
        refused(server.token(payload=server.claims(iss=name)))


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": ""},
        {"sub": 5},
        {"sub": ["a"]},
        {"scope": ["a"]},
        {"azp": 5},
        {"resource_access": {AUDIENCE: {"roles": 1}}},
    ],
)
def test_claims_of_other_types(refused: Refused, server: StubIssuer, claims: dict[str, object]) -> None:
    """Each claim that is read must have the expected type."""
    refused(server.token(payload=server.claims(**claims)))


@pytest.mark.parametrize("part", ["header", "payload", "nested"])
def test_members_that_stand_twice(refused: Refused, server: StubIssuer, part: str) -> None:
    """Two parsers could see two tokens; so neither order is accepted, even when both say the same."""
    header, payload = json.dumps(server.header()), json.dumps(server.claims())
    if part == "header":
        header = header.replace("{", '{"kid": "key-9", ', 1)
    elif part == "payload":
        payload = payload.replace("{", '{"sub": "mallory", ', 1)
    else:
        payload = payload.replace('"resource_access": {', '"resource_access": {"token-vault": {"roles": []}, ')
    refused(server.token(header.encode(), payload.encode()))


def test_escaped_spellings_of_a_member_are_that_member(refused: Refused, server: StubIssuer) -> None:
    r"""`"\u0063rit"` is `crit`, and `"\u0073ub"` beside `sub` is `sub` twice."""
    header = json.dumps(server.header(crit=["x"])).replace("crit", r"\u0063rit")
    refused(server.token(header.encode()))
    payload = json.dumps(server.claims()).replace("{", r'{"\u0073ub": "mallory", ', 1)
    refused(server.token(payload=payload.encode()))


@pytest.mark.parametrize("segment", [0, 1, 2])
def test_lax_spellings_of_base64url(refused: Refused, server: StubIssuer, segment: int) -> None:
    """Padding, white space, the other alphabet, foreign characters: RFC 7515 section 2 knows one spelling only."""
    parts = server.token().split(".")
    spelled = parts[segment]
    padded = spelled + "=" * (-len(spelled) % 4)
    halves = spelled[:8], spelled[8:]
    for lax in (
        padded,
        f"{spelled}=",
        f"{spelled}\n",
        f" {spelled}",
        "\n".join(halves),
        "!".join(halves),
        f"{spelled}\x00",
    ):
        if lax != spelled:
            refused(".".join([*parts[:segment], lax, *parts[segment + 1 :]]))


def test_the_other_base64_alphabet(refused: Refused, server: StubIssuer) -> None:
    """`+` and `/` for `-` and `_`, in a signature that has both."""
    tokens = (server.token(payload=server.claims(jti=str(number))) for number in range(1000))
    token = next(token for token in tokens if {"-", "_"} <= set(token.rpartition(".")[2]))
    signed, _, signature = token.rpartition(".")
    refused(f"{signed}.{signature.replace('-', '+').replace('_', '/')}")


def test_last_bits_that_mean_nothing(refused: Refused, server: StubIssuer) -> None:
    """A 256-byte signature leaves four unused bits; set ones would be a second token with the same meaning."""
    token = server.token()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = alphabet.index(token[-1])
    assert last % 16 == 0
    for bits in range(1, 16):
        refused(token[:-1] + alphabet[last + bits])


def test_other_shapes(refused: Refused, server: StubIssuer) -> None:
    """Anything but three filled segments."""
    token = server.token()
    header, payload, signature = token.split(".")
    shapes = ["", ".", "..", "...", "....", token + ".", "." + token, f"{token}.AA", f"{token}.AA.AA"]
    shapes += [
        header,
        f"{header}.{payload}",
        f"{header}.{payload}.",
        f"{header}..{signature}",
        f".{payload}.{signature}",
    ]
    shapes += [f"Bearer {token}", f"{token} ", f"\n{token}", f"{token},{token}", "a.b.c", "é.é.é", "\ud800.\udfff.x"]
    for shape in shapes:
        refused(shape)


def test_documents_that_are_no_objects(refused: Refused, server: StubIssuer) -> None:
    """Arrays, strings, nothing, UTF-16, a byte order mark, invalid UTF-8, lone surrogates, trailing text."""
    good = json.dumps(server.claims())
    documents = [b"[]", b'"x"', b"null", b"5", b" ", b"{", b"\xff", b"{}{}", good.encode("utf-16"), b"\xef\xbb\xbf{}"]
    documents += [b"\xef\xbb\xbf" + good.encode(), good.encode() + b"x", good.encode().replace(b"alice", b"\xff")]
    documents += [good.replace("alice-id", r"\ud800").encode(), good.replace('"', "'").encode()]
    for document in documents:
        refused(server.token(payload=document))
        refused(server.token(document))


def test_deep_nesting(refused: Refused, server: StubIssuer) -> None:
    """As deep as a token's length allows, closed and not closed."""
    for deep in (b"[" * 5000, b'{"a":' * 1000, b'{"a":' * 900 + b"1" + b"}" * 900):
        refused(server.token(payload=deep))
        refused(server.token(deep))


def test_a_token_beyond_measure_is_refused_unread(
    refused: Refused, server: StubIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """100 kB cost neither decoding nor a signature check, even when they are well signed."""
    assert len(server.token(payload=server.claims(padding="x" * 4000))) < MAX_TOKEN_BYTES
    token = server.token(payload=server.claims(padding="x" * 100_000))
    monkeypatch.setattr(jwt, "_strict_base64url", None)
    for long in (token, "a" * 100_000, "." * 100_000):
        refused(long)


def test_a_signature_over_other_parts(refused: Refused, server: StubIssuer) -> None:
    """Header, payload and signature of different good tokens do not combine."""
    alice, bob = server.token(), server.token(payload=server.claims(sub="bob-id"))
    header, _, signature = alice.split(".")
    refused(".".join([header, bob.split(".")[1], signature]))
    refused(".".join([b64(json.dumps(server.header(x=1)).encode()), *alice.split(".")[1:]]))
    refused(jws(server.header(), server.claims(), lambda _: bytes(256)))
    refused(jws(server.header(), server.claims(), lambda _: b"\xff" * 256))
    refused(jws(server.header(), server.claims(), lambda _: b"\x01"))
