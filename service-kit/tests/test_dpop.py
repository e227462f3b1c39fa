"""DPoP proofs (RFC 9449 section 4.3): which are accepted, and that each is accepted once."""

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed448, ed25519
from proof_key import LEFT_OUT, ProofKey
from stub_issuer import NOW, Clock, SigningKey, b64, hs256, jws

from service_kit.tokens import dpop, signatures
from service_kit.tokens.dpop import (
    BoundRequest,
    InvalidProofError,
    ProofChecker,
    ProofsInMemory,
    TooManyProofsError,
    access_token_hash,
    normalized,
    thumbprint,
)

PUBLIC = "https://vault.example"
PATH = "/api/auth/manager/access-token"
URL = PUBLIC + PATH
TOKEN = "eyJ.access.token"

RFC_HEADER = (
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRj"
    "QyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19"
)
RFC_PROOF = (
    f"{RFC_HEADER}.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9w"
    "cm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFby"
    "J9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA"
)
"""RFC 9449, figure 12."""
RFC_TOKEN_PROOF = (
    f"{RFC_HEADER}.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rv"
    "a2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZ"
    "T3Lg"
)
"""RFC 9449, figure 2: for a token endpoint, without `ath`."""
RFC_TOKEN = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"
RFC_THUMBPRINT = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"


@pytest.fixture(scope="module")
def key() -> ProofKey:
    return ProofKey()


@pytest.fixture
def checker(wall_clock: Clock) -> ProofChecker:
    return ProofChecker([PUBLIC, "http://127.0.0.1:8000"], ProofsInMemory(), wall_clock)


def presented(key: ProofKey, proof: str, **other: str) -> BoundRequest:
    """A request of the key's owner."""
    usual = {"method": "GET", "path": PATH, "token": TOKEN, "thumbprint": key.thumbprint, "proof": proof}
    return BoundRequest(**{**usual, **other})


def test_the_rfcs_request_is_accepted() -> None:
    """RFC 9449 sections 4.1, 6.1 and 7.1."""
    checker = ProofChecker(["https://resource.example.org"], ProofsInMemory(), Clock(1562262618))
    checker.check(BoundRequest("GET", "/protectedresource", RFC_TOKEN, RFC_THUMBPRINT, RFC_PROOF))


def test_the_rfcs_thumbprint_and_hash_are_ours() -> None:
    """RFC 9449 figures 9 and 12."""
    jwk = {
        "kty": "EC",
        "x": "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
        "y": "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
        "crv": "P-256",
    }
    assert thumbprint(jwk) == RFC_THUMBPRINT
    assert access_token_hash(RFC_TOKEN) == "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"


def test_the_rfcs_proof_for_a_token_endpoint_opens_no_resource() -> None:
    """That proof has no `ath`."""
    checker = ProofChecker(["https://server.example.com"], ProofsInMemory(), Clock(1562262616))
    with pytest.raises(InvalidProofError, match="ath"):
        checker.check(BoundRequest("POST", "/token", RFC_TOKEN, RFC_THUMBPRINT, RFC_TOKEN_PROOF))


@pytest.mark.parametrize(
    "htu",
    [
        URL,
        "HTTPS://VAULT.EXAMPLE/api/auth/manager/access-token",
        "https://vault.example:443/api/auth/manager/access-token",
        "https://vault.example:/api/auth/manager/access-token",
        f"{URL}?id=1&subject=2",
        f"{URL}#fragment",
        f"{URL}?a=b#c",
        "https://vault.example/api/auth/manager/access%2dtoken",
        "https://vault.example/api/./auth/x/../manager/access-token",
        "http://127.0.0.1:8000/api/auth/manager/access-token",
    ],
)
def test_equivalent_addresses_are_the_requests(checker: ProofChecker, key: ProofKey, htu: str) -> None:
    """RFC 9449 section 4.3, check 9: without query and fragment, normalized after RFC 3986 section 6.2."""
    checker.check(presented(key, key.proof("GET", htu, TOKEN, NOW)))


