"""Discovery documents and JWK sets as servers really give them: every member absent or odd, every status, encodings."""

import gzip
import json
from typing import Any

import pytest
from stub_issuer import SigningKey, StubIssuer

from service_kit.tokens.issuer import Issuer, IssuerMismatchError, IssuerUnavailableError

DOCUMENT = "/realms/demo/.well-known/openid-configuration"
CERTS = "/realms/demo/certs"
ODD: list[Any] = [None, "", 0, 5, 1.5, True, [], {}, ["x"], {"a": 1}, "x" * 1000, "\0", "ä"]
REQUIRED = ("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri")
OPTIONAL = (
    *("userinfo_endpoint", "end_session_endpoint", "authorization_response_iss_parameter_supported"),
    *("id_token_signing_alg_values_supported", "scopes_supported", "unknown"),
)


def members(server: StubIssuer) -> dict[str, Any]:
    """Those of the document that is served."""
    return dict(json.loads(server.documents[DOCUMENT]))


@pytest.mark.parametrize("member", REQUIRED)
def test_a_required_member_that_is_odd_or_absent_makes_the_document_unusable(server: StubIssuer, member: str) -> None:
    """Nothing is sent to a server whose endpoints are unclear, and no other error comes of it."""
    usual = members(server)
    documents = [{**usual, member: odd} for odd in ODD]
    documents.append({name: value for name, value in usual.items() if name != member})
    for document in documents:
        server.documents[DOCUMENT] = json.dumps(document).encode()
        with pytest.raises((IssuerUnavailableError, IssuerMismatchError)):
            Issuer(server.url).metadata()
    assert set(server.requests) == {DOCUMENT}


@pytest.mark.parametrize("member", OPTIONAL)
def test_an_optional_member_that_is_odd_spoils_nothing(server: StubIssuer, member: str) -> None:
    """The rest is used."""
    for odd in ODD:
        server.describe(**{member: odd})
        assert Issuer(server.url).key("key-1") is not None


def test_a_revocation_endpoint_that_is_no_address_is_refused_or_absent(server: StubIssuer) -> None:
    """A refresh token is never sent there."""
    for odd in ODD:
        server.describe(revocation_endpoint=odd)
        try:
            metadata = Issuer(server.url).metadata()
        except IssuerUnavailableError:
            continue
        assert metadata.revocation_endpoint is None


@pytest.mark.parametrize("path", [DOCUMENT, CERTS])
def test_no_status_but_200_is_an_answer(server: StubIssuer, path: str) -> None:
    """With the right body, and with a redirect's address."""
    server.headers = {"Location": f"{server.url}/elsewhere"}
    for status in (*range(201, 204), 206, *range(300, 304), *range(305, 309), *range(400, 452), *range(500, 512), 599):
        issuer = Issuer(server.url)
        if path == CERTS:
            server.status = 200
            issuer.metadata()
        server.status = status
        with pytest.raises(IssuerUnavailableError):
            issuer.key("key-1")
    assert not any("elsewhere" in asked for asked in server.requests)


@pytest.mark.parametrize("path", [DOCUMENT, CERTS])
def test_a_compressed_document_is_read_within_bounds(server: StubIssuer, path: str) -> None:
    """Gzip is read; gzip that ends early, that is none, or that unfolds to many megabytes is not."""
    good = server.documents[path]
    other = DOCUMENT if path == CERTS else CERTS
    packed_other = gzip.compress(server.documents[other])
    server.headers = {"Content-Encoding": "gzip"}
    for body, is_read in (
        (gzip.compress(good), True),
        (gzip.compress(good)[:-9], False),
        (good, False),
        (gzip.compress(good + b" " * (16 << 20)), False),
    ):
        server.documents = {path: body, other: packed_other}
        issuer = Issuer(server.url)
        if is_read:
            assert issuer.key("key-1") is not None
        else:
            with pytest.raises(IssuerUnavailableError):
                issuer.key("key-1")


@pytest.mark.parametrize("path", [DOCUMENT, CERTS])
def test_300_kilobytes_are_read(server: StubIssuer, path: str) -> None:
    """Some servers describe hundreds of scopes and claims."""
    document = json.loads(server.documents[path])
    server.documents[path] = json.dumps({**document, "padding": ["x" * 100] * 3000}).encode()
    assert Issuer(server.url).key("key-1") is not None


@pytest.mark.parametrize(
    "issuer", ["HTTP://127.0.0.1", "{url}/", "{url}?a", "{url}#a", "https://other.example", " {url}"]
)
def test_a_name_that_is_almost_the_issuers_is_another_issuer(server: StubIssuer, issuer: str) -> None:
    """RFC 8414 section 3.3: compared as it is."""
    server.describe(issuer=issuer.format(url=server.url))
    with pytest.raises(IssuerMismatchError):
        Issuer(server.url).metadata()


def test_a_thousand_keys_are_searched_and_odd_ones_passed_over(
    server: StubIssuer, signing_key: SigningKey, other_key: SigningKey
) -> None:
    """Keys of unknown types, with private parts, without an id, and no keys at all stand between them."""
    odd: list[Any] = [
        {"kty": "AKP", "kid": "key-1", "alg": "ML-DSA-44", "pub": "AAAA"},
        {"kty": "OKP", "kid": "key-1", "crv": "X25519", "x": "AAAA"},
        {**other_key.jwk, "kid": None},
        {**other_key.jwk, "kid": 5},
        {**other_key.jwk, "kid": ["key-1"]},
        {**other_key.jwk, "kid": "key-1", "use": "enc"},
        {**other_key.jwk, "kid": "key-1", "n": "AAAA"},
        *("key-1", 5, None, [], {}),
    ]
    many = [{**other_key.jwk, "kid": f"other-{number}"} for number in range(1000)]
    server.publish(*odd, *many, {**signing_key.jwk, "d": "AQAB", "p": "AQAB", "q": "AQAB"}, *odd)
    issuer = Issuer(server.url)
    key = issuer.key("key-1")
    assert key is not None
    assert key.to_dict()["n"] == signing_key.jwk["n"]
    assert "d" not in key.to_dict()
    assert issuer.key("other-999") is not None
