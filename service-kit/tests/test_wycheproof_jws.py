"""Wycheproof's vectors (`vectors/README.md`): JSON web signatures, and the two kinds of signature that we verify."""

import json
from pathlib import Path
from typing import Any

import pytest
from stub_issuer import SigningKey, StubIssuer, b64

from service_kit.tokens.issuer import Issuer
from service_kit.tokens.jwt import InvalidTokenError, verify_signature

Group = dict[str, Any]
VECTORS = Path(__file__).parent / "vectors"


def groups(name: str) -> list[Group]:
    """The groups of a file; each has one key and many tests."""
    return list(json.loads((VECTORS / name).read_text())["testGroups"])


def named(group: Group) -> str:
    """The first test's number, and what the group is about."""
    return f"{group['tests'][0]['tcId']}-{group.get('comment') or group['type']}"


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
@pytest.mark.parametrize("group", groups("json_web_signature_test.json"), ids=named)
def test_web_signatures(
    server: StubIssuer, signing_key: SigningKey, ec_jwk: dict[str, Any], group: Group, algorithm: str
) -> None:
    """Accepted: the valid ones of the configured algorithm. Refused: the others, and all of every other algorithm."""
    key = group.get("public") or group["private"]
    server.publish(key, signing_key.jwk, ec_jwk)
    issuer = Issuer(server.url, algorithm=algorithm)
    ours = key.get("alg", algorithm) == algorithm
    expected = {test["tcId"]: ours and test["result"] == "valid" for test in group["tests"]}
    assert {test["tcId"]: verifies(issuer, test["jws"]) for test in group["tests"]} == expected


@pytest.mark.parametrize("group", groups("rsa_signature_2048_sha256_test.json"), ids=named)
def test_rs256(server: StubIssuer, group: Group) -> None:
    """PKCS #1 v1.5 with broken, short, long and forged paddings. The one "acceptable" (no NULL) is refused."""
    server.publish({**group["keyJwk"], "kid": "vector"})
    signatures_are_as_told(Issuer(server.url, algorithm="RS256").key("vector"), group)


@pytest.mark.parametrize("group", groups("ecdsa_secp256r1_sha256_p1363_test.json"), ids=named)
def test_es256(server: StubIssuer, group: Group) -> None:
    """ECDSA on P-256 in the form of RFC 7518 section 3.4: r and s out of range, of other lengths, at edges."""
    point = bytes.fromhex(group["publicKey"]["uncompressed"])
    key = {"kid": "vector", "kty": "EC", "crv": "P-256", "x": b64(point[1:33]), "y": b64(point[33:])}
    server.publish(key)
    signatures_are_as_told(Issuer(server.url, algorithm="ES256").key("vector"), group)


def signatures_are_as_told(key: Any, group: Group) -> None:
    """The key as the verifier holds it accepts the valid signatures and no others."""
    expected = {test["tcId"]: test["result"] == "valid" for test in group["tests"]}
    assert {test["tcId"]: signed_by(key, test) for test in group["tests"]} == expected


def verifies(issuer: Issuer, token: str) -> bool:
    """True when a JWS is accepted. Any other error than the one for refusals is a fault."""
    try:
        verify_signature(token, issuer)
    except InvalidTokenError:
        return False
    return True


def signed_by(key: Any, test: dict[str, str]) -> bool:
    """True when a key verifies a signature. The library's errors count as False, as in its `jws.verify`."""
    try:
        return bool(key.verify(bytes.fromhex(test["msg"]), bytes.fromhex(test["sig"])))
    except ValueError:
        return False