@pytest.mark.parametrize(
    "htu",
    [
        "http://vault.example/api/auth/manager/access-token",
        "https://vault.example:8443/api/auth/manager/access-token",
        "https://vault.example.evil/api/auth/manager/access-token",
        "https://evil.vault.example/api/auth/manager/access-token",
        "https://vault.example./api/auth/manager/access-token",
        "https://alice@vault.example/api/auth/manager/access-token",
        "https://vault.example@evil.example/api/auth/manager/access-token",
        "https://evil.example/https://vault.example/api/auth/manager/access-token",
        "https://vault.example/api/auth/manager/access-tokens",
        "https://vault.example/api/auth/manager/access-token/",
        "https://vault.example//api/auth/manager/access-token",
        "https://vault.example/API/auth/manager/access-token",
        "https://vault.example/api/auth/manager/access%2Ftoken",
        "https://vault.example/api/auth/manager/access-token%00",
        "https://vault.example\\api\\auth\\manager\\access-token",
        "https://127.0.0.1:8000/api/auth/manager/access-token",
        "http://127.0.0.1:8001/api/auth/manager/access-token",
        "https://vault.example:99999/api/auth/manager/access-token",
        "https://vault.example:x/api/auth/manager/access-token",
        "https://[vault.example/api/auth/manager/access-token",
        "https://váult.example/api/auth/manager/access-token",
        " https://vault.example/api/auth/manager/access-token",
        "https://vault.example/api/auth/manager/access-token\n",
        "/api/auth/manager/access-token",
        "//vault.example/api/auth/manager/access-token",
        "ftp://vault.example/api/auth/manager/access-token",
        "https://vault.example",
        "https:",
        "",
        "https://vault.example/" + "a" * 9000,
    ],
)
def test_other_addresses_are_not(checker: ProofChecker, key: ProofKey, htu: str) -> None:
    """A proof that was made for another server, or another call, is worth nothing here."""
    with pytest.raises(InvalidProofError):
        checker.check(presented(key, key.proof("GET", htu, TOKEN, NOW)))


def test_a_public_url_with_a_path_and_capitals_is_understood(key: ProofKey, wall_clock: Clock) -> None:
    """Operators write `PUBLIC_URL` as they like."""
    checker = ProofChecker(["HTTPS://Example.ORG:443/vault/"], ProofsInMemory(), wall_clock)
    checker.check(presented(key, key.proof("GET", f"https://example.org/vault{PATH}", TOKEN, NOW)))


def test_normalizing_ends_at_the_root() -> None:
    """RFC 3986 section 5.2.4."""
    assert normalized("http://h:80") == normalized("http://h/") == normalized("HTTP://H/../.") == "http://h/"
    assert normalized("http://[::1]:8000/%7Ea%c3/b/..") == "http://[::1]:8000/~a%C3/"


MEMBERS = ("jti", "htm", "htu", "iat", "ath")
WRONG: tuple[Any, ...] = (LEFT_OUT, None, True, 7.5e300, -1, [], {}, ["x"], "", "\x00", "é", "x" * 7000)


@pytest.mark.parametrize(
    ("member", "value"), [(m, v) for m in MEMBERS for v in WRONG if m != "jti" or v not in ("\x00", "é")]
)
def test_each_claim_is_needed_and_right(checker: ProofChecker, key: ProofKey, member: str, value: object) -> None:
    """Absent, null, of another type, empty or huge: refused, and never an unexpected error."""
    proof = key.proof("GET", URL, TOKEN, NOW, claims={member: value})
    with pytest.raises(InvalidProofError):
        checker.check(presented(key, proof))


@pytest.mark.parametrize("value", WRONG)
@pytest.mark.parametrize("member", ["typ", "alg", "jwk"])
def test_each_header_member_is_needed_and_right(
    checker: ProofChecker, key: ProofKey, member: str, value: object
) -> None:
    """The same of the header."""
    proof = key.proof("GET", URL, TOKEN, NOW, header={member: value})
    with pytest.raises(InvalidProofError):
        checker.check(presented(key, proof))


@pytest.mark.parametrize("value", WRONG)
@pytest.mark.parametrize("member", ["kty", "crv", "x", "y"])
def test_each_member_of_the_key_is_needed_and_right(
    checker: ProofChecker, key: ProofKey, member: str, value: object
) -> None:
    """The same of the key, whose thumbprint would be another one's."""
    jwk = {name: each for name, each in {**key.jwk, member: value}.items() if each is not LEFT_OUT}
    proof = key.proof("GET", URL, TOKEN, NOW, header={"jwk": jwk})
    with pytest.raises(InvalidProofError):
        checker.check(presented(key, proof))


@pytest.mark.parametrize("typ", ["JWT", "DPOP+JWT", "application/dpop+jwt", "dpop", "at+jwt", "dpop+jwt\n"])
def test_no_other_kind_of_token_is_a_proof(checker: ProofChecker, key: ProofKey, typ: str) -> None:
    """RFC 9449 section 4.3, check 4."""
    with pytest.raises(InvalidProofError, match="typ"):
        checker.check(presented(key, key.proof("GET", URL, TOKEN, NOW, header={"typ": typ})))


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "HS256", "HS512", "ES256K", "es256", "RSA-OAEP", "dir"])
@pytest.mark.parametrize("signature", ["theirs", "none", "public key as secret"])
def test_no_symmetric_and_no_unknown_algorithm(checker: ProofChecker, key: ProofKey, alg: str, signature: str) -> None:
    """RFC 9449 section 4.3, check 5; RFC 8725 section 3.1."""
    signers: dict[str, Callable[[bytes], bytes]] = {
        "theirs": key.es256,
        "none": lambda _: b"",
        "public key as secret": hs256(json.dumps(key.jwk).encode()),
    }
    proof = key.proof("GET", URL, TOKEN, NOW, header={"alg": alg}, sign=signers[signature])
    with pytest.raises(InvalidProofError):
        checker.check(presented(key, proof))


def test_a_private_key_in_the_header_is_refused(checker: ProofChecker, key: ProofKey) -> None:
    """RFC 9449 section 4.3, check 7. It is named, because that key must be replaced."""
    with pytest.raises(InvalidProofError, match="private"):
        checker.check(presented(key, key.proof("GET", URL, TOKEN, NOW, header={"jwk": key.private_jwk})))


@pytest.mark.parametrize("member", ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"])
@pytest.mark.parametrize("value", ["AQAB", None, "", 7])
def test_any_private_member_is_refused_whatever_it_holds(
    checker: ProofChecker, key: ProofKey, member: str, value: object
) -> None:
    """Of every kind of key."""
    proof = key.proof("GET", URL, TOKEN, NOW, header={"jwk": {**key.jwk, member: value}})
    with pytest.raises(InvalidProofError, match="private"):
        checker.check(presented(key, proof))


@pytest.mark.parametrize("name", ["crit", "jku", "x5u", "x5c", "b64", "zip", "enc"])
def test_header_members_that_bring_other_keys_are_refused(checker: ProofChecker, key: ProofKey, name: str) -> None:
    """As in access tokens."""
    with pytest.raises(InvalidProofError, match="header"):
        checker.check(presented(key, key.proof("GET", URL, TOKEN, NOW, header={name: ["exp"]})))


def test_another_key_opens_nothing(checker: ProofChecker, key: ProofKey) -> None:
    """A thief with the token and a key of his own."""
    thief = ProofKey()
    with pytest.raises(InvalidProofError, match="bound"):
        checker.check(presented(key, thief.proof("GET", URL, TOKEN, NOW)))
    with pytest.raises(InvalidProofError, match="signature"):
        checker.check(presented(key, thief.proof("GET", URL, TOKEN, NOW, header={"jwk": key.jwk})))


def test_a_proof_for_another_token_or_method_opens_nothing(checker: ProofChecker, key: ProofKey) -> None:
    """RFC 9449 section 4.3, checks 8 and 12. Methods are case-sensitive."""
    with pytest.raises(InvalidProofError, match="ath"):
        checker.check(presented(key, key.proof("GET", URL, "another token", NOW)))
    for method in ("POST", "get", "GET "):
        with pytest.raises(InvalidProofError, match="htm"):
            checker.check(presented(key, key.proof(method, URL, TOKEN, NOW)))


@pytest.mark.parametrize(("at", "good"), [(-60, True), (-60.5, False), (10, True), (10.5, False), (0.25, True)])
def test_a_proof_is_young(checker: ProofChecker, key: ProofKey, at: float, good: bool) -> None:
    """A minute at most, and ten seconds for clocks that are ahead."""
    request = presented(key, key.proof("GET", URL, TOKEN, NOW + at))
    if good:
        checker.check(request)
    else:
        with pytest.raises(InvalidProofError, match="iat"):
            checker.check(request)


@pytest.mark.parametrize(
    ("claims", "good"),
    [({"exp": NOW + 1}, True), ({"exp": NOW - 11}, False), ({"nbf": NOW + 11}, False), ({"exp": "x"}, False)],
)
def test_its_own_end_counts_too(checker: ProofChecker, key: ProofKey, claims: dict[str, Any], good: bool) -> None:
    """RFC 7519 section 4.1, where they are given; other members are ignored."""
    request = presented(key, key.proof("GET", URL, TOKEN, NOW, claims={**claims, "other": {"x": [1]}, "nonce": "n"}))
    if good:
        checker.check(request)
    else:
        with pytest.raises(InvalidProofError):
            checker.check(request)


@pytest.mark.parametrize("proof", ["", "x", "a.b", "a.b.c", "a.b.c.d", "....", "é.é.é", "A" * 9000, "e30.e30.e30"])
def test_what_is_no_jws_is_no_proof(checker: ProofChecker, key: ProofKey, proof: str) -> None:
    """And is no unexpected error."""
    with pytest.raises(InvalidProofError):
        checker.check(presented(key, proof))


@pytest.mark.parametrize(
    "document",
    [
        b"[]",
        b"7",
        b"null",
        b"{",
        b"\xff",
        b'{"jti": "\\ud800", "htm": "GET", "htu": "https://vault.example/", "iat": 1800000000, "ath": "x"}',
        b'{"jti": "1", "jti": "2", "htm": "GET", "htu": "https://vault.example/", "iat": 1800000000, "ath": "x"}',
        b'{"jti": "1", "htm": "GET", "htu": "https://vault.example/", "iat": NaN, "ath": "x"}',
        b'{"jti": "1", "htm": "GET", "htu": "https://vault.example/", "iat": 1e999, "ath": "x"}',
        b"[" * 5000,
    ],
)
def test_payloads_that_are_no_claims(checker: ProofChecker, key: ProofKey, document: bytes) -> None:
    """Broken JSON, members twice, lone surrogates, numbers that are none."""
    proof = jws({"typ": "dpop+jwt", "alg": "ES256", "jwk": key.jwk}, document, key.es256)
    with pytest.raises(InvalidProofError):
        checker.check(presented(key, proof))


def test_a_signature_has_one_spelling(checker: ProofChecker, key: ProofKey) -> None:
    """Changed anywhere, padded, or in DER, it is none."""
    signed, _, signature = key.proof("GET", URL, TOKEN, NOW).rpartition(".")
    for other in (
        signature[:-1],
        signature + "=",
        signature + "AA",
        "B" + signature[1:],
        b64(b"\x30\x06" + b"\x02" * 6),
    ):
        with pytest.raises(InvalidProofError):
            checker.check(presented(key, f"{signed}.{other}"))
    checker.check(presented(key, f"{signed}.{signature}"))


def test_every_asymmetric_algorithm_is_served(wall_clock: Clock) -> None:
    """RSA, other curves, Edwards curves."""
    checker = ProofChecker([PUBLIC], ProofsInMemory(), wall_clock)
    rsa_key = SigningKey("x")
    ed = ed25519.Ed25519PrivateKey.generate()
    goldilocks = ed448.Ed448PrivateKey.generate()
    keys: list[tuple[str, dict[str, Any], Callable[[bytes], bytes]]] = [
        ("RS256", {name: rsa_key.jwk[name] for name in ("kty", "n", "e")}, rsa_key.rs256),
        ("PS256", {name: rsa_key.jwk[name] for name in ("kty", "n", "e")}, rsa_key.ps256),
        ("EdDSA", {"kty": "OKP", "crv": "Ed25519", "x": b64(ed.public_key().public_bytes_raw())}, ed.sign),
        (
            "Ed448",
            {"kty": "OKP", "crv": "Ed448", "x": b64(goldilocks.public_key().public_bytes_raw())},
            goldilocks.sign,
        ),
    ]
    maker = ProofKey()
    for alg, jwk, sign in keys:
        proof = maker.proof("GET", URL, TOKEN, NOW, header={"alg": alg, "jwk": jwk}, sign=sign)
        checker.check(BoundRequest("GET", PATH, TOKEN, thumbprint(jwk), proof))


def test_a_key_for_one_algorithm_verifies_no_other(checker: ProofChecker, key: ProofKey) -> None:
    """A P-256 key with RS256, ES384 or EdDSA; an RSA key of 1,024 bits."""
    for alg in ("RS256", "PS256", "ES384", "ES512", "EdDSA"):
        with pytest.raises(InvalidProofError, match="signature"):
            checker.check(presented(key, key.proof("GET", URL, TOKEN, NOW, header={"alg": alg})))
    small = SigningKey("small", 1024)
    jwk = {name: small.jwk[name] for name in ("kty", "n", "e")}
    proof = key.proof("GET", URL, TOKEN, NOW, header={"alg": "RS256", "jwk": jwk}, sign=small.rs256)
    with pytest.raises(InvalidProofError, match="signature"):
        checker.check(presented(key, proof, thumbprint=thumbprint(jwk)))


def test_a_replay_is_refused_until_the_proof_is_too_old(key: ProofKey, wall_clock: Clock) -> None:
    """By its `jti`, of its key: also when another request of it is made."""
    monotonic = Clock(0)
    checker = ProofChecker([PUBLIC], ProofsInMemory(clock=monotonic), wall_clock)
    request = presented(key, key.proof("GET", URL, TOKEN, NOW + 10, claims={"jti": "same"}))
    checker.check(request)
    for passed in (0, 1, 69.9):
        monotonic.now, wall_clock.now = passed, NOW + passed
        with pytest.raises(InvalidProofError, match="used before"):
            checker.check(request)
    with pytest.raises(InvalidProofError, match="used before"):
        checker.check(presented(key, key.proof("GET", f"{URL}?x", TOKEN, NOW + 60, claims={"jti": "same"})))
    other = ProofKey()
    checker.check(presented(other, other.proof("GET", URL, TOKEN, NOW + 60, claims={"jti": "same"})))
    monotonic.now, wall_clock.now = 71, NOW + 71
    with pytest.raises(InvalidProofError, match="iat"):
        checker.check(request)


def test_a_refused_proof_uses_nothing_up(checker: ProofChecker, key: ProofKey) -> None:
    """An attacker who can guess a `jti` cannot have a later proof with it refused."""
    bad = key.proof("GET", URL, TOKEN, NOW, claims={"jti": "1"}, sign=ProofKey().es256)
    with pytest.raises(InvalidProofError, match="signature"):
        checker.check(presented(key, bad))
    checker.check(presented(key, key.proof("GET", URL, TOKEN, NOW, claims={"jti": "1"})))


def test_of_many_at_once_one_is_the_first(key: ProofKey, wall_clock: Clock) -> None:
    """Threads of one process."""
    checker = ProofChecker([PUBLIC], ProofsInMemory(), wall_clock)
    request, begin = presented(key, key.proof("GET", URL, TOKEN, NOW)), threading.Barrier(8)
    accepted: list[bool] = []

    def use() -> None:
        begin.wait()
        try:
            checker.check(request)
            accepted.append(True)
        except InvalidProofError:
            accepted.append(False)

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(accepted) == [False] * 7 + [True]


def test_the_memory_of_proofs_is_bounded_and_forgets_none_early() -> None:
    """A full memory accepts no proof until one has expired."""
    clock = Clock(0)
    seen = ProofsInMemory(size=3, clock=clock)
    assert [seen.is_first(each) for each in (b"1", b"2", b"3")] == [True] * 3
    with pytest.raises(TooManyProofsError):
        seen.is_first(b"4")
    assert not seen.is_first(b"1")
    clock.now = dpop.REMEMBERED_SECONDS
    assert seen.is_first(b"4")
    assert len(seen._known) == len(seen._ends) == 1


def test_a_key_is_looked_at_only_if_the_token_names_it(
    checker: ProofChecker, key: ProofKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stranger's key costs no signature check."""
    monkeypatch.setattr(signatures, "public_key", lambda *_: pytest.fail("a key was made"))
    with pytest.raises(InvalidProofError, match="bound"):
        checker.check(presented(key, ProofKey().proof("GET", URL, TOKEN, NOW)))


def test_the_algorithms_are_asymmetric() -> None:
    """Challenges list them."""
    assert {"ES256", "ES384", "ES512", "EdDSA", "RS256", "PS256"} <= set(dpop.ALGORITHMS)
    assert not [each for each in dpop.ALGORITHMS if each.startswith(("HS", "none"))]
